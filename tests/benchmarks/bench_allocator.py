"""A training step that takes freed memory from the system anew, against one that has kept it.

    python tests/benchmarks/bench_allocator.py [BATCH] [REPETITIONS] [MODEL]...

glibc only. The arms are processes that take turns: what an allocator did before shapes what it does next.
Beside the times stand page faults of a step and the peak of the process.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import time

from deepunlearn_cli.system import machine

MODELS = ("resnet-tiny", "resnet18", "resnet18-cifar", "tinyvit")
STEPS = 6


def main(batch: str = "128", repetitions: str = "5", *models: str) -> None:
    """Measure and print."""
    for model in models or MODELS:
        pairs = [
            (child(model, batch, "given back"), child(model, batch, "kept")) for _ in range(int(repetitions))
        ]
        ratios = [kept[0] / plain[0] for plain, kept in pairs]
        peaks = [kept[2] / plain[2] for plain, kept in pairs]
        faults = [statistics.median(arm[1] for arm in arms) for arms in zip(*pairs, strict=True)]
        spread = f"{min(ratios):.2f} .. {max(ratios):.2f}"
        print(f"{model}, batch {batch}: kept takes {statistics.median(ratios):.2f} ({spread}) times given back; "
              f"page faults a step {faults[0]:,.0f} to {faults[1]:,.0f}, peak times {statistics.median(peaks):.2f}",
              flush=True)  # fmt: skip


def child(model: str, batch: str, arm: str) -> tuple[float, float, float]:
    """Seconds and page faults of a step, and peak memory (KiB), of a new process."""
    words = [sys.executable, __file__, "--arm", arm, model, batch]
    printed = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    seconds, faults, peak = map(float, printed.split())
    return seconds, faults, peak


def measured(arm: str, name: str, batch: str) -> None:
    """Train for a few steps in this process and print what they took."""
    if arm == "given back":
        machine.KEEP_FREED.clear()
    import scene

    from deepunlearn_cli.methods import METHODS

    count = int(batch) * STEPS
    model = scene.model(name)
    task = scene.task(scene.pixels(count), model, name, retain=count)
    hyper = METHODS.get("ft").build({"epochs": 1, "batch_size": int(batch)})
    task.fit(model, task.retain, hyper)
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    task.fit(model, task.retain, hyper)
    used = resource.getrusage(resource.RUSAGE_SELF)
    print((time.perf_counter() - start) / STEPS, (used.ru_minflt - before) / STEPS, used.ru_maxrss)


if __name__ == "__main__":
    measured(*sys.argv[2:]) if sys.argv[1:2] == ["--arm"] else main(*sys.argv[1:])
