"""Which sampler finds better settings with the same number of trials?

    python tests/benchmarks/bench_samplers.py [--methods msg,ct,ngplus] [--trials 60] [--seeds 3] [--jobs 2]
        [--dataset digits] [--model resnet-tiny] [--val-share 0.15] [-p epochs=30 -p batch_size=64] [--store DIR]

Every sampler searches every method on each of several originals, with a seed of its own. The best trial's value
says how well a sampler minimises; the same setting on fresh seeds says what that is worth. `tries` are trials that
it took to come within 10 % of the best value that any sampler found on that original. The store keeps
everything, so an interrupted comparison goes on.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from deepunlearn_cli import data
from deepunlearn_cli.checkpoints.refs import Start
from deepunlearn_cli.execution import recipes
from deepunlearn_cli.execution.forgetting import forget_for
from deepunlearn_cli.execution.pool import PoolRunner
from deepunlearn_cli.execution.runner import Runner
from deepunlearn_cli.execution.steps import Steps
from deepunlearn_cli.store import Store
from deepunlearn_cli.sweep import SAMPLERS, Order, Search, questions, search
from deepunlearn_cli.sweep.choice import choose
from deepunlearn_cli.sweep.presence import present
from deepunlearn_cli.sweep.question import Question
from deepunlearn_cli.sweep.study import Study, StudyProgress

NEAR = 1.1  # times the best value of all samplers

Cell = tuple[str, str]  # method, sampler
Result = dict[str, float]


def main(words: Sequence[str]) -> None:
    """Search, confirm and print."""
    options = parsed(words)
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(Path(options.store or folder), create=True)
        runner = PoolRunner(store, "auto", None, options.jobs) if options.jobs > 1 else Runner(store)
        asked = [one for seed in range(options.seeds) for one in ask(runner, options, seed)]
        order = Order(tuple(asked), str(store.root), None, options.trials, None, 100)
        began = time.perf_counter()
        for failure in search(order, options.jobs, runner, Progress()):
            print(failure.message, file=sys.stderr)
        with present(store.studies) as presence:
            studies = order.open(presence)
            show(measured(studies, runner))
        minutes = (time.perf_counter() - began) / 60
        print(
            f"\n{options.trials} trials each, {options.seeds} originals of {options.dataset} {options.model}, {minutes:.0f} min"
        )


def parsed(words: Sequence[str]) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--methods", default="msg,ct,ngplus")
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--dataset", default="digits")
    parser.add_argument("--model", default="resnet-tiny")
    parser.add_argument("--val-share", type=float, default=data.VAL_SHARE)
    parser.add_argument("-p", action="append", default=[])
    parser.add_argument("--store")
    return parser.parse_args(words)


def ask(runner: Runner, options: argparse.Namespace, seed: int) -> list[Question]:
    """Every method with every sampler on the original of a seed."""
    dataset = runner.dataset(options.dataset)
    scene = recipes.Scene(dataset, options.model, options.val_share, data.SPLIT_SEED)
    training = dict(entry.split("=") for entry in options.p) or {"epochs": 30, "batch_size": 64}
    recipe = recipes.original(scene, training, seed)
    runner.ensure(recipe)
    start = Start(
        recipe, dataset, forget_for(scene.data, dataset, data.DEFAULT_FORGET, runner), options.dataset
    )
    methods = {name: {} for name in options.methods.split(",")}
    return [
        one
        for sampler in SAMPLERS
        for one in questions(runner, [start], Search(sampler, seed), methods, Steps())
    ]


def measured(studies: Sequence[Study], runner: Runner) -> dict[Cell, list[Result]]:
    """What each sampler found for each method, an entry per original."""
    confirmed = choose(studies, runner, 1)
    norms = [[point.norm for point in study.points()] for study in studies]
    goals: dict[tuple[str, int], float] = {}
    for study, found in zip(studies, norms, strict=True):
        place = (study.question.method, study.question.seed)
        goals[place] = min(goals.get(place, 9.0), *found)
    cells: dict[Cell, list[Result]] = {}
    for study, found, candidates in zip(studies, norms, confirmed, strict=True):
        asked = study.question
        goal = NEAR * goals[asked.method, asked.seed]
        tries = next((i for i, norm in enumerate(found, 1) if norm <= goal), len(found) + 1)
        usual = next(one for one in candidates if one.defaults)
        result = {
            "searched": min(found),
            "fresh": candidates[0].confirmed or float("nan"),
            "defaults": usual.confirmed or float("nan"),
            "tries": tries,
        }
        cells.setdefault((asked.method, asked.sampler), []).append(result)
    return cells


def show(cells: dict[Cell, list[Result]]) -> None:
    """A Markdown table, and mean ranks over methods and originals."""
    print("| method | sampler | best searched | the same on fresh seeds | defaults on fresh seeds | tries |")
    print("| --- | --- | --- | --- | --- | --- |")
    for (method, sampler), results in sorted(cells.items()):
        spread = [cell(results, name) for name in ("searched", "fresh", "defaults")]
        tries = statistics.mean(result["tries"] for result in results)
        print(f"| {method} | {sampler} | {' | '.join(spread)} | {tries:.0f} |")
    methods = sorted({method for method, _ in cells})
    for name in ("searched", "fresh", "tries"):
        ranks: dict[str, list[float]] = {sampler: [] for sampler in SAMPLERS}
        for method in methods:
            for seed in range(len(cells[method, "random"])):
                values = {sampler: cells[method, sampler][seed][name] for sampler in SAMPLERS}
                for sampler, value in values.items():
                    below = sum(other < value for other in values.values())
                    equal = sum(other == value for other in values.values())
                    ranks[sampler].append(below + (equal + 1) / 2)
        print(
            f"\nmean rank by {name}: " + ", ".join(f"{s} {statistics.mean(r):.2f}" for s, r in ranks.items())
        )


def cell(results: Sequence[Result], name: str) -> str:
    """Mean and standard deviation over originals."""
    values = [result[name] for result in results]
    return f"{statistics.mean(values):.4f}±{statistics.pstdev(values):.4f}"


class Progress:
    """A line on stderr every 100 trials."""

    def __init__(self) -> None:
        self._count, self._began = 0, time.perf_counter()

    def __call__(self, of: StudyProgress) -> None:
        self._count += 1
        if self._count % 100 == 0:
            print(f"{self._count} trials, {time.perf_counter() - self._began:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])
