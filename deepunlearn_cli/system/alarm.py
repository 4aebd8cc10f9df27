"""An alarm: an exception in the main thread once time is up."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from deepunlearn_cli.core.errors import UsageFailure


class TimeUp(BaseException):
    """The time is up; raised so that every `finally` runs."""


@contextmanager
def time_limit(seconds: float | None) -> Iterator[None]:
    """End the block after so many seconds; None for never. For the main thread only.

    Raises:
        TimeUp: out of the block.
        UsageFailure: this system has no alarms (Windows).
    """
    if seconds is None:
        yield
        return
    if not hasattr(signal, "setitimer"):
        raise UsageFailure("this system has no alarms", "leave --time-limit out; Ctrl-C stops as cleanly")
    before = signal.signal(signal.SIGALRM, _ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _ring(number: int, frame: FrameType | None) -> None:
    raise TimeUp
