"""The study of Unrolling SGD: originals and retrained models in lockstep, over rates and penalties."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import product
from typing import TYPE_CHECKING, TypedDict

from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.core.recipe import Recipe
from deepunlearn_cli.execution import studied
from deepunlearn_cli.studies.bench import Bench
from deepunlearn_cli.studies.plan import Setup

if TYPE_CHECKING:
    from deepunlearn_cli.store import Run


class LockstepRow(TypedDict):
    """A lockstep: its settings, and what it found.

    Attributes:
        pretrain: epochs of training on everything before it; 0 for new weights.
        TA, TA_retrained: accuracies (0..1) on test pictures, of the original and of the retrained model.
        readings: over steps, by the names of `Lockstep.run`.
    """

    id: str
    dataset: str
    model: str
    pretrain: int
    lr: float
    gamma: float
    seed: int
    TA: float
    TA_retrained: float
    readings: list[Mapping[str, float]]


def locksteps(bench: Bench) -> list[Recipe]:
    """Every lockstep of a plan with an `[unrolling]` table.

    Pretraining, where asked for, takes the plan's own learning rate, so that all that start from it differ in
    what comes after.

    Raises:
        UsageFailure: a plan without that table, or whose training is not plain SGD.
    """
    study = bench.plan.unrolling
    if not study:
        raise UsageFailure("the plan has no [unrolling] table", "deepunlearn bench unrolling has one")
    return [
        recipe
        for setup in bench.plan.setups
        for pretrain, lr, gamma in product(
            study.get("pretrain_epochs", [0]), study.get("lrs", [setup.training.get("lr")]), study["gammas"]
        )
        for recipe in _locksteps(bench, setup, pretrain, {"lr": lr} if lr else {}, gamma)
    ]


def _locksteps(
    bench: Bench, setup: Setup, pretrain: int, rate: Mapping[str, float], gamma: float
) -> Iterator[Recipe]:
    scene = bench.scene(setup)
    loss = {"loss": "sd", "gamma": gamma} if gamma else {"loss": "ce"}
    base = {**setup.training, **loss}
    before = {**base, "epochs": pretrain} if pretrain else None
    for (seed, _), forget in bench.forget_sets(scene).items():
        yield studied.lockstep(scene, base | dict(rate), seed, forget, before)


def rows(runs: Iterable[Run]) -> list[LockstepRow]:
    """What the runs of locksteps found."""
    return [_row(run) for run in runs]


def _row(run: Run) -> LockstepRow:
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
