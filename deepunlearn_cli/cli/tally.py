"""How far a command is, over all the batches of runs that it makes one after the other."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Tally:
    """Runs by what became of them, each counted once however often a command comes by.

    Attributes:
        ended: whose making came to an end here, for better or worse.
        there: what was there before, or came from elsewhere.
        failed: what gave no usable model.
    """

    clock: Callable[[], float] = time.monotonic
    ended: set[str] = field(default_factory=set)
    there: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    _wanted: int = 0

    def __post_init__(self) -> None:
        self._start = self.clock()

    def plan(self, count: int) -> None:
        """So many more are to be made."""
        self._wanted = len(self.ended) + count

    def end(self, run: str) -> None:
        """A run was made, or could not be."""
        self.ended.add(run)

    def find(self, run: str) -> None:
        """A run is there: as one of before, unless it was made here."""
        if run not in self.ended:
            self.there.add(run)

    def fail(self, run: str) -> None:
        """A run gave no usable model."""
        self.failed.add(run)

    @property
    def total(self) -> int:
        """How many there will be: what was planned, and what turned out to be needed besides."""
        return max(self._wanted, len(self.ended))

    @property
    def place(self) -> str:
        """`[12/95] 0:42 ` before a line on a run, where there are several."""
        return f"[{len(self.ended)}/{self.total}] {self.elapsed} " if self.total > 1 else ""

    @property
    def elapsed(self) -> str:
        """Since the command began, as a clock shows it."""
        minutes, seconds = divmod(round(self.clock() - self._start), 60)
        hours, minutes = divmod(minutes, 60)
        return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"

    @property
    def rate(self) -> float:
        """Runs that ended, per minute."""
        return 60 * len(self.ended) / max(self.clock() - self._start, 1e-9)

    @property
    def aside(self) -> str:
        """What else there is to say."""
        counts = {"there already": len(self.there), "failed": len(self.failed)}
        return ", ".join(f"{count} {what}" for what, count in counts.items() if count)

    @property
    def summary(self) -> str:
        """All of it in a line."""
        made = f"{len(self.ended - self.failed)} made"
        return f"{', '.join(filter(None, (made, self.aside)))}, in {self.elapsed}"
