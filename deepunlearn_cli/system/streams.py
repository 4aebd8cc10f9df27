"""The standard streams of a process, whatever it was started with: there, and never in the way of work."""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

ESCAPED = "backslashreplace"


def settle() -> None:
    """Make the streams fit for a command.

    A missing one is like a pipe without anybody at its other end: nothing comes, and what goes is gone. Its
    number is taken, lest a file of ours get it and whatever a library prints. Characters that a stream's
    encoding lacks are escaped, and bytes on stdin that are no text are kept. What stderr does not take (its
    reader has left, its disk is full) is dropped: no word to a person is worth the work that it tells of.
    """
    _take_numbers()
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    encoding = sys.stderr.encoding if sys.stderr else None
    raw = io.BufferedWriter(_Dropping(2, "w", closefd=False))
    sys.stderr = io.TextIOWrapper(raw, encoding, ESCAPED, line_buffering=True)
    for stream, errors in ((sys.stdin, "surrogateescape"), (sys.stdout, ESCAPED)):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=errors)


def flush() -> OSError | None:
    """Write out stdout; why not, if not, and then it is given up: nothing of it is tried again."""
    try:
        sys.stdout.flush()
    except OSError as error:
        give_up()
        return error
    return None


def give_up() -> None:
    """Let stdout take everything from here on, and keep nothing."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Dropping(io.FileIO):
    """A file that takes everything, though it may write nothing."""

    def write(self, data: ReadableBuffer, /) -> int:
        """As much as there is, always."""
        try:
            return super().write(data) or memoryview(data).nbytes
        except OSError:
            return memoryview(data).nbytes


def _take_numbers() -> None:
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)
