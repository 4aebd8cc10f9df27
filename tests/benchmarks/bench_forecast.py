"""How well calibrated is what `unlearn --dry-run` forecasts? Every run forecast without the runs on its forget set.

    python tests/benchmarks/bench_forecast.py [--seeds 4] [--epochs 5] [--methods ft,ngplus,msg,ssd] [--store DIR]
        [--dataset digits] [--model resnet-tiny]

Originals are trained, then every forget set of `SETS` (sizes from 2 to 20 %, random, hard, easy, classes and halves
of classes) is unlearned from each, retrained without, and attacked. Printed are, by method and figure, how many
intervals hold the figure, and how wide they are; `like` and `unlike` are requests with and without another one
like them among the others. The store keeps everything.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from deepunlearn_cli import data
from deepunlearn_cli.core.recipe import DO_NOTHING, RETRAIN, Recipe
from deepunlearn_cli.execution import recipes
from deepunlearn_cli.execution.forgetting import forget_for
from deepunlearn_cli.execution.runner import Runner
from deepunlearn_cli.methods._method import Sizes
from deepunlearn_cli.store import Store
from deepunlearn_cli.studies.expectation import Held, held_out
from deepunlearn_cli.studies.past import Past

SETS = (
    "random:0.02", "random:0.05", "random:0.05:9", "random:0.1", "random:0.1:7", "random:0.2",
    "hardest:0.05", "hardest:0.1", "easiest:0.1", "class:3", "class:8", "class:5:0.5",
)  # fmt: skip
METHODS = "ft,ngplus,msg,ssd"
CONTROLS = (RETRAIN, DO_NOTHING)


def main(words: Sequence[str]) -> None:
    """Make the runs, forecast each without its forget set, print."""
    options = parsed(words)
    with tempfile.TemporaryDirectory() as folder:
        runner = Runner(Store.open(Path(options.store or folder), create=True), "auto")
        runner.ensure_all(list(runs(runner, options)))
        show(list(held(runner)))


def parsed(words: Sequence[str]) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser()
    for name, default in (("seeds", 4), ("epochs", 5)):
        parser.add_argument(f"--{name}", type=int, default=default)
    for name, text in (("dataset", "digits"), ("model", "resnet-tiny"), ("methods", METHODS), ("store", "")):
        parser.add_argument(f"--{name}", default=text)
    return parser.parse_args(words)


def runs(runner: Runner, options: argparse.Namespace) -> Iterator[Recipe]:
    """Every attack, and so every run that one needs."""
    opened = data.open_dataset(options.dataset, runner.store.data)
    scene = recipes.Scene(opened, options.model, data.VAL_SHARE, data.SPLIT_SEED)
    names = (*CONTROLS, *options.methods.split(","))
    for seed in range(options.seeds):
        start = recipes.original(scene, {"epochs": options.epochs}, seed)
        for spec in SETS:
            forget = forget_for(scene.data, opened, spec, runner, start)
            for name in names:
                yield recipes.attack(recipes.unlearned(start, name, forget), "umia")


def held(runner: Runner) -> Iterator[Held]:
    """Forecasts of every run of the store, each without its forget set."""
    rows = [row for row in runner.store.rows(kind="train") if not row["forget"]]
    for setting in sorted({row["setting"] for row in rows}):
        past = Past(runner.store, setting)
        yield from held_out(past, {case.forget: sizes(case.id, runner) for case in past.cases})


def sizes(run: str, runner: Runner) -> Sizes:
    """How many pictures each part of a run has."""
    recipe = runner.store.find(run).recipe
    parts, classes = runner.materials.indices(recipe), runner.materials.dataset(recipe).num_classes
    return Sizes(len(parts["retain"]), len(parts["forget"]), len(parts["val"]), classes)


def show(found: Sequence[Held]) -> None:
    """Coverage and width, by figure and method, and over all."""
    groups: dict[tuple[str, str], list[Held]] = defaultdict(list)
    for one in found:
        if one.found.high > one.found.low:  # what is known beforehand is no forecast
            for method in (one.case.method, "all", "like" if one.alike else "unlike"):
                groups[one.name, method].append(one)
    print(
        f"{'figure':10} {'method':12} {'runs':>5} {'nominal':>8} {'held':>7} {'median width':>13} {'median error':>13}"
    )
    for (name, method), ours in sorted(groups.items()):
        level = statistics.mean(one.found.level for one in ours)
        share = sum(one.holds for one in ours) / len(ours)
        width = statistics.median(one.found.high - one.found.low for one in ours)
        error = statistics.median(abs(one.value - one.found.middle) for one in ours)
        print(f"{name:10} {method:12} {len(ours):5} {level:8.0%} {share:7.1%} {width:13.3f} {error:13.3f}")


if __name__ == "__main__":
    main(sys.argv[1:])
