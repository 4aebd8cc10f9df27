"""Files and folders that appear whole or not at all: written under a hidden name, then renamed."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from deepunlearn_cli.core.room import room_for
from deepunlearn_cli.core.whole import flush
from deepunlearn_cli.system.locks import is_free, own_folder
from deepunlearn_cli.system.rights import follow, make_folder

PREFIX = ".staging-"
STALE = 24 * 3600  # seconds after which a process is taken for dead where the system cannot lock folders


@contextmanager
def staging(home: Path) -> Iterator[Path]:
    """A hidden folder in `home` that is gone afterwards unless it was published.

    What killed processes left there is removed first: a living one holds a lock on its folder.

    Raises:
        DiskFull: there is no room for it.
    """
    with ExitStack() as stack:
        with room_for(home, 0):
            make_folder(home)
            _sweep(home)
            folder = stack.enter_context(own_folder(home, PREFIX))
        yield folder


def publish(folder: Path, place: Path, intact: Callable[[Path], bool]) -> None:
    """Rename `folder` to `place`; an intact folder that another process put there first stays.

    Raises:
        OSError: the rename failed for another reason.
    """
    _readable_like_its_parent(folder)
    for last in (False, True):
        try:
            folder.rename(place)
        except OSError:
            if intact(place):
                return
            if last or not place.exists():
                raise
            _set_aside(place)
        else:
            return


def write_atomically(path: Path, content: bytes, *, lasting: bool = False) -> None:
    """Write a file so that readers see all of it or nothing; a `lasting` one after the power fails, too."""
    make_folder(path.parent)
    with staging(path.parent) as folder:
        draft = folder / path.name
        with room_for(path, len(content)):
            draft.write_bytes(content)
        if lasting:
            flush(draft)
        draft.replace(path)
        follow(path)
        if lasting:
            flush(path.parent)


def remove_left(home: Path) -> list[Path]:
    """Delete what killed processes left of files and folders in `home`; what was there."""
    return _sweep(home) if home.is_dir() else []


def _readable_like_its_parent(folder: Path) -> None:
    # mkdtemp makes folders private; a shared store must stay readable for those who can read its parent
    folder.chmod(stat.S_IMODE(folder.parent.stat().st_mode))
    for path in folder.iterdir():
        follow(path)


def _set_aside(place: Path) -> None:
    grave = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place.parent))
    place.rename(grave / place.name)
    shutil.rmtree(grave, ignore_errors=True)


def _sweep(home: Path) -> list[Path]:
    with os.scandir(home) as entries:
        old = [Path(e.path) for e in entries if e.name.startswith(PREFIX) and _is_left(e.path)]
    for path in old:
        shutil.rmtree(path, ignore_errors=True)
    return old


def _is_left(path: str) -> bool:
    return is_free(Path(path)) or _age(path) > STALE


def _age(path: str) -> float:
    """Seconds since anything in the folder was written; 0 if it is gone."""
    try:
        newest = max(p.stat().st_mtime for p in (Path(path), *Path(path).iterdir()))
    except OSError:
        return 0.0
    return time.time() - newest
