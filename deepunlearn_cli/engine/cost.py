"""What a run costs, twice: seconds on this machine, and work that is the same on every machine."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import torch

from deepunlearn_cli.engine.device import synchronize

try:
    import fcntl
except ImportError:  # no file locks on this system: nobody can tell whether the machine was shared
    fcntl = None  # type: ignore[assignment]


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
    """Hold a lock that other runs of this user can see; gives a function that counts theirs."""
    folder = Path(tempfile.gettempdir()) / f"deepunlearn-busy-{os.getuid() if hasattr(os, 'getuid') else 0}"
    if fcntl is None:
        yield lambda: 0
        return
    folder.mkdir(mode=0o700, exist_ok=True)
    mine = folder / str(os.getpid())
    with mine.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        seen = _others(folder, mine)
        try:
            yield lambda: max(seen, _others(folder, mine))
        finally:
            mine.unlink(missing_ok=True)


def _others(folder: Path, mine: Path) -> int:
    return sum(_is_held(path) for path in folder.iterdir() if path != mine)


def _is_held(path: Path) -> bool:
    with suppress(OSError), path.open() as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        path.unlink(missing_ok=True)  # its owner is gone
    return False
