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

from deepunlearn_cli.engine.device import synchronize
from deepunlearn_cli.system import locks

CROWDED = 0.05  # share of the machine's CPU seconds
NOTICED = 1.0  # CPU seconds: below it, the system's own ticks of 10 ms look like a crowd


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

    def facts(self, training_size: int) -> dict[str, object]:
        """All of it by name, for the facts of a run (`core.facts`)."""
        return {
            "seconds": self.seconds,
            "work": self.work(training_size),
            "samples_forward": self.forward,
            "samples_backward": self.backward,
            "shared": self.shared,
        }

    @contextmanager
    def clock(self, device: torch.device) -> Iterator[None]:
        """Add the seconds of the block, device included, and note whether other runs shared the machine."""
        with _presence() as others:
            synchronize(device)
            start, machine = time.perf_counter(), _Machine.now()
            try:
                yield
            finally:
                synchronize(device)
                self.seconds += time.perf_counter() - start
                self.shared = self.shared or others() > 0 or machine.was_crowded()

    @contextmanager
    def aside(self, device: torch.device) -> Iterator[None]:
        """Leave the seconds of the block, which lies inside that of `clock`, out."""
        synchronize(device)
        start = time.perf_counter()
        yield
        synchronize(device)
        self.seconds -= time.perf_counter() - start


@dataclass(frozen=True)
class _Machine:
    """CPU seconds since boot: of all processes, of nobody (idle), and of this process."""

    busy: float
    idle: float
    own: float

    @classmethod
    def now(cls) -> _Machine:
        try:
            ticks = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
        except OSError:  # not Linux: nothing is known, and nothing is claimed
            return cls(0, 0, 0)
        idle = (ticks[3] + ticks[4]) / os.sysconf("SC_CLK_TCK")
        return cls(sum(ticks) / os.sysconf("SC_CLK_TCK") - idle, idle, time.process_time())

    def was_crowded(self) -> bool:
        """Whether, since then, others took more than 5 % of the CPUs and hardly any was left idle."""
        now = _Machine.now()
        busy, idle, own = now.busy - self.busy, now.idle - self.idle, now.own - self.own
        total = busy + idle
        return total > NOTICED and busy - own > CROWDED * total and idle < 2 * CROWDED * total


@contextmanager
def _presence() -> Iterator[Callable[[], int]]:
    """Hold a lock that this user's other runs on this machine see; gives a function that counts theirs.

    Runs that began and ended in between count as one: the folder's time tells that there were any.
    """
    user = os.getuid() if hasattr(os, "getuid") else 0
    folder = Path(tempfile.gettempdir()) / f"deepunlearn-busy-{user}"
    mine = folder / f"{os.getpid()}-{threading.get_ident()}"
    with locks.hold(mine):
        since, seen = folder.stat().st_mtime_ns, _others(mine)
        yield lambda: max(seen, _others(mine), int(folder.stat().st_mtime_ns != since))


def _others(mine: Path) -> int:
    return sum(not locks.is_free(path) for path in mine.parent.glob("*") if path != mine)
