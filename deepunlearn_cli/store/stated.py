"""When somebody last said how a model from elsewhere was trained: `ROOT/stated/<run>`, a time each.

Every statement about the same weights is a run of its own. Who said something wrong says it anew, and may
come back to what was said before: runs are never edited, so what was said last is kept beside them.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

from deepunlearn_cli.system.rights import follow, make_folder

FOLDER = "stated"


class Stated:
    """The statements of the store at `root`; there may be none yet."""

    def __init__(self, root: Path) -> None:
        self._folder = root / FOLDER

    def add(self, key: str, at: int | None = None) -> None:
        """Keep that a run's training was said at a time (nanoseconds since 1970), or now."""
        when = time.time_ns() if at is None else at
        if when <= self.at(key):
            return
        part = make_folder(self._folder) / f".{key}.{os.getpid()}.part"
        part.write_text(str(when), "ascii")
        follow(part).replace(self._folder / key)

    def at(self, key: str) -> int:
        """When it was said last; 0 where nobody said it."""
        with suppress(OSError, ValueError):
            return int((self._folder / key).read_text("ascii"))
        return 0

    def bring(self, other: Stated) -> None:
        """Keep what another store's users said, too."""
        with suppress(OSError):
            for place in other._folder.iterdir():
                if not place.name.startswith(".") and (when := other.at(place.name)):
                    self.add(place.name, when)
