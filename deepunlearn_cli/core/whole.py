"""Files that appear whole or not at all, without anything beside them after a kill; and that stay."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from deepunlearn_cli.core.room import room_for


def write_whole(path: Path, content: bytes) -> None:
    """Write a file, over the one that is there; what is no plain file (a pipe, a device) is written to.

    Raises:
        DiskFull: there is no room for it.
        OSError: it cannot be written.
    """
    place = path.expanduser().resolve()
    with room_for(path, len(content)):
        if place.exists() and not place.is_file():
            place.write_bytes(content)
        elif not _nameless(place, content):
            draft = _draft(place)
            try:
                draft.write_bytes(content)
                draft.replace(place)
            finally:
                draft.unlink(missing_ok=True)


def flush(path: Path) -> None:
    """Have the disk keep a file or folder before anything that comes after."""
    if os.name == "nt" and path.is_dir():  # Windows opens no folders, and needs none flushed
        return
    descriptor = os.open(path, os.O_RDONLY if os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _nameless(place: Path, content: bytes) -> bool:
    """Write into a file without a name, then give it one; False where the system has no such files."""
    try:
        descriptor = os.open(place.parent, os.O_TMPFILE | os.O_RDWR, 0o666)
    except (OSError, AttributeError):
        return False
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        with suppress(FileExistsError):
            return _linked(descriptor, place)
        draft = _draft(place)
        if _linked(descriptor, draft):
            draft.replace(place)
            return True
    return False


def _linked(descriptor: int, place: Path) -> bool:
    """Name the file behind a descriptor; False where that cannot be done."""
    try:
        os.link(f"/proc/self/fd/{descriptor}", place, src_dir_fd=descriptor, follow_symlinks=True)
    except FileExistsError:
        raise
    except OSError:
        return False
    return True


def _draft(place: Path) -> Path:
    return place.with_name(f".deepunlearn-{os.getpid()}-{os.urandom(4).hex()}.part")
