"""Locks that die with their owner: `flock` on a file, so that a killed process never blocks the next one."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from deepunlearn_cli.system.rights import follow, make_folder

try:
    import fcntl
except ImportError:  # Windows: no lock; the store's one rename still decides every race
    fcntl = None  # type: ignore[assignment]

POLL_SECONDS = 0.05  # short enough to go unnoticed, long enough to cost nothing; Ctrl-C works in between
_held: set[tuple[int, str]] = set()  # with the process id: a forked child does not own its parent's locks


def held_here(path: Path) -> bool:
    """Whether this process (any thread of it) is inside `hold(path)`."""
    return (os.getpid(), str(path)) in _held


def is_free(path: Path) -> bool:
    """Whether certainly nobody holds the lock; False where the system cannot lock."""
    if fcntl is None:
        return False
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return True
    try:
        return bool(_flock(descriptor))
    finally:
        os.close(descriptor)


def hold_folder(path: Path) -> int | None:
    """Lock a folder that is this process's own until the descriptor is closed; None where nothing locks.

    Raises:
        FileNotFoundError: it is gone.
    """
    if fcntl is None:
        return None
    descriptor = os.open(path, os.O_RDONLY)
    _flock(descriptor)
    return descriptor


@contextmanager
def hold(path: Path, waiting: Callable[[], None] | None = None) -> Iterator[bool]:
    """Hold the lock file `path`; yields whether the system really locks (NFS and Windows may not).

    `waiting` is called once if somebody else holds it. The file is gone afterwards. Not re-entrant.
    """
    if fcntl is None:
        yield False
        return
    make_folder(path.parent)
    descriptor, locked = _acquire(path, waiting)
    _held.add((os.getpid(), str(path)))
    try:
        yield locked
    finally:
        _held.discard((os.getpid(), str(path)))
        with suppress(OSError):
            path.unlink()  # before the release: whoever waited for this very file sees that it is gone
        os.close(descriptor)


def _acquire(path: Path, waiting: Callable[[], None] | None) -> tuple[int, bool]:
    while True:
        descriptor = _opened(path)
        try:
            locked = _flock(descriptor)
            if locked is not False and _is_at(path, descriptor):
                return descriptor, locked is True
            if locked is False:
                if waiting:
                    waiting()
                waiting = None
                time.sleep(POLL_SECONDS)
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _opened(path: Path) -> int:
    if not path.exists():
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666))
            follow(path)
    with suppress(PermissionError):
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    return os.open(path, os.O_RDONLY)  # what a killed process of another user left: it locks all the same


def _flock(descriptor: int) -> bool | None:
    """True: locked now. False: somebody else has it. None: this file system does not lock."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))  # noqa: PTH116
    except FileNotFoundError:
        return False
