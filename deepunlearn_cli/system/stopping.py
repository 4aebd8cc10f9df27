"""Signals that ask a process to stop: Ctrl-C, SIGTERM, and the hang-up of a terminal or connection.

During work the first one is raised in the main thread, so that every `finally` runs; whatever follows within
`PATIENCE` is the same wish said twice, and does not interrupt the clean-up.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer
from typing import Any

from deepunlearn_cli.system.signals import SIGNALS, handle

PATIENCE = 2.0  # seconds; locks and half-written runs are gone in far less
AGAIN = 0.05  # seconds until a signal that Python lost is raised once more


class Stopped(BaseException):
    """SIGTERM or SIGHUP arrived; raised in the main thread so that every `finally` runs."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class Watch:
    """The signals that arrive during work.

    Attributes:
        number: of the last one; None as long as there was none.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self._raised = float("-inf")

    @contextmanager
    def raising(self) -> Iterator[None]:
        """Have them raised in the main thread: `KeyboardInterrupt`, or `Stopped`."""
        before, usual = {number: signal.getsignal(number) for number in SIGNALS}, sys.unraisablehook

        def unraisable(lost: Any) -> None:
            if isinstance(lost.exc_value, (KeyboardInterrupt, Stopped)):
                self._repeat()
            else:
                usual(lost)

        sys.unraisablehook = unraisable
        handle(self._heard)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            sys.unraisablehook = usual

    def _heard(self, number: int, frame: object) -> None:
        if time.monotonic() - self._raised < PATIENCE:
            return
        self.number, self._raised = number, time.monotonic()
        raise KeyboardInterrupt if number == signal.SIGINT else Stopped(number)

    def _repeat(self) -> None:
        """It was raised where Python can raise nothing (in a destructor, say), and so was lost."""
        self._raised = float("-inf")
        again = Timer(AGAIN, os.kill, (os.getpid(), self.number))
        again.daemon = True
        again.start()
