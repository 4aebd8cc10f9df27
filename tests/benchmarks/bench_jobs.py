"""Runs per minute with `--jobs 2` against `--jobs 1`: whole commands, start-up and all, on digits.

    python tests/benchmarks/bench_jobs.py [SEEDS] [REPETITIONS] [option of train]...
    python tests/benchmarks/bench_jobs.py 16 5 -p epochs=30 -p batch_size=64

The arms take turns. `1 thread` is `--jobs 1` with OMP_NUM_THREADS=1: where two threads make one run hardly
faster, two runs at a time pay. Beside each ratio stands the share of the CPUs that other programs took while
the two were measured: the figures mean little where it is not near 0.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ARMS = {
    "jobs 1": (["--jobs", "1"], {}),
    "1 thread": (["--jobs", "1"], {"OMP_NUM_THREADS": "1"}),
    "jobs 2": (["--jobs", "2"], {}),
}


def main(seeds: str = "16", repetitions: str = "5", *options: str) -> None:
    """Measure and print."""
    command = [
        "train",
        "--dataset",
        "digits",
        "--model",
        "resnet-tiny",
        "--seeds",
        f"0-{int(seeds) - 1}",
        "-q",
    ]
    ratios: dict[str, list[float]] = {"jobs 1": [], "1 thread": []}
    for number in range(int(repetitions)):
        seconds, foreign = {}, {}
        for arm, (words, environment) in ARMS.items():
            seconds[arm], foreign[arm] = measured([*command, *options, *words], environment)
        rates = {arm: 60 * int(seeds) / value for arm, value in seconds.items()}
        for arm, found in ratios.items():
            found.append(seconds[arm] / seconds["jobs 2"])
        shown = "  ".join(f"{arm}: {rates[arm]:5.1f}/min ({foreign[arm]:.0%})" for arm in ARMS)
        print(f"{number + 1}  {shown}  ratio {ratios['jobs 1'][-1]:.2f}", flush=True)
    for arm, found in ratios.items():
        spread = f"{min(found):.2f} to {max(found):.2f}"
        print(f"jobs 2 against {arm}: {statistics.median(found):.2f} times the runs per minute ({spread})")


def measured(words: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """Seconds of one command in a new store, and the share of the CPUs that others took meanwhile."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "deepunlearn_cli", *words, "--store", str(Path(folder) / "store")]
        start, busy, own = time.perf_counter(), machine_seconds(), family_seconds()
        subprocess.run(command, env=os.environ | environment, check=True, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - start
        others = (machine_seconds() - busy) - (family_seconds() - own)
        return seconds, max(0.0, others) / (seconds * (os.cpu_count() or 1))


def machine_seconds() -> float:
    """CPU seconds of everything on this machine since it was started (Linux)."""
    ticks = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")


def family_seconds() -> float:
    """CPU seconds of this process and its ended children."""
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in both)


if __name__ == "__main__":
    main(*sys.argv[1:])
