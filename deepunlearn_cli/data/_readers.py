"""Who reads decoded pictures: a lock on their file for as long as it is mapped, so that none vanish under it.

Readers share it, whoever erases pictures must be alone. It dies with its owner, and where the system cannot
lock (some network drives, Windows) there is none.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.data._dataset import Pixels
from deepunlearn_cli.system.rights import forbidden

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

Reading = IO[bytes]  # the owner of a lock: descriptors are given anew once they are closed
_open: dict[str, set[Reading]] = {}  # of this process, by path
_alone_here: set[str] = set()  # what this process erases from: it may read that itself


def share(path: Path) -> Reading | None:
    """Take part in reading a file; waits while somebody erases from it. None where nothing locks."""
    if fcntl is None or str(path) in _alone_here:
        return None
    reading = path.open("rb", buffering=0)
    with suppress(OSError):
        fcntl.flock(reading, fcntl.LOCK_SH)
    _open.setdefault(str(path), set()).add(reading)
    return reading


def leave(path: Path, reading: Reading | None) -> None:
    """Read no longer; of one that has left already, nothing."""
    if reading is not None:
        _open.get(str(path), set()).discard(reading)
        reading.close()


def leave_with(images: Pixels, path: Path, reading: Reading | None) -> None:
    """Read until nothing refers to mapped pictures any more."""
    weakref.finalize(images._mmap, leave, path, reading)  # type: ignore[attr-defined]


@contextmanager
def alone(path: Path) -> Iterator[bool]:
    """Be the only one to use a file of pictures; yields whether the system really locks.

    What this process itself has mapped of it counts no longer.

    Raises:
        UsageFailure: another process reads it.
    """
    for mine in [*_open.get(str(path), ())]:
        leave(path, mine)
    if fcntl is None:
        yield False
        return
    descriptor = _opened(path)
    try:
        locked = _alone(descriptor, path)
        _alone_here.add(str(path))
        yield locked
    finally:
        _alone_here.discard(str(path))
        os.close(descriptor)


def _opened(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR)
    except PermissionError as error:
        raise forbidden(error, path) from None
    except OSError as error:
        raise UsageFailure(f"cannot write {path}: {error.strerror}", f"ls -l {path}") from None


def _alone(descriptor: int, path: Path) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UsageFailure(
            f"the decoded pictures in {path.parent} are in use by a command that runs",
            "let it end, or stop it, then give this command again",
        ) from None
    except OSError:
        return False
    return True
