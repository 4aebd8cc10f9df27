"""Which signals ask a process to stop, and how it ends on one before there is anything to clean up.

Loads next to nothing: it is the first thing that the command line does.
"""

from __future__ import annotations

import os
import signal

TYPE_CHECKING = False  # as typing has it, which takes longer to load than all of this
if TYPE_CHECKING:
    from typing import Any, NoReturn

SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)  # Windows has no hang-up


def at_once() -> None:
    """From now on a signal ends this process without a word: nothing has begun yet, or all is done."""
    handle(_leave)


def handle(handler: Any) -> None:
    """Have signals handled so, but for those that were ignored when this process began (`nohup`)."""
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)


def _leave(number: int, frame: object) -> NoReturn:
    os._exit(128 + number)
