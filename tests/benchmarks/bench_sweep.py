"""What a sweep costs beyond its unlearning: overhead per trial, and two jobs against one.

    python tests/benchmarks/bench_sweep.py [TRIALS] [METHOD] [DATASET] [MODEL] [EPOCHS]

Overhead is the wall time of a search less the seconds inside `unlearn` and less one prediction pass without test
pictures: proposals, journal, loading, checks, the attack, the store. Random search, so that every measurement
makes the same trials. Workers are compared from the first trial told to the last, processes being up.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from deepunlearn_cli import data
from deepunlearn_cli.checkpoints.refs import Start
from deepunlearn_cli.engine.device import synchronize
from deepunlearn_cli.execution import recipes
from deepunlearn_cli.execution.forgetting import forget_for
from deepunlearn_cli.execution.runner import Runner
from deepunlearn_cli.execution.steps import Steps
from deepunlearn_cli.store import Store
from deepunlearn_cli.sweep import Order, Search, questions, search


def main(
    trials: str = "30",
    method: str = "ft",
    dataset: str = "digits",
    model: str = "resnet-tiny",
    epochs: str = "30",
) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        runner = Runner(Store.open(Path(folder), create=True))
        start = original(runner, dataset, model, int(epochs))
        print(f"{method} on {dataset} {model}, {trials} trials, {runner.materials.facts()['device']}")
        overhead(runner, start, method, int(trials))
        rates = {jobs: rate(runner, start, method, int(trials), jobs) for jobs in (1, 2)}
        print(f"two jobs against one: {rates[2] / rates[1]:.2f} times the trials per minute")


def original(runner: Runner, spec: str, model: str, epochs: int) -> Start:
    """An original, ready to be unlearned."""
    dataset = runner.dataset(spec)
    scene = recipes.Scene(dataset, model, data.VAL_SHARE, data.SPLIT_SEED)
    start = recipes.original(scene, {"epochs": epochs, "batch_size": 64}, 0)
    runner.ensure(start)
    return Start(start, dataset, forget_for(scene.data, dataset, data.DEFAULT_FORGET, runner), spec)


def order(runner: Runner, start: Start, method: str, trials: int, seed: int, label: str) -> Order:
    """A search of random points; seeds differ, so that no trial is in the store yet."""
    asked = questions(runner, [start], Search("random", seed, label), {method: {}}, Steps())
    return Order(tuple(asked), str(runner.store.root), None, trials, None, 10)


def overhead(runner: Runner, start: Start, method: str, trials: int) -> None:
    """Print what a trial costs beside unlearning and prediction."""
    search(order(runner, start, method, 3, 100, "warm"), 1, runner, lambda _: None)
    before, predicting = set(runner.store.ids()), Clock(runner)
    began = time.perf_counter()
    search(order(runner, start, method, trials, 0, "overhead"), 1, runner, lambda _: None)
    wall = time.perf_counter() - began
    facts = [runner.store.find(one).facts for one in runner.store.ids() if one not in before]
    unlearning = sum(fact["seconds"] for fact in facts)
    extra = wall - unlearning - predicting.seconds
    print(
        f"wall {wall:.2f} s: unlearning {unlearning:.2f}, prediction {predicting.seconds:.2f}, rest {extra:.2f}"
    )
    share = extra / (unlearning + predicting.seconds)
    print(f"overhead per trial {1000 * extra / len(facts):.1f} ms, {share:.1%} of unlearning and prediction")


class Clock:
    """Counts the seconds of a runner's prediction passes."""

    def __init__(self, runner: Runner) -> None:
        self.seconds, self._predict, self._materials = 0.0, runner.materials.outputs, runner.materials
        runner.materials.outputs = self  # type: ignore[method-assign]

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        began = time.perf_counter()
        outputs = self._predict(*arguments, **named)
        synchronize(self._materials.device)
        self.seconds += time.perf_counter() - began
        return outputs


def rate(runner: Runner, start: Start, method: str, trials: int, jobs: int) -> float:
    """Trials per minute from the first told to the last; every number of jobs makes the same trials."""
    store = Store.open(runner.store.root / f"jobs{jobs}", create=True)
    other = Runner(store)
    again = original(other, start.source, start.recipe.model, start.recipe.params["epochs"])
    told: list[float] = []
    wanted = order(other, again, method, trials, 0, "rate")
    began = time.perf_counter()
    search(wanted, jobs, other, lambda _: told.append(time.perf_counter()))
    per_minute = 60 * (len(told) - 1) / (told[-1] - told[0])
    whole = 60 * len(told) / (told[-1] - began)
    print(f"jobs {jobs}: {per_minute:.0f} trials/min once started, {whole:.0f} from the start")
    return per_minute


if __name__ == "__main__":
    main(*sys.argv[1:])
