"""How many slots one command feeds: its own time for a run measured, the rest from that.

    python tests/benchmarks/bench_cluster.py              # the driver alone, with runs that do nothing
    python tests/benchmarks/bench_cluster.py --far        # and how far it goes, by run length and bytes
    python tests/benchmarks/bench_cluster.py --queue 100000
    python tests/benchmarks/bench_cluster.py --overhead ADDRESS   # a real cluster against --jobs 2 here

Workers that do nothing seal a run without weights; the command does all that it does for a real one: takes
the next recipe, takes the sealed run in, checks it, gives it its place, tells of it.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from deepunlearn_cli.core.recipe import Recipe
from deepunlearn_cli.execution.carrying import Carrier, files_of
from deepunlearn_cli.execution.pool import PoolRunner, _Batch
from deepunlearn_cli.execution.runner import Step
from deepunlearn_cli.store import Store
from deepunlearn_cli.system.actor_pool import TAKERS
from deepunlearn_cli.system.protocol import Asked, Ended, Event, Told

SLOTS = 64
DATA = {"fingerprint": "f" * 64, "val_share": 0.15, "split_seed": 123, "augment": True}


def recipes(count: int, methods: int = 20) -> list[Recipe]:
    """Originals, and models unlearned from them."""
    seeds = max(1, count // (methods + 1))
    starts = [
        Recipe("train", "original", params={"epochs": 30, "lr": 0.1}, seed=seed, data=DATA, model="resnet18")
        for seed in range(seeds)
    ]
    made = [
        Recipe(
            "unlearn", f"m{number}", params={"epochs": 5, "lr": 0.01, "alpha": 0.5}, seed=start.seed, data=DATA,
            forget="a" * 64, model="resnet18", inputs={"original": start},
            labels={"dataset": "cifar10", "forget": "random:0.1"},
        )
        for start in starts for number in range(methods)
    ]  # fmt: skip
    return [*starts, *made]


class Idle:
    """Workers that do nothing, somewhere else: each run is sealed in another store and comes as files do."""

    lives, stillborn = 3, 10

    def __init__(self, carrier: Carrier, cargo: dict[str, Any]) -> None:
        self.carrier, self.cargo = carrier, cargo
        self.given: list[tuple[int, str]] = []

    def __enter__(self) -> Idle:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def give(self, worker: int, item: Any) -> None:
        self.given.append((worker, Recipe.from_json(item).key))

    def dismiss(self, worker: int) -> None:
        self.given.append((worker, ""))

    def start(self, work: Any, *arguments: Any) -> int:
        raise AssertionError("nobody dies here")

    def run(self, work: Any, arguments: list[tuple[Any, ...]]) -> Iterator[Event]:
        for worker in range(len(arguments)):
            yield Asked(worker)
        left, taking = len(arguments), deque[tuple[int, Future[None]]]()
        with ThreadPoolExecutor(TAKERS) as takers:  # as the pool of actors takes runs in
            while left:
                while self.given:
                    worker, key = self.given.pop(0)
                    if key:
                        yield Told(worker, ("started",))
                        taking.append((worker, takers.submit(self.carrier.receive, (key, self.cargo[key]))))
                    else:
                        left -= 1
                        yield Ended(worker, None)
                if taking:
                    worker, taken = taking.popleft()
                    taken.result()
                    yield Told(worker, ("ended", True))
                    yield Asked(worker)


def sealed(every: list[Recipe], folder: Path, size: int = 0) -> dict[str, Any]:
    """The files of a finished run for each recipe, with so many bytes of weights."""
    store = Store.open(folder, create=True)
    facts = {"status": "done", "created": 1.0, "seconds": 1.0, "work": 1.0, "elapsed": 1.5, "jobs": 1}
    cargo = {}
    for recipe in every:
        outputs = {"test": {"logits": np.zeros(size // 4, np.float32)}} if size else None
        store.put(recipe, scores={"RA": 1.0, "FA": 0.5}, facts=facts, outputs=outputs)
        cargo[recipe.key] = files_of(store, recipe.key)
    return cargo


def driver(count: int, size: int = 0) -> float:
    """Runs per second of the command alone."""
    every = recipes(count)
    with tempfile.TemporaryDirectory() as folder:
        cargo = sealed(every, Path(folder) / "there", size)
        store = Store.open(Path(folder) / "here", create=True)
        with Carrier(store) as carrier:
            runner = PoolRunner(store, "cpu", None, SLOTS)
            start, cpu = time.perf_counter(), time.process_time()
            steps = [Step(recipe, "make") for recipe in every]
            batch = _Batch(runner, every, steps)
            batch.make(Idle(carrier, cargo), SLOTS)
            seconds, busy = time.perf_counter() - start, time.process_time() - cpu
            assert len(batch.outcome().runs) == len(every)
    bytes_each = sum(len(part) for part in cargo[every[0].key].values())
    print(
        f"{len(every)} runs of {bytes_each / 1e3:.0f} kB: {len(every) / seconds:.0f} runs/s "
        f"({1e3 * seconds / len(every):.2f} ms each, of which {1e3 * busy / len(every):.2f} ms of a core)"
    )
    return len(every) / seconds


def queue(count: int) -> None:
    """Memory of a command with so many recipes in its queue."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    every = recipes(count)
    with tempfile.TemporaryDirectory() as folder:
        runner = PoolRunner(Store.open(Path(folder) / "store", create=True), "cpu", None, SLOTS)
        steps = runner.plan(every)
        batch = _Batch(runner, every, steps)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        f"{len(batch.queue)} queued in {time.perf_counter() - start:.1f} s: "
        f"{peak / 1e3:.0f} MB in all, {(peak - before) / len(batch.queue):.1f} kB each"
    )


def far() -> None:
    """Slots that one command keeps busy, by what a run takes there and what comes back of it."""
    small, large = driver(400), driver(20, 45_000_000)
    fixed = 1 / small
    byte = max(0.0, 1 / large - fixed) / 45e6
    print(f"the command: {1e3 * fixed:.2f} ms a run and {1e9 * byte:.2f} ms a MB")
    print(f"{'a run takes':>12} {'comes back':>11} {'bends at':>9}   busy slots of 100, 1000, 10000")
    for seconds, size in ((1, 0.05e6), (10, 0.05e6), (10, 45e6), (60, 45e6), (600, 45e6), (3600, 350e6)):
        each = fixed + byte * size
        shares = "  ".join(f"{busy(slots, seconds, each):5.0%}" for slots in (100, 1000, 10000))
        print(f"{seconds:>10} s {size / 1e6:>8.2f} MB {seconds / each:>9.0f}   {shares}")


def busy(slots: int, seconds: float, each: float, runs: int = 20) -> float:
    """Share of the slots' time spent on runs, where one command serves them one after the other."""
    rng = np.random.default_rng(0)
    free = np.sort(rng.uniform(0, seconds, slots))  # when each has its first run done
    clock, done, total = 0.0, 0, runs * slots
    import heapq

    waiting = list(free)
    heapq.heapify(waiting)
    while done < total:
        clock = max(clock, heapq.heappop(waiting)) + each
        heapq.heappush(waiting, clock + seconds * rng.uniform(0.8, 1.2))
        done += 1
    return min(1.0, total * seconds / (clock * slots))


def overhead(address: str, repetitions: int, *words: str) -> None:
    """Whole commands on a cluster of two slots and with --jobs 2, less the time until the first run began."""
    line = ["train", "--dataset", "digits", "--model", "resnet-tiny", "--seeds", "0-11", "-q", *words]
    ratios = []
    for _ in range(repetitions):
        took = {}
        for arm, place in (("jobs", ["--jobs", "2"]), ("ray", ["--on", f"ray:{address}", "--jobs", "2"])):
            with tempfile.TemporaryDirectory() as folder:
                store = Path(folder) / "store"
                command = [sys.executable, "-m", "deepunlearn_cli", *line, *place, "--store", str(store)]
                subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
                took[arm] = span(store)
        ratios.append(took["ray"] / took["jobs"])
        print(f"jobs 2: {took['jobs']:.2f} s  ray: {took['ray']:.2f} s  ratio {ratios[-1]:.3f}", flush=True)
    print(f"median ratio {np.median(ratios):.3f} ({min(ratios):.3f} .. {max(ratios):.3f})")


def span(store: Path) -> float:
    """Seconds from the first finished run to the last."""
    made = [json.loads(path.read_text())["created"] for path in store.glob("runs/*/*/facts.json")]
    return max(made) - min(made)


if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("--far", action="store_true")
    options.add_argument("--queue", type=int)
    options.add_argument("--overhead", metavar="ADDRESS")
    options.add_argument("--repetitions", type=int, default=5)
    given, rest = options.parse_known_args()
    if given.queue:
        queue(given.queue)
    elif given.overhead:
        overhead(given.overhead, given.repetitions, *rest)
    elif given.far:
        far()
    else:
        driver(400)
