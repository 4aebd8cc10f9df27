"""What the tests of sweeps share: a question without training, and a runner that answers from a formula."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from deepunlearn_cli.core.errors import RunFailed
from deepunlearn_cli.core.recipe import Recipe
from deepunlearn_cli.execution import recipes
from deepunlearn_cli.methods import METHODS
from deepunlearn_cli.store import Store
from deepunlearn_cli.sweep import Order
from deepunlearn_cli.sweep.question import Question

REFERENCE = {"RA": 1.0, "FA": 0.9, "VA": 0.9}
DATA = {"fingerprint": "f" * 64, "val_share": 0.15, "split_seed": 123, "augment": True}


def original(seed: int = 0, epochs: int = 30) -> Recipe:
    return Recipe(
        kind="train",
        name="original",
        params=recipes.TRAINER.build({"epochs": epochs}).params(),
        seed=seed,
        data=DATA,
        model="resnet-tiny",
        labels={"dataset": "digits"},
    )


def unlearning(method: str = "msg", seed: int = 0, epochs: int = 30) -> Recipe:
    start, actor = original(seed, epochs), METHODS.get(method)
    return Recipe(
        kind="unlearn",
        name=method,
        revision=actor.revision,
        params=actor.build(recipes.within_budget(actor, start)).params(),
        seed=seed,
        data=DATA,
        forget="a" * 64,
        model="resnet-tiny",
        inputs={"original": start},
        labels={"dataset": "digits", "forget": "random:0.1"},
    )


def question(method: str = "msg", sampler: str = "tpe", originals: int = 1, **more: Any) -> Question:
    runs = tuple(unlearning(method, seed) for seed in range(originals))
    return Question(runs, (REFERENCE,) * originals, sampler, **more)


def scores_of(params: dict[str, Any]) -> dict[str, float]:
    """A valley around lr = 0.01: everything is worse away from it."""
    off = min(1.0, abs(math.log10(params["lr"]) + 2) / 3)
    return {"RA": 1 - off, "FA": 0.9, "VA": 0.9, "umia_val": 0.5 + off / 4}


@dataclass
class Formula:
    """A runner that makes nothing."""

    store: Store
    answer: Callable[[dict[str, Any]], dict[str, float]] = scores_of
    asked: list[Recipe] = field(default_factory=list)

    def ensure(self, recipe: Recipe) -> Any:
        self.asked.append(recipe)
        return SimpleNamespace(
            id=recipe.key, scores=self.answer(dict(recipe.params)), facts={"seconds": 0.5, "work": 2.0}
        )

    def ensure_all(self, recipes: list[Recipe]) -> Any:
        outcome = SimpleNamespace(runs=[], failures=[])
        for recipe in recipes:
            try:
                outcome.runs.append(self.ensure(recipe))
            except RunFailed as failure:
                outcome.failures.append((recipe, failure))
        return outcome


def store(root: Path) -> Store:
    return Store.open(root / "store", create=True)


def order(at: Store, *questions: Question, wanted: int = 10, **more: Any) -> Order:
    settings = {"address": None, "deadline": None, "patience": 3} | more
    return Order(questions, str(at.root), wanted=wanted, **settings)
