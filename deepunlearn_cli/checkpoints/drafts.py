"""The recipe of a checkpoint file before its weights are read: its training, what made it, what it sees."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from deepunlearn_cli.checkpoints import foreign, preparation, training
from deepunlearn_cli.checkpoints.file import Checkpoint
from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.core.preparation import Preparation
from deepunlearn_cli.core.recipe import RETRAIN, Recipe
from deepunlearn_cli.core.specs import following
from deepunlearn_cli.execution import chains, recipes, references

if TYPE_CHECKING:
    from torch import Tensor

    from deepunlearn_cli.data import ForgetSet
    from deepunlearn_cli.execution.runner import Runner
    from deepunlearn_cli.store import Store


@dataclass(frozen=True)
class Said:
    """What the user said of a model from elsewhere; None where nothing was said.

    Attributes:
        mean, std, channels, interpolation: how its pictures are prepared.
        training: how it was trained (`training.read`).
        expect_accuracy: how well it is known to read its pictures (`foreign.read_expected`).
        weights_key: which of a file's state dicts is meant.
    """

    mean: str | None = None
    std: str | None = None
    interpolation: str | None = None
    channels: int | None = None
    training: list[str] | None = None
    expect_accuracy: str | None = None
    weights_key: str | None = None

    def check(self) -> None:
        """Refuse what cannot be read of a training and an accuracy.

        Raises:
            NotFound, UsageFailure: saying what it takes.
        """
        if self.training:
            training.read(self.training)
        if self.expect_accuracy:
            foreign.read_expected(self.expect_accuracy)


def draft(file: Checkpoint, claimed: Recipe | None, scene: recipes.Scene, said: Said) -> Recipe:
    """A checkpoint's recipe, less the hash of its weights."""
    root = claimed.root if claimed else None
    known = root.params.get("training", dict(root.params)) if root else recipes.TRAINER().params()
    how = {references.KNOWN: "claimed"} if root and references.training_known(root) else {}
    if said.training:
        known, how = training.read(said.training).params, {references.KNOWN: "stated"}
    return Recipe(
        kind=references.CHECKPOINT,
        name=references.CHECKPOINT,
        params={"training": known},
        seed=claimed.seed if claimed else 0,
        data=scene.data,
        model=scene.model,
        precision=scene.precision,
        labels=scene.labels | {"file": file.path.name, **how},
    )


def interpolation(claimed: Recipe | None, said: Said) -> str | None:
    """How pictures are resized: as the user says, else as the file says."""
    return said.interpolation or (claimed.data.get("interpolation") if claimed else None)


def prepared(scene: recipes.Scene, claimed: Recipe | None, said: Said) -> recipes.Scene:
    """How pictures are prepared and augmented: what the user says, else what the file says."""
    shown = Preparation.from_data(claimed.data if claimed else {})
    if said.mean or said.std or said.channels:
        numbers = said.mean, said.std, said.channels
        shown = preparation.read(*numbers, scene.dataset, scene.model)
    shown = replace(shown, interpolation=interpolation(claimed, said))
    augment = training.read(said.training).augment if said.training else None
    return replace(scene, prepared=shown, augment=scene.augment if augment is None else augment)


def ask(recipe: Recipe, file: Checkpoint, said: Said, runner: Runner) -> None:
    """Whether a model from elsewhere reads its pictures as its user knows it to."""
    if said.expect_accuracy or not file.claims:
        expected = foreign.read_expected(said.expect_accuracy) if said.expect_accuracy else None
        foreign.ask(runner.store.find(recipe.key), str(file.path), expected, runner)


def is_run(file: Checkpoint, claimed: Recipe, scene: recipes.Scene, said: Said, store: Store) -> bool:
    """Whether a file holds the run of this store that it says, and its user says nothing else of it."""
    run = store.get(claimed.key)
    told = {name: value for name, value in scene.data.items() if name != "augment"}
    pictures = all(claimed.data.get(name) == value for name, value in told.items())
    agreed = pictures and scene.model == claimed.model and not said.training
    return agreed and run is not None and _same(run.weights(), file.weights)


def _same(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> bool:
    import torch

    return ours.keys() == theirs.keys() and all(torch.equal(w, theirs[name]) for name, w in ours.items())


def was_unlearned(claimed: Recipe | None) -> bool:
    """Whether a file says that something was unlearned from it, or kept back from it."""
    if claimed is None or not claimed.forget:
        return False
    return claimed.kind in ("unlearn", references.CHECKPOINT) or claimed.name == RETRAIN


def check_training(file: Checkpoint, claimed: Recipe, said: Said) -> None:
    """Refuse a training said of an unlearned model: it is of the original, which has a record of its own.

    Raises:
        UsageFailure: it was.
    """
    if said.training and "original" in claimed.inputs:
        start = chains.trained(claimed)
        raise UsageFailure(
            f"{file.path} was made from {start.labels.get('file', f'run {start.key}')}: how that was trained "
            "is said of that model itself",
            "deepunlearn unlearn --method retrain --ckpt ORIGINAL --training epochs=30, say",
        )


def unlearned(
    draft: Recipe, file: Checkpoint, claimed: Recipe, forgot: Sequence[ForgetSet], runner: Runner
) -> Recipe:
    """The draft of a file that holds what a method made: of its name and forget sets, and says so.

    `forgot` has the newest first.
    """
    made = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(file.claims.get("created", 0)))
    when = {"made": made} if "created" in file.claims else {}
    on = f", {made}" if when else ""
    names = [one.spec for one in forgot[1:]]
    runner.reporter.told(
        f"{file.path} was made by {claimed.name} (run {claimed.key}{on}) and forgot "
        f"{following(forgot[0].spec, names)}"
    )
    return replace(
        draft,
        name=claimed.name,
        forget=forgot[0].sha256,
        data=chains.data_of(draft.data, [one.sha256 for one in forgot[1:]]),
        inputs={name: one for name, one in claimed.inputs.items() if name == "original"},
        labels=chains.labels_of(draft.labels, names) | {"forget": forgot[0].spec, "run": claimed.key, **when},
    )
