"""Room on a disk: taken before it is written to, and what a full disk or quota says."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deepunlearn_cli.core.errors import Failure

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
SAID = (
    "No space left on device",
    "Disk quota exceeded",
    "database or disk is full",
    "File too large",
)  # by libraries that hide the system's number
BLOCK = 1 << 20
CURE = "make room there, or --store DIR names another disk"


class DiskFull(Failure):
    """A disk or quota has no room for what must be written (exit 1)."""


def is_full(error: BaseException | None) -> bool:
    """Whether a full disk or quota is behind an exception, or behind what led to it."""
    while error is not None:
        if (isinstance(error, OSError) and error.errno in FULL) or any(said in str(error) for said in SAID):
            return True
        error = error.__cause__ or error.__context__
    return False


def full(path: Path, needed: int) -> DiskFull:
    """What to say of a disk without room for so many bytes at `path`."""
    return DiskFull(f"no room for {path}: it needs {needed:,} bytes, {left_at(path)}", CURE)


def left_at(path: Path | str) -> str:
    """What the disk of a path has left: bytes, or no files though there are bytes."""
    try:
        folder = next(one for one in Path(path).absolute().parents if one.exists())
        said = f"{shutil.disk_usage(folder).free:,} are free"
        if hasattr(os, "statvfs") and (now := os.statvfs(folder)).f_files and not now.f_ffree:
            said += f", and none of the disk's {now.f_files:,} files (inodes)"
    except OSError:
        return "the disk is full"
    return said + _limit()


def _limit() -> str:
    """How large a file this process may write, where that is limited."""
    try:
        import resource
    except ImportError:  # Windows
        return ""
    most, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    return "" if most == resource.RLIM_INFINITY else f", and a file may have {most:,} (ulimit -f)"


@contextmanager
def room_for(path: Path, needed: int) -> Iterator[None]:
    """Write `needed` bytes to `path` within.

    Raises:
        DiskFull: they do not fit.
    """
    try:
        yield
    except Failure:
        raise
    except Exception as error:
        if not is_full(error):
            raise
        raise full(path, needed) from error


def reserve(path: Path) -> None:
    """Have the disk keep room for all of a file that is there: a memory map of it can then be written.

    Raises:
        OSError: there is no room.
    """
    size = path.stat().st_size
    with path.open("rb+", buffering=0) as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
        else:
            _fill(file.fileno(), size)
        os.fsync(file.fileno())


def _fill(descriptor: int, size: int) -> None:
    """Write every block of a file again, so that it has no holes."""
    for start in range(0, size, BLOCK):
        os.lseek(descriptor, start, os.SEEK_SET)
        block = os.read(descriptor, min(BLOCK, size - start))
        os.lseek(descriptor, start, os.SEEK_SET)
        os.write(descriptor, block)
