"""The study of Unrolling SGD: originals and retrained models in lockstep, over rates and penalties."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import product
from typing import TYPE_CHECKING, Any

from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.core.recipe import Recipe
from deepunlearn_cli.execution import recipes
from deepunlearn_cli.studies.bench import Bench
from deepunlearn_cli.studies.plan import Cell

if TYPE_CHECKING:
    from deepunlearn_cli.store import Run

Row = dict[str, Any]


def locksteps(bench: Bench) -> list[Recipe]:
    """Every lockstep of a plan with an `[unrolling]` table.

    Pretraining, where asked for, takes the plan's own learning rate, so that all that start from it differ in
    what comes after.

    Raises:
        UsageFailure: a plan without that table, or whose training is not plain SGD.
    """
    asked = bench.plan.unrolling
    if not asked:
        raise UsageFailure("the plan has no [unrolling] table", "deepunlearn bench unrolling has one")
    return [
        recipe
        for cell in bench.plan.pairs
        for pretrain, lr, gamma in product(
            asked.get("pretrain_epochs", [0]), asked.get("lrs", [cell.training.get("lr")]), asked["gammas"]
        )
        for recipe in _locksteps(bench, cell, pretrain, {"lr": lr} if lr else {}, gamma)
    ]


def _locksteps(
    bench: Bench, cell: Cell, pretrain: int, rate: Mapping[str, float], gamma: float
) -> Iterator[Recipe]:
    scene = bench.scene(cell)
    loss = {"loss": "sd", "gamma": gamma} if gamma else {"loss": "ce"}
    base = {**cell.training, **loss}
    before = {**base, "epochs": pretrain} if pretrain else None
    for (seed, _), forget in bench.forget_sets(scene).items():
        yield recipes.lockstep(scene, base | dict(rate), seed, forget, before)


def told(runs: Iterable[Run]) -> list[Row]:
    """What the runs found: settings, `TA` and `TA_retrained` (0..1), and their readings over steps."""
    return [_told(run) for run in runs]


def _told(run: Run) -> Row:
    recipe = run.recipe
    start = recipe.inputs.get("start")
    return {
        "id": run.id,
        "dataset": recipe.labels.get("dataset", ""),
        "model": recipe.model,
        "pretrain": start.params["epochs"] if start else 0,
        "lr": recipe.params["lr"],
        "gamma": recipe.params["gamma"],
        "seed": recipe.seed,
        "TA": run.scores["TA"],
        "TA_retrained": run.scores["TA_retrained"],
        "readings": [entry for entry in run.log() if "v" in entry],
    }
