"""`runs`, `rank` and `report` on a store of 100,000 synthetic runs, as a user waits for them.

    python tests/benchmarks/bench_tables.py [CONFIGURATIONS]

9 datasets x 18 methods x CONFIGURATIONS (default 30) x 10 seeds, an attack on each. Whole processes, from the
shell's point of view; the first `runs` builds the index.
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from deepunlearn_cli.core.recipe import Recipe
from deepunlearn_cli.methods import for_any_original
from deepunlearn_cli.store import Store, index, manifest

DATASETS, METHODS, SEEDS, FORGET = 9, 18, 10, "f" * 64
COMMANDS = ("runs", "runs", "runs --json", "rank", "report", "report --table scores", "--help")


def main(configurations: str = "30") -> None:
    """Make the store, then time the commands."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(Path(folder) / "store", create=True)
        count = sum(write(store, recipe, scores) for recipe, scores in runs(int(configurations)))
        time.sleep(2.1)  # younger folders are read again: their clocks could hide a change
        print(f"{count:,} runs")
        for number, command in enumerate(COMMANDS):
            note = " (builds the index)" if number == 0 else ""
            print(f"{command:24s} {elapsed(store.root, command):6.2f} s{note}")


def elapsed(root: Path, command: str) -> float:
    """Wall seconds of a command."""
    store = [] if command == "--help" else ["--store", str(root)]
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "deepunlearn_cli", *command.split(), *store],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return time.perf_counter() - start


def runs(configurations: int) -> Iterator[tuple[Recipe, dict[str, float]]]:
    """Retrained and unlearned models with their attacks, and made-up scores."""
    rng = random.Random(0)
    for dataset in range(DATASETS):
        for seed in range(SEEDS):
            data = {"fingerprint": str(dataset)}
            labels = {"dataset": f"data{dataset}", "forget": "random:0.1"}
            start = Recipe(
                "train", "original", 1, {"epochs": 50}, seed, data, None, "resnet18", labels=labels
            )
            retrain = Recipe(
                "train", "retrain", 1, {"epochs": 50}, seed, data, FORGET, "resnet18", labels=labels
            )
            for target in (retrain, *unlearned(start, configurations)):
                yield target, {name: rng.uniform(0.7, 0.9) for name in ("RA", "FA", "VA", "TA")}
                attack = Recipe("attack", "umia", 1, {"against": "test", "cv": "kfold"}, 0, data, FORGET)
                yield (
                    Recipe(**{**vars_of(attack), "inputs": {"target": target}, "labels": labels}),
                    {"accuracy": rng.uniform(0.45, 0.6), "accuracy_low": 0.4, "accuracy_high": 0.6},
                )


def unlearned(start: Recipe, configurations: int) -> Iterator[Recipe]:
    """Every method in every configuration."""
    for method in for_any_original()[:METHODS]:
        for configuration in range(configurations):
            yield Recipe(
                "unlearn", method, 1, {"lr": 0.001 * (configuration + 1)}, start.seed, start.data,
                FORGET, "resnet18", "fp32", {"original": start}, 0, start.labels,
            )  # fmt: skip


def vars_of(recipe: Recipe) -> dict[str, object]:
    """A recipe's fields."""
    return {name: getattr(recipe, name) for name in recipe.__dataclass_fields__}


def write(store: Store, recipe: Recipe, scores: dict[str, float]) -> int:
    """A run that is its manifest only, without the syncs of a real one."""
    facts = {"created": 1e9, "seconds": 1.5, "work": 3.25, "device": "CPU", "shared": False}
    place = store.runs / recipe.key[:2] / recipe.key
    place.mkdir(parents=True, exist_ok=True)
    (place / manifest.MANIFEST).write_bytes(manifest.text(place, index.row(recipe, scores, facts)))
    return 1


if __name__ == "__main__":
    main(*sys.argv[1:])
