"""What a run costs: seconds and memory on this machine, and work that is the same on every machine."""

from __future__ import annotations

import ctypes
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import torch

from deepunlearn_cli.engine.device import synchronize
from deepunlearn_cli.system import locks

CROWDED = 0.05  # share of the machine's CPU seconds
SLACK = 4 * 2**20  # bytes: the kernel counts pages per thread, and adds them up late
NOTICED = 1.0  # CPU seconds: below it, the system's own ticks of 10 ms look like a crowd


@dataclass
class Cost:
    """Counters of one run.

    `forward` and `backward` count samples, teacher passes included. A forward pass costs 1/3 of a training
    step and a backward pass, which makes two gradients of every layer, 2/3.
    """

    forward: int = 0
    backward: int = 0
    pending: int = 0  # samples forwarded through which no backward pass has gone yet
    seconds: float = 0.0
    shared: bool = False
    memory: int | None = None  # bytes: peak of the process above what it held before
    device_memory: int | None = None  # bytes: peak of what torch held on a CUDA device

    def go_forward(self, samples: int) -> None:
        """Count samples of a forward pass."""
        self.forward += samples
        self.pending += samples

    def go_back(self) -> None:
        """Count a backward pass through all samples that were forwarded since the one before."""
        self.add(0, self.pending)

    def add(self, forward: int, backward: int) -> None:
        """Count samples of passes that are over: no backward pass is pending."""
        self.forward += forward
        self.backward += backward
        self.pending = 0

    def counted(self) -> tuple[int, int]:
        """Samples forward and backward so far."""
        return self.forward, self.backward

    def taken_back(self, before: tuple[int, int]) -> tuple[int, int]:
        """The samples counted since `before`, counted no more."""
        since = self.forward - before[0], self.backward - before[1]
        self.forward, self.backward = before
        self.pending = 0
        return since

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
            "peak_memory": self.memory,
            "peak_device_memory": self.device_memory,
        }

    @contextmanager
    def clock(self, device: torch.device) -> Iterator[None]:
        """Add the seconds of the block, device included, and note whether other runs shared the machine."""
        with _presence() as others:
            synchronize(device)
            held = _forget_peaks(device)
            start, machine = time.perf_counter(), _Machine.now()
            try:
                yield
            finally:
                synchronize(device)
                self.seconds += time.perf_counter() - start
                self.shared = self.shared or others() > 0 or machine.was_crowded()
                self._read_peaks(device, held)

    def _read_peaks(self, device: torch.device, held: int | None) -> None:
        if held is not None:
            self.memory = max(self.memory or 0, _memory("VmHWM") - held)
        if device.type == "cuda":
            self.device_memory = max(self.device_memory or 0, torch.cuda.max_memory_allocated(device))

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


def _forget_peaks(device: torch.device) -> int | None:
    """Let the peaks of memory begin here; the bytes that the process holds, None where its peak goes on.

    Freed memory that the process has kept is given back before: a run would take it without being seen to.
    """
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    with suppress(AttributeError, OSError, TypeError):  # no glibc, and so no such function
        ctypes.CDLL(None).malloc_trim(0)
    try:
        Path("/proc/self/clear_refs").write_text("5")  # Linux: VmHWM starts anew
        held, peak = _memory("VmRSS"), _memory("VmHWM")
    except (OSError, ValueError):
        return None
    return held if peak - held <= SLACK else None


def _memory(name: str) -> int:
    """A figure of /proc/self/status in bytes. Raises `ValueError` where there is none."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise ValueError(name)


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
