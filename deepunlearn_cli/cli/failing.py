"""What it means for people where a system, a disk or a library fails: one line, and what can be done."""

from __future__ import annotations

import errno
import os
import re

from deepunlearn_cli.cli.parameter import given
from deepunlearn_cli.core.errors import Failure, UsageFailure
from deepunlearn_cli.core.room import CURE, is_full, left_at
from deepunlearn_cli.system.rights import forbidden, is_refusal

NO_SUCH_PATH = (errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR, errno.EISDIR)  # whatever it was for
HOME = re.compile(r"~[^/\s:]*")
CIRCLE = "Symlink loop"  # as `Path.resolve` tells of it
NO_HOME = "Could not determine home directory"  # and `Path.expanduser`
LIMITS = {
    errno.EMFILE: "ulimit -n 4096 allows more open files",
    errno.ENFILE: "ulimit -n 4096 allows more open files",
    errno.EAGAIN: "--jobs 1 takes fewer processes and threads; ulimit -u shows how many there may be",
    errno.EIO: "the disk or the network behind it fails: see `dmesg`, or copy the file elsewhere",
    errno.ESTALE: "the network disk has lost it: try again",
    errno.ENXIO: "give another path",
    errno.ENODEV: "give another path",
}


def meant(error: BaseException) -> Failure:
    """What to say of an exception: what is none of our own and of no known cause asks to be reported."""
    if isinstance(error, Failure):
        return error
    if isinstance(error, OSError) and is_refusal(error):
        return forbidden(error)
    if isinstance(error, Exception) and is_full(error):
        return _full(error)
    if isinstance(error, OSError) and (hint := LIMITS.get(error.errno or 0)):
        return Failure(f"{_path(error)}{error.strerror}", hint)
    if isinstance(error, OSError) and error.errno in NO_SUCH_PATH:
        return UsageFailure(f"{_path(error)}{error.strerror}", "give another path")
    if isinstance(error, RuntimeError) and str(error).startswith((CIRCLE, NO_HOME)):
        return _nowhere(str(error))
    if isinstance(error, MemoryError):
        return Failure(f"not enough memory: {error}", "a smaller -p batch_size or --jobs 1 takes less")
    return Failure(f"unexpected {type(error).__name__}: {error}", "--debug shows where; please report it")


def _path(error: OSError) -> str:
    named = error.filename or error.filename2
    return f"{os.fsdecode(named)}: " if isinstance(named, str | bytes | os.PathLike) else ""


def _full(error: Exception) -> Failure:
    if isinstance(error, OSError) and (path := _path(error).removesuffix(": ")):
        return Failure(f"no room for {path}: {left_at(path)}", CURE)
    said = isinstance(error, OSError) and error.strerror
    return Failure(f"the disk has no room: {said or str(error).partition(os.linesep)[0]}", CURE)


def _nowhere(said: str) -> UsageFailure:
    """Of a path that leads nowhere; the word with a tilde is looked for, as the system does not name it."""
    if said.startswith(CIRCLE):
        return UsageFailure(said, "give another path")
    homes = [found[0] for word in given.get() for found in HOME.finditer(word)]
    whose = next((home for home in homes if os.path.expanduser(home) == home), "~")  # noqa: PTH111 (it raises)
    return UsageFailure(f"{whose}: there is no such user's folder", "write the path from / on")
