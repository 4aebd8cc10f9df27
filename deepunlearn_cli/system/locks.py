"""Locks that die with their owner: `flock` on a file, so that a killed process never blocks the next one."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
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
# By process id, since a forked child does not own its parent's locks, and path: the descriptors of locks, and
# files that we may have made. A signal may come between any two lines: what it kept from being released is
# let go of at the end.
_held: dict[tuple[int, str], int] = {}
_made: set[tuple[int, str]] = set()


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


@contextmanager
def own_folder(home: Path, prefix: str) -> Iterator[Path]:
    """A new folder in `home` that is gone afterwards; while its process lives it is not free (`is_free`)."""
    folder, lock = _locked_folder(home, prefix)
    try:
        yield folder
    finally:
        try:
            shutil.rmtree(folder, ignore_errors=True)
        finally:  # a signal may come while it goes; the next one does not interrupt
            shutil.rmtree(folder, ignore_errors=True)
            if lock is not None:
                os.close(lock)


def _locked_folder(home: Path, prefix: str) -> tuple[Path, int | None]:
    """A new folder and the lock on it; another one where somebody took the first for a leftover."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=home))
        if fcntl is None:
            return folder, None
        try:
            lock = os.open(folder, os.O_RDONLY)
        except FileNotFoundError:
            continue
        _flock(lock)
        if folder.exists():
            return folder, lock
        os.close(lock)


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
    try:
        yield locked
    finally:
        _release(path, descriptor)


def _release(path: Path, descriptor: int) -> None:
    with suppress(OSError):
        path.unlink()  # before the release: whoever waited for this very file sees that it is gone
    _held.pop((os.getpid(), str(path)), None)
    _made.discard((os.getpid(), str(path)))
    os.close(descriptor)


@atexit.register
def _release_all() -> None:
    """Let go of what is left."""
    for process, name in list(_made):
        if process == os.getpid():
            with suppress(OSError):
                descriptor = _held.get((process, name)) or os.open(name, os.O_RDWR)
                if _flock(descriptor) and _is_at(Path(name), descriptor):
                    _release(Path(name), descriptor)


def _acquire(path: Path, waiting: Callable[[], None] | None) -> tuple[int, bool]:
    while True:
        _made.add((os.getpid(), str(path)))
        descriptor = _opened(path)
        try:
            locked = _flock(descriptor)
            if locked is not False and _is_at(path, descriptor):
                _held[os.getpid(), str(path)] = descriptor
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
