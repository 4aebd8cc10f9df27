"""What comes of a question: passed, failed or not applicable, and why in one line."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Outcome = Literal["passed", "failed", "not applicable"]


@dataclass(frozen=True)
class Answer:
    """Of one method to one question.

    Attributes:
        question: its name.
        asks: what it asks, in words.
        reason: why it failed or does not apply; of a passed one what is worth knowing, or nothing.
        error: what the method's own code raised, if that is why.
    """

    question: str
    asks: str
    outcome: Outcome
    reason: str
    seconds: float
    error: BaseException | None = None


class Wrong(Exception):
    """The method fails the question; the text says why."""


class Beside(Exception):
    """The question does not apply; the text says why."""


class Crash(Exception):
    """The method's own code raised `error` where nothing else was asked of it than to act.

    Attributes:
        plain: whether that was its plainest run, of which a question of its own tells.
    """

    def __init__(self, error: Exception, *, where: str, plain: bool) -> None:
        super().__init__(where)
        self.error, self.where, self.plain = error, where, plain


def last_line(error: BaseException, source: str) -> str:
    """An exception in one line, with the innermost place in the file `source`, or else anywhere."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename == source] or list(frames)
    text = traceback.format_exception_only(error)[-1].strip().splitlines()[-1]
    name = type(error).__name__
    said = text if text.startswith(name) else f"{name}: {text.rpartition(f'{name}: ')[2]}"
    return f"{said} ({Path(own[-1].filename).name}:{own[-1].lineno})" if own else said
