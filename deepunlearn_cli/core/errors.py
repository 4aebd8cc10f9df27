"""Failures a person can act on: one line, a hint, and the exit code that scripts see."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from difflib import get_close_matches
from enum import IntEnum


class ExitCode(IntEnum):
    """What the process tells the shell; the README's table is made from the comments in `MEANING`."""

    OK = 0
    UNEXPECTED = 1
    USAGE = 2
    NOT_FOUND = 3
    AUDIT_FAIL = 4
    AUDIT_INCONCLUSIVE = 5
    PARTLY_FAILED = 6
    STORE_CORRUPT = 7
    HUNG_UP = 129
    INTERRUPTED = 130
    TERMINATED = 143


STOPPED = "stopped by a hang-up, Ctrl-C or SIGTERM; the store is clean, the same command resumes"
MEANING = {
    ExitCode.OK: "done, or already done",
    ExitCode.UNEXPECTED: "unexpected failure (`--debug` shows the traceback)",
    ExitCode.USAGE: "wrong usage or a bad value",
    ExitCode.NOT_FOUND: "a run, file, dataset, model or method does not exist",
    ExitCode.AUDIT_FAIL: "the verdict is FAIL: what was attacked lies beyond the limit; or `check` fails, a "
    "certificate does not hold, or figures got worse (`report --diff`)",
    ExitCode.AUDIT_INCONCLUSIVE: "the verdict is INCONCLUSIVE, or a PASS that doing nothing would get too",
    ExitCode.PARTLY_FAILED: "a run failed (diverged, its process died) or is unreadable, or a time limit "
    "ended it; the others are done",
    ExitCode.STORE_CORRUPT: "the store does not match its manifest, a run its recipe, or a model or picture "
    "its certificate",
    ExitCode.HUNG_UP: STOPPED,
    ExitCode.INTERRUPTED: STOPPED,
    ExitCode.TERMINATED: STOPPED,
}


class Failure(Exception):
    """Something the user can put right: what went wrong with which value, and a hint with the cure."""

    code = ExitCode.UNEXPECTED

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageFailure(Failure):
    """A value that cannot be used (exit 2)."""

    code = ExitCode.USAGE


class Unagreed(UsageFailure):
    """Code that a file or a run names, and that nobody has agreed to import (exit 2).

    Attributes:
        words: what agrees, added to the command.
    """

    def __init__(self, message: str, *words: str) -> None:
        super().__init__(message, f"if you trust it, add {shlex.join(words)}")
        self.words = words

    def of(self, command: str) -> Unagreed:
        """The same, with the whole command in its hint."""
        self.hint = f"if you trust it: {command} {shlex.join(self.words)}"
        return self


class NotFound(Failure):
    """A name or file that does not exist (exit 3)."""

    code = ExitCode.NOT_FOUND


class RunFailed(Failure):
    """A run that ended without a usable model, for a reason that its recipe will always give (exit 6)."""

    code = ExitCode.PARTLY_FAILED


class StoreCorrupt(Failure):
    """Bytes in the store that differ from their manifest (exit 7)."""

    code = ExitCode.STORE_CORRUPT


def unknown(noun: str, name: str, known: Iterable[str], hint: str = "") -> NotFound:
    """A `NotFound` for a misspelt name, with the nearest known names as its hint."""
    near = get_close_matches(name, list(known), n=3, cutoff=0.5)
    suggestion = f"did you mean {', '.join(near)}?" if near else ""
    return NotFound(f"unknown {noun} {name!r}", " · ".join(part for part in (suggestion, hint) if part))
