"""What stopping trials early saves, and what it costs: random searches, replayed with and without.

    python tests/benchmarks/bench_early.py [TRIALS] [METHOD,METHOD] [DATASET] [MODEL] [EPOCHS] [STORE]

Every trial is looked at after a third of its epochs and made to its end all the same. Points of a random search do
not depend on one another, so from these figures follows what any limit would have stopped: a trial whose norm at
the look lies more than X above the smallest final norm of the trials before it. Saved: share of all epochs of
unlearning. Best: the smallest final norm, with the place among all trials of what is found if trials are stopped.
"""

from __future__ import annotations

import math
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bench_sweep import original

from deepunlearn_cli.execution.looks import LOOK
from deepunlearn_cli.execution.runner import Runner
from deepunlearn_cli.execution.steps import Steps
from deepunlearn_cli.store import Store
from deepunlearn_cli.sweep import Order, Search, questions, search
from deepunlearn_cli.sweep.catalogue import Catalogue, TrialRow, trials_of

LIMITS = (0.02, 0.05, 0.1, 0.2)
NEVER = 9.0  # above every norm


@dataclass(frozen=True)
class Looked:
    """A trial: its epochs, how many of them came before the look, and its norm then and in the end."""

    epochs: int
    before: int
    then: float
    norm: float


def main(
    trials: str = "30",
    methods: str = "ft,ngplus,msg,scrub,salun",
    dataset: str = "digits",
    model: str = "resnet-tiny",
    epochs: str = "30",
    store: str = "",
) -> None:
    """Measure and print."""
    print(f"{dataset} {model}, {epochs} epochs, {trials} random trials each", flush=True)
    print("method     limit  stopped  saved  best of all  best found  place", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        runner = Runner(Store.open(Path(store or folder), create=True))
        start = original(runner, dataset, model, int(epochs))
        for method in methods.split(","):
            asked = questions(runner, [start], Search("random", early_stop=NEVER), {method: {}}, Steps())
            order = Order(tuple(asked), str(runner.store.root), None, int(trials), None, 30)
            search(order, 1, runner, lambda _: None)
            rows = trials_of(Catalogue(runner.store.studies).find(asked[0].key))
            report(method, [looked(row, runner.store) for row in rows if row["state"] == "COMPLETE"])


def looked(row: TrialRow, store: Store) -> Looked:
    """A complete trial of one original."""
    facts, epochs = store.find(row["runs"][0]).facts, math.ceil(row["params"].get("epochs", 1))
    seen = facts.get(LOOK, {"epoch": epochs, "norm": row["norm"]})
    return Looked(epochs, int(seen["epoch"]), seen["norm"], row["norm"])


def report(method: str, every: list[Looked]) -> None:
    """A line per limit."""
    norms = sorted(one.norm for one in every)
    for limit in LIMITS:
        kept, stopped, spared = list[Looked](), 0, 0
        for one in every:
            if kept and one.before < one.epochs and one.then > min(k.norm for k in kept) + limit:
                stopped, spared = stopped + 1, spared + one.epochs - one.before
            else:
                kept.append(one)
        found, share = min(one.norm for one in kept), spared / sum(one.epochs for one in every)
        print(
            f"{method:<10} {limit:5.2f}  {stopped:7d}  {share:5.0%}  {norms[0]:11.4f}  {found:10.4f}  "
            f"{norms.index(found) + 1:5d}",
            flush=True,
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
