"""From what people ask for to recipes: the only place where defaults of a run are filled in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from deepunlearn_cli import models
from deepunlearn_cli.attacks import ATTACKS, Probe
from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.core.fields import Declared, Share
from deepunlearn_cli.core.plugins import name_of
from deepunlearn_cli.core.preparation import Preparation
from deepunlearn_cli.core.recipe import RETRAIN, Recipe
from deepunlearn_cli.execution import chains
from deepunlearn_cli.execution.commands import tracked_training
from deepunlearn_cli.execution.origins import labelled, room_of
from deepunlearn_cli.methods import METHODS
from deepunlearn_cli.methods.retrain import Retrain

if TYPE_CHECKING:
    from deepunlearn_cli.core.registry import Room
    from deepunlearn_cli.data import Canary, Dataset, ForgetSet
    from deepunlearn_cli.methods import Method

TRAINER: type[Retrain] = Retrain  # originals are trained exactly as retrained models are


@dataclass(frozen=True)
class Scene:
    """What an original is trained on and how: dataset, its split, architecture, precision, augmentation.

    Attributes:
        prepared: what its pictures are, where they are not as the dataset has them.
    """

    dataset: Dataset
    model: str
    val_share: float
    split_seed: int
    precision: str = "fp32"
    augment: bool = True
    prepared: Preparation = field(default_factory=Preparation)

    @property
    def data(self) -> dict[str, Any]:
        """The data part of a recipe."""
        return {
            "fingerprint": self.dataset.fingerprint,
            "val_share": self.val_share,
            "split_seed": self.split_seed,
            "augment": self.augment,
            **self.prepared.to_data(),
            **models.code(self.model),
        }

    @property
    def labels(self) -> dict[str, Any]:
        """What people read of its pictures; no part of a key."""
        left_out = {"left_out": "; ".join(self.dataset.left_out)} if self.dataset.left_out else {}
        return {"dataset": self.dataset.name} | left_out


def original(
    scene: Scene,
    params: Mapping[str, Any],
    seed: int,
    tracked: ForgetSet | None = None,
    canary: Canary | None = None,
) -> Recipe:
    """Training from scratch on the whole training split; `tracked` for what shall be unlearned from it."""
    hyper = TRAINER.build(params)
    return Recipe(
        kind="train",
        name="original",
        revision=TRAINER.revision,
        params=hyper.params(),
        seed=seed,
        data=scene.data
        | ({"tracked": tracked.sha256} if tracked else {})
        | ({"canary": canary.plain()} if canary else {}),
        model=scene.model,
        precision=scene.precision,
        labels=scene.labels | ({"tracked": tracked.spec} if tracked else {}),
    )


def check_exact(scene: Scene, params: Mapping[str, Any]) -> None:
    """Refuse to unroll a training in which steps on the forget set are not plain gradient steps.

    Raises:
        UsageFailure: they are more than that (`Training.inexact`), or of other pictures in every epoch.
    """
    moving = scene.augment and (scene.dataset.flip or scene.dataset.pad)
    if wrong := TRAINER.build(params).inexact | ({"augmentation": "--no-augment"} if moving else {}):
        raise UsageFailure(
            f"unrolling is exact for plain SGD on fixed batches only, and this has {', '.join(wrong)}: "
            "its updates are more than lr times the gradient of a batch",
            f"add {' '.join(wrong.values())}; --track --approximate tracks it all the same, labelled so",
        )


def retrained(start: Recipe, forget: ForgetSet, params: Mapping[str, Any] | None = None) -> Recipe:
    """The reference of a model: the original's training, of its revision, without the forget set.

    Where the model was unlearned before, without what was forgotten then, too.

    Raises:
        UsageFailure: a tracked original, and not the forget set that was tracked.
    """
    _check_tracked(start, forget)
    first = chains.trained(start)
    return replace(
        first,
        kind="train",
        name=RETRAIN,
        revision=TRAINER.revision if first.kind == "checkpoint" else first.revision,
        params=TRAINER.build({**training_of(first), **(params or {})}).params(),
        data=chains.data_of(first.data, chains.behind(start)),
        forget=forget.sha256,
        inputs={},
        attempt=0,
        labels=_named(start, METHODS, RETRAIN, forget),
    )


def unlearned(
    start: Recipe,
    method: str,
    forget: ForgetSet,
    params: Mapping[str, Any] | None = None,
    *,
    augment: bool = True,
    precision: str | None = None,
    earlier: Recipe | None = None,
) -> Recipe:
    """A method applied to a model; `retrain` gives the retrained model's own recipe.

    From an unlearned model it goes on: what earlier requests forgot is named, and not retained.

    Args:
        earlier: the checkpoint that a method which needs a track takes for the weights before training.

    Raises:
        UsageFailure: the method needs a track that the original has not, or that is of another forget set.
    """
    actor = METHODS.needed(method)
    if actor.from_scratch:
        return retrained(start, forget, params)
    chains.check_length(start, forget.spec)
    if actor.changes_weights:  # doing nothing is a control of any request, of several at once too
        _check_tracked(start, forget)
    _check_track(actor, start, forget, earlier)
    first = chains.trained(start)
    shown = {"augment": augment and first.data["augment"]}
    return replace(
        start,
        kind="unlearn",
        name=name_of(actor),
        revision=actor.revision,
        params=actor.build(within_budget(actor, start) | dict(params or {})).params(),
        data=chains.data_of(start.data, chains.behind(start)) | shown,
        forget=forget.sha256,
        precision=precision or first.precision,
        inputs={"original": start} | ({"earlier": earlier} if earlier else {}),
        attempt=0,
        labels=_named(start, METHODS, name_of(actor), forget),
    )


def _named(start: Recipe, room: Room[Any], name: str, forget: ForgetSet) -> dict[str, Any]:
    """Labels of what is made from a start, with all that it forgets by name."""
    kept = chains.labels_of(chains.trained(start).labels, chains.specs(start))
    return labelled(kept, room, name, forget=forget.spec)


def _check_tracked(start: Recipe, forget: ForgetSet) -> None:
    tracked = start.data.get("tracked")
    if tracked and tracked not in (forget.sha256, *chains.behind(start)):
        spec = start.labels.get("tracked", tracked)
        raise UsageFailure(
            f"original {start.key} has the track of another forget set ({spec}), not of {forget.spec}",
            f"leave --forget out, or train another: {_training_command(start, forget.spec)}",
        )


def _training_command(start: Recipe, forget: str) -> str:
    usual, given = TRAINER().values(), TRAINER.build(training_of(start)).values()
    return tracked_training(start, {k: v for k, v in given.items() if v != usual[k]}, forget)


def _check_track(actor: type[Method], start: Recipe, forget: ForgetSet, earlier: Recipe | None) -> None:
    if earlier and not actor.posthoc:
        raise UsageFailure(f"{actor.title} has no use for an earlier checkpoint", "leave --earlier out")
    if earlier and (earlier.model, earlier.data["fingerprint"]) != (start.model, start.data["fingerprint"]):
        raise UsageFailure(
            f"the earlier checkpoint {earlier.key} is of another model or dataset than {start.key}",
            "give one that was saved on the way to the original",
        )
    if actor.tracked and not earlier and start.forget:
        raise UsageFailure(
            f"{actor.title} takes back what training did with the pictures it tracked, and {start.key} has "
            f"forgotten before: of {forget.spec} there is no track",
            "a method without a track goes on from it"
            + (", or give --earlier REF --approximate" if actor.posthoc else ""),
        )
    if actor.tracked and not earlier and not start.repeats:
        other = ", or give --earlier REF --approximate" if actor.posthoc else ""
        lost = " (files carry none: name the run)" if start.kind == "checkpoint" else ""
        raise UsageFailure(
            f"{actor.title} needs the track of the original's training, and {start.key} has none{lost}",
            f"train one that keeps it: {_training_command(start, forget.spec)}{other}",
        )


def attack(
    target: Recipe,
    name: str,
    params: Mapping[str, Any] | None = None,
    seed: int = 0,
    forget: ForgetSet | None = None,
) -> Recipe:
    """An attack on a model that has a forget set; `forget` for another part of all that it forgot.

    One that works on the model itself does so in the setting of its original's training, whatever precision
    or augmentation it was unlearned with: so does the same attack on its control.
    """
    actor = ATTACKS.needed(name)
    scene = chains.trained(target) if issubclass(actor, Probe) else target
    asked = (forget.sha256, forget.spec) if forget else (target.forget, target.labels.get("forget"))
    beside, names = chains.others(target, str(asked[0]))
    return replace(
        target,
        data=chains.data_of(scene.data, beside),
        forget=asked[0],
        precision=scene.precision,
        kind="attack",
        name=name_of(actor),
        revision=actor.revision,
        params=actor.build(params or {}).params(),
        seed=seed,
        inputs={"target": target},
        attempt=0,
        labels=labelled(chains.labels_of(target.labels, names), ATTACKS, name_of(actor), forget=asked[1]),
    )


def training_of(start: Recipe) -> Mapping[str, Any]:
    """How a model's original was trained, or how a checkpoint from elsewhere is taken to have been."""
    params = chains.trained(start).params
    training: Mapping[str, Any] = params.get("training", params)
    return training


def hyperparameters(recipe: Recipe) -> dict[str, Any]:
    """Every hyperparameter of a run by name, those too that its recipe leaves out."""
    return actor_of(recipe).added() | dict(recipe.params)


def actor_of(recipe: Recipe) -> type[Declared]:
    """What makes a run and declares its hyperparameters: nothing where the code is gone."""
    if recipe.kind == "checkpoint":  # of whatever name: nothing here made it
        return Declared
    if recipe.kind in ("train", "lockstep") or (recipe.kind == "shadow" and not recipe.inputs):
        return TRAINER
    return room_of(recipe).known(recipe.name) or Declared


def within_budget(actor: type[Method], start: Recipe) -> dict[str, Any]:
    """Defaults that the original's training length lowers: the paper lets methods take 20 % of its epochs."""
    training = training_of(start)
    return budget(actor, int(training["epochs"])) if "epochs" in training else {}


def budget(actor: type[Method], epochs: int) -> dict[str, Any]:
    """The same, for an original trained for so many epochs."""
    return {
        name: min(domain.default, domain.high.resolve(epochs))
        for name, domain in actor.domains().items()
        if isinstance(domain.high, Share)
    }
