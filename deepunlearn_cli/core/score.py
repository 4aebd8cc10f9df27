"""A figure as who makes it declares it, for who prints it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Score:
    """A figure of an attack, as its table shows it.

    Attributes:
        name: of the figure among an attack's scores.
        header: of its column.
        interval: whether its 95 % interval, the scores `NAME_low` and `NAME_high`, stands beside it.
        guessing: its value where there is nothing to see, if a verdict may go by it: it has an interval then.
        takes: samples per side below which it cannot be resolved, and is None.
        digits: behind the point.
    """

    name: str
    header: str
    interval: bool = False
    guessing: float | None = None
    takes: int = 0
    digits: int = 3

    def text(self, value: float | None) -> str:
        """A value as people read it."""
        return "–" if value is None else f"{value:.{self.digits}f}"
