"""From what people ask for to recipes: the only place where defaults of a run are filled in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from deepunlearn_cli.attacks import ATTACKS
from deepunlearn_cli.attacks.umia import UMIA
from deepunlearn_cli.fields import Share
from deepunlearn_cli.methods import METHODS
from deepunlearn_cli.recipe import Recipe

if TYPE_CHECKING:
    from deepunlearn_cli.data import Dataset, ForgetSet
    from deepunlearn_cli.methods import Method

TRAINER = METHODS.get("retrain")  # originals are trained exactly as retrained models are
TRIAL_ATTACK = "umia"


@dataclass(frozen=True)
class Scene:
    """What an original is trained on and how: dataset, its split, architecture, precision, augmentation."""

    dataset: Dataset
    model: str
    val_share: float
    split_seed: int
    precision: str = "fp32"
    augment: bool = True

    @property
    def data(self) -> dict[str, Any]:
        """The data part of a recipe."""
        return {
            "fingerprint": self.dataset.fingerprint,
            "val_share": self.val_share,
            "split_seed": self.split_seed,
            "augment": self.augment,
        }


def original(scene: Scene, params: Mapping[str, Any], seed: int) -> Recipe:
    """Training from scratch on the whole training split."""
    hyper = TRAINER.build(params)
    return Recipe(
        kind="train",
        name="original",
        revision=TRAINER.revision,
        params=hyper.params(),
        seed=seed,
        data=scene.data,
        model=scene.model,
        precision=scene.precision,
        labels={"dataset": scene.dataset.name},
    )


def retrained(start: Recipe, forget: ForgetSet, params: Mapping[str, Any] | None = None) -> Recipe:
    """The exact reference of an original or checkpoint: its own training without the forget set."""
    training = training_of(start)
    return replace(
        start,
        kind="train",
        name="retrain",
        revision=TRAINER.revision,
        params=TRAINER.build({**training, **(params or {})}).params(),
        forget=forget.sha256,
        inputs={},
        attempt=0,
        labels=dict(start.labels) | {"forget": forget.spec},
    )


def unlearned(
    start: Recipe,
    method: str,
    forget: ForgetSet,
    params: Mapping[str, Any] | None = None,
    *,
    augment: bool = True,
    precision: str | None = None,
) -> Recipe:
    """A method applied to an original or checkpoint; `retrain` gives the retrained model's own recipe."""
    actor = METHODS.get(method)
    if actor.from_scratch:
        return retrained(start, forget, params)
    return replace(
        start,
        kind="unlearn",
        name=METHODS.public_name(method),
        revision=actor.revision,
        params=actor.build(within_budget(actor, start) | dict(params or {})).params(),
        data=dict(start.data) | {"augment": augment and start.data["augment"]},
        forget=forget.sha256,
        precision=precision or start.precision,
        inputs={"original": start},
        attempt=0,
        labels=dict(start.labels) | {"forget": forget.spec},
    )


def attack(target: Recipe, name: str, params: Mapping[str, Any] | None = None, seed: int = 0) -> Recipe:
    """An attack on a model that has a forget set."""
    actor = ATTACKS.get(name)
    return replace(
        target,
        kind="attack",
        name=ATTACKS.public_name(name),
        revision=actor.revision,
        params=actor.build(params or {}).params(),
        seed=seed,
        inputs={"target": target},
        attempt=0,
    )


def half_original(scene: Scene, params: Mapping[str, Any], half: int) -> Recipe:
    """An original of U-LiRA: trained on random half number `half` of the training part, with that seed."""
    return replace(original(scene, params, half), kind="shadow", data=scene.data | {"half": half})


def shadow(start: Recipe, method: str, forget: ForgetSet, params: Mapping[str, Any] | None = None) -> Recipe:
    """A method applied to an original of U-LiRA, of which only what the attack reads is kept."""
    return replace(unlearned(start, method, forget, params), kind="shadow")


def ulira(models: Mapping[str, Recipe], method: str, params: Mapping[str, Any] | None = None) -> Recipe:
    """U-LiRA on a method's models, by their names `SPLIT/FORGET`."""
    actor, one = ATTACKS.get("ulira"), next(iter(models.values()))
    return Recipe(
        kind="attack",
        name="ulira",
        revision=actor.revision,
        params=actor.build(params or {}).params(),
        data={k: v for k, v in one.data.items() if k != "half"},
        model=one.model,
        precision=one.precision,
        inputs=models,
        labels={"dataset": one.labels.get("dataset", ""), "method": method},
    )


def trial(run: Recipe, params: Mapping[str, Any], seed: int) -> Recipe:
    """An unlearning run as a sweep makes it: judged without test data, nothing kept but its scores.

    Args:
        run: the unlearning run with any hyperparameters.
        params: hyperparameters of the trial, all of them.
        seed: of its random streams.
    """
    attack = trial_attack()
    judge = {"name": TRIAL_ATTACK, "revision": attack.revision, "params": attack.params(), "seed": 0}
    return replace(
        run, kind="trial", params=dict(params), seed=seed, data=dict(run.data) | {"judge": judge}, attempt=0
    )


def trial_attack() -> UMIA:
    """The attack that trials are judged by: the paper's, without test pictures."""
    return UMIA(against="val")


def training_of(start: Recipe) -> Mapping[str, Any]:
    """How an original was trained, or how a checkpoint from elsewhere is taken to have been."""
    training: Mapping[str, Any] = start.params.get("training", start.params)
    return training


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
