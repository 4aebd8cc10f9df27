"""What this process takes of the machine (cores, threads, memory) and how it leaves it."""

from __future__ import annotations

import atexit
import gc
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import NoReturn

# read by OpenMP (torch, scikit-learn), MKL and OpenBLAS (numpy) when they are loaded
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
# mallopt's M_TRIM_THRESHOLD and M_MMAP_THRESHOLD, in bytes: what is larger goes back to the system when freed
KEEP_FREED = {-1: 2**31 - 1, -3: 32 * 2**20}  # the most that it takes


def cores() -> int:
    """Physical cores within this process's affinity and its container's CPU quota (rounded down), at least 1.

    A pool of OpenMP threads that is wider than that waits for itself: its threads spin while one of them is
    not running.
    """
    return max(1, int(min([_physical(), *_quotas()])))


def threads(usual: int) -> int:
    """Threads for a process that would take `usual`: at most `cores`, unless OMP_NUM_THREADS is set."""
    return usual if threads_asked() else min(usual, cores())


def share(jobs: int) -> int:
    """Threads for each of several processes that compute at a time; never more than OMP_NUM_THREADS."""
    fair = max(1, cores() // jobs)
    return min(fair, threads_asked() or fair)


def threads_asked() -> int | None:
    """The user's OMP_NUM_THREADS (its first number, where there is one for each level of nesting)."""
    first = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    return int(first) if first.isdecimal() and int(first) > 0 else None


def keep_freed_memory() -> None:
    """Keep what is freed for the next allocation instead of giving it back to the system (glibc only).

    The activations of a training step are freed at its end. Given back, each of their pages is taken and
    zeroed anew in the next step: a tenth to a quarter of a step's time on a CPU. The peak grows by a few per
    cent (IU's by a sixth), since blocks are not moved together.
    """
    import ctypes

    with suppress(AttributeError, OSError, TypeError):  # no glibc, and so no such function
        for parameter, value in KEEP_FREED.items():
            ctypes.CDLL(None).mallopt(parameter, value)


def collect_rarely() -> None:
    """Look for garbage in cycles less often: rows by the hundred thousand are none, nor is what torch loads.

    It saves a fifth of `rank`, and a tenth of `import torch`.
    """
    gc.set_threshold(200_000)


def leave(code: int) -> NoReturn:
    """End this process without freeing its objects one by one: a second, once torch is loaded.

    Raises:
        SystemExit: what it printed cannot be written; Python's own end tells why.
    """
    atexit._run_exitfuncs()
    with suppress(OSError):
        for stream in filter(None, (sys.stdout, sys.stderr)):  # either may be closed
            stream.flush()
        os._exit(code)
    sys.exit(code)


def surely_cpu(device: str) -> bool:
    """Whether `auto`, `cpu`, `cuda`, ... means the CPU on this machine, as far as is known without torch."""
    return device == "cpu" or (device == "auto" and not may_have_cuda())


def may_have_cuda() -> bool:
    """Whether torch might find a CUDA (or ROCm) device; False is certain, and known without loading torch."""
    import ctypes

    if sys.platform != "linux":
        return sys.platform != "darwin"
    try:
        ctypes.CDLL("libcuda.so.1")  # the driver's own library
    except OSError:
        return Path("/dev/kfd").exists()  # ROCm's device
    return True


def _physical() -> int:
    """Cores that this process may run on, each once however many threads the hardware runs on it."""
    if not hasattr(os, "sched_getaffinity"):
        return os.cpu_count() or 1
    return len({_siblings(cpu) for cpu in os.sched_getaffinity(0)})


def _siblings(cpu: int) -> str:
    topology = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
    return _read(topology).strip() or str(cpu)


def _quotas(root: Path = Path("/")) -> Iterator[float]:
    """CPU limits (in CPUs) of this process's control groups, versions 1 and 2, and of those above."""
    mount = root / "sys/fs/cgroup"
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, name = line.split(":", 2)
        group = PurePosixPath(name.lstrip("/"))
        for place in (group, *group.parents):  # inside a container only the last one may be visible
            if not controllers:
                yield from _cpus(_read(mount / place / "cpu.max").split())
            elif "cpu" in controllers.split(","):
                numbers = (
                    _read(mount / "cpu" / place / f"cpu.cfs_{part}_us") for part in ("quota", "period")
                )
                yield from _cpus([number.strip() for number in numbers])


def _cpus(numbers: list[str]) -> Iterator[float]:
    """Quota by period, both in microseconds; nothing where there is no limit (`max`, -1, no such file)."""
    if len(numbers) == 2 and all(number.isdecimal() for number in numbers):
        yield int(numbers[0]) / int(numbers[1])


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError:
        return ""
