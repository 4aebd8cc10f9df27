"""Two or more ways to do one thing, measured in turns in one process: ratios survive a shared machine."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping

REPEATS = 5


def compare(title: str, arms: Mapping[str, Callable[[], object]], repeats: int = REPEATS) -> dict[str, float]:
    """Print the time of every arm over that of the last, median and spread; gives the medians.

    Every arm runs once beforehand, unmeasured.
    """
    for arm in arms.values():
        arm()
    seconds: dict[str, list[float]] = {name: [] for name in arms}
    for _ in range(repeats):
        for name, arm in arms.items():
            seconds[name].append(timed(arm))
    *others, last = arms
    medians = {}
    for name in others:
        ratios = [a / b for a, b in zip(seconds[name], seconds[last], strict=True)]
        medians[name] = statistics.median(ratios)
        spread = f"{min(ratios):.2f} .. {max(ratios):.2f}"
        own = f"{statistics.median(seconds[name]):.4g} s to {statistics.median(seconds[last]):.4g} s"
        print(f"{title}: {name} takes {medians[name]:.2f} ({spread}) times {last}; {own}", flush=True)
    return medians


def timed(work: Callable[[], object]) -> float:
    """Seconds of one call, the device's work included."""
    import torch

    start = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start
