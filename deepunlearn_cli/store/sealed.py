"""Which runs a store has sealed: `ROOT/sealed`, one line each, so that one whose folder is gone is missed.

`+ID` is written after a run has its place, `-ID` before it is removed: what a killed process leaves unsaid is
a run that nobody would miss, never one that is missed in vain.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from deepunlearn_cli.core.errors import Failure, NotFound, StoreCorrupt
from deepunlearn_cli.store.manifest import Problem, not_readable
from deepunlearn_cli.system.rights import follow

LINE = re.compile(rb"([+-])([0-9a-f]{16})")


class Sealed:
    """The list of a store; `path` may not exist yet.

    Args:
        present: ids of the runs that are there, where an older version kept no list.
    """

    def __init__(self, path: Path, present: Callable[[], Iterable[str]]) -> None:
        self.path, self.present = path, present

    def add(self, key: str) -> None:
        """Keep that a run was sealed."""
        older = [] if self.path.exists() else [*self.present()]
        self._append(b"+", [*older, key])

    def drop(self, key: str) -> None:
        """Keep that a run is to be gone."""
        self._append(b"-", [key])

    def problems(self) -> Iterator[Problem]:
        """Whether lines are no lines: a run that is gone may not be missed. A last one may be torn."""
        try:
            lines = self.path.read_bytes().split(b"\n")[:-1] if self.path.exists() else []
        except PermissionError:
            yield not_readable(self.path.name, "")
            return
        if wrong := sum(LINE.fullmatch(line) is None for line in lines):
            lost = "runs that are gone may not be missed"
            yield Problem(
                self.path.name, "", f"{wrong} of {len(lines)} lines are not what was written: {lost}"
            )

    def all(self) -> set[str]:
        """Ids of the runs that were sealed and not removed; lines that were torn say nothing."""
        found: dict[bytes, bytes] = {}
        with suppress(FileNotFoundError):
            found = {line[2]: line[1] for line in LINE.finditer(self.path.read_bytes())}
        return {key.decode() for key, sign in found.items() if sign == b"+"}

    def gone(self, ref: str, has: Callable[[str], bool]) -> list[str]:
        """Ids that start with `ref` of runs that are to be there and are not."""
        return sorted(key for key in self.all() if key.startswith(ref) and not has(key))

    def absent(self, ref: str, has: Callable[[str], bool]) -> Failure:
        """Why no run that is there has an id that starts with `ref`: none ever had, or it is gone."""
        if gone := self.gone(ref, has):
            return StoreCorrupt(
                f"run {gone[0]} was sealed here and is gone", f"`deepunlearn prune {gone[0]}` if it is to be"
            )
        return NotFound(f"no run has an id that starts with {ref}", "deepunlearn runs lists them all")

    def _append(self, sign: bytes, keys: Iterable[str]) -> None:
        # One write, which a local disk does not mix with others'; a list that cannot be kept stops no run.
        with suppress(OSError):
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
            try:
                os.write(descriptor, b"".join(sign + key.encode() + b"\n" for key in keys))
                follow(self.path)
            finally:
                os.close(descriptor)
