"""Are tuned settings any better than the defaults, on originals that the search has never seen?

    python tests/benchmarks/bench_tuned.py [--methods all] [--trials 30] [--tune-on 2] [--seeds 3] [--jobs 2] [--confirm 3]
        [--sampler tpe] [--dataset digits] [--model resnet-tiny] [--val-share 0.15] [-p epochs=30] [--store DIR]

Every method is tuned on the originals of the first seeds (`--tune-on`) and then applied, with its defaults and with
its preset, to those of the next ones (`--seeds`). RetDev is against each seed's retrained model on test pictures,
Indisc from the U-MIA on them; lower and higher is better. The store keeps everything.
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
from deepunlearn_cli.core.recipe import Recipe
from deepunlearn_cli.evaluation import metrics
from deepunlearn_cli.execution import recipes
from deepunlearn_cli.execution.forgetting import forget_for
from deepunlearn_cli.execution.pool import PoolRunner
from deepunlearn_cli.execution.runner import Runner
from deepunlearn_cli.execution.steps import Steps
from deepunlearn_cli.store import Store
from deepunlearn_cli.sweep import Order, Search, TunedMethod, conclude, questions, search, tunable


def main(words: Sequence[str]) -> None:
    """Tune, apply, attack and print."""
    options = parsed(words)
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(Path(options.store or folder), create=True)
        runner = PoolRunner(store, "auto", None, options.jobs) if options.jobs > 1 else Runner(store)
        starts = originals(runner, options)
        began = time.perf_counter()
        tuned = tune(runner, options, starts[: options.tune_on])
        judge(runner, tuned, starts[options.tune_on :])
        minutes = (time.perf_counter() - began) / 60
        print(
            f"\n{options.trials} trials on {options.tune_on} originals of {options.dataset} {options.model},"
        )
        print(f"judged on {options.seeds} others; {minutes:.0f} min")


def parsed(words: Sequence[str]) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--methods", default="all")
    parser.add_argument("--sampler", default="tpe")
    for name, default in (("trials", 30), ("tune-on", 2), ("seeds", 3), ("jobs", 1), ("confirm", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--dataset", default="digits")
    parser.add_argument("--model", default="resnet-tiny")
    parser.add_argument("--val-share", type=float, default=data.VAL_SHARE)
    parser.add_argument("-p", action="append", default=[])
    parser.add_argument("--store")
    return parser.parse_args(words)


def originals(runner: Runner, options: argparse.Namespace) -> list[Start]:
    """Originals to tune on and to judge on, with their retrained models."""
    dataset = runner.dataset(options.dataset)
    scene = recipes.Scene(dataset, options.model, options.val_share, data.SPLIT_SEED)
    training = dict(entry.split("=") for entry in options.p) or {"epochs": 30, "batch_size": 64}
    forget = forget_for(scene.data, dataset, data.DEFAULT_FORGET, runner)
    seeds = range(options.tune_on + options.seeds)
    starts = [
        Start(recipes.original(scene, training, seed), dataset, forget, options.dataset) for seed in seeds
    ]
    runner.ensure_all([start.recipe for start in starts])
    runner.ensure_all([recipes.retrained(start.recipe, forget) for start in starts])
    return starts


def tune(runner: Runner, options: argparse.Namespace, starts: Sequence[Start]) -> list[TunedMethod]:
    """Every method's preset."""
    names = tunable() if options.methods == "all" else options.methods.split(",")
    asked = questions(runner, starts, Search(options.sampler), {name: {} for name in names}, Steps())
    order = Order(tuple(asked), str(runner.store.root), None, options.trials, None, 20)
    failures = search(order, options.jobs, runner, lambda _: None)
    tuned, missing = conclude(order, runner, options.confirm, lambda _: None)
    for failure in (*failures, *missing):
        print(failure.message, file=sys.stderr)
    return tuned


def judge(runner: Runner, tuned: Sequence[TunedMethod], starts: Sequence[Start]) -> None:
    """Print RetDev and indiscernibility of defaults and presets."""
    print("| method | RetDev defaults | RetDev tuned | Indisc defaults | Indisc tuned | no worse in RetDev |")
    print("| --- | --- | --- | --- | --- | --- |")
    settings = {one.question.method: ({}, dict(one.preset.params)) for one in tuned}
    made = {
        (method, i): [recipes.unlearned(start.recipe, method, start.forget, params) for start in starts]
        for method, both in settings.items()
        for i, params in enumerate(both)
    }
    control = [recipes.unlearned(start.recipe, "original", start.forget) for start in starts]
    runner.ensure_all(
        [recipes.attack(one, "umia") for several in (control, *made.values()) for one in several]
    )
    for method in settings:
        values = [measured(runner, made[method, i]) for i in range(2)]
        (before, _), (after, _) = values
        verdict = "yes" if statistics.mean(after) <= statistics.mean(before) else "no"
        cells = [cell(values[i][k]) for k in range(2) for i in range(2)]
        print(f"| {method} | {' | '.join(cells)} | {verdict} |")
    print(f"| original | {' | '.join(cell(one) + ' |' for one in measured(runner, control))} | |")


def measured(runner: Runner, recipes: Sequence[Recipe]) -> tuple[list[float], list[float]]:
    """RetDev and indiscernibility of each run; NaN for one that failed."""
    deviations, hidden = [], []
    for recipe in recipes:
        run, attack = (runner.store.get(one.key) for one in (recipe, recipes.attack(recipe, "umia")))
        start, forget = recipe.inputs["original"], recipe.forget
        assert run is not None
        assert forget is not None
        reference = runner.store.get(
            recipes.retrained(start, data.load_forget(forget, runner.store.data)).key
        )
        assert reference is not None
        usable = attack is not None and attack.status == "done"
        deviations.append(
            metrics.retention_deviation(run.scores, reference.scores) if usable else float("nan")
        )
        hidden.append(attack.scores["indiscernibility"] if attack and usable else float("nan"))
    return deviations, hidden


def cell(values: Sequence[float]) -> str:
    """Mean and standard deviation."""
    return f"{statistics.mean(values):.3f}±{statistics.stdev(values):.3f}"


if __name__ == "__main__":
    main(sys.argv[1:])
