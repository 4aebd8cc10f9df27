"""What a run costs, twice: seconds on this machine, and work that is the same on every machine."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from deepunlearn_cli import locks
from deepunlearn_cli.engine.device import synchronize


@dataclass
class Cost:
    """Counters of one run.

    `forward` and `backward` count samples, teacher passes included. A forward pass costs 1/3 of a training
    step and a backward pass 2/3 (`methods.md` section 0).
    """

    forward: int = 0
    backward: int = 0
    seconds: float = 0.0
    shared: bool = False

    def work(self, training_size: int) -> float:
        """Cost in epochs of training on `training_size` samples."""
        return (self.forward + 2 * self.backward) / (3 * training_size) if training_size else float("nan")

    @contextmanager
    def clock(self, device: torch.device) -> Iterator[None]:
        """Add the seconds of the block, device included, and note whether other runs shared the machine."""
        with _presence() as others:
            synchronize(device)
            start = time.perf_counter()
            try:
                yield
            finally:
                synchronize(device)
                self.seconds += time.perf_counter() - start
                self.shared = self.shared or others() > 0


@contextmanager
def _presence() -> Iterator[Callable[[], int]]:
    """Hold a lock that this user's other runs on this machine see; gives a function that counts theirs."""
    user = os.getuid() if hasattr(os, "getuid") else 0
    folder = Path(tempfile.gettempdir()) / f"deepunlearn-busy-{user}"
    mine = folder / f"{os.getpid()}-{threading.get_ident()}"
    with locks.hold(mine):
        seen = _others(mine)
        yield lambda: max(seen, _others(mine))


def _others(mine: Path) -> int:
    return sum(not locks.is_free(path) for path in mine.parent.glob("*") if path != mine)
