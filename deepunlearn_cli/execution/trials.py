"""Trials: runs of a sweep, and the attack that they are judged by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from deepunlearn_cli.attacks import ATTACKS, on_one_model
from deepunlearn_cli.core.recipe import Recipe
from deepunlearn_cli.core.shared import Outputs
from deepunlearn_cli.execution.looks import LOOK

if TYPE_CHECKING:
    from deepunlearn_cli.attacks import OneModel

TRIAL_ATTACK = "umia"


def trial(run: Recipe, params: Mapping[str, Any], seed: int, look: Mapping[str, Any] | None = None) -> Recipe:
    """An unlearning run as a sweep makes it: judged without test data, nothing kept but its scores.

    Args:
        run: the unlearning run with any hyperparameters.
        params: hyperparameters of the trial, all of them.
        seed: of its random streams.
        look: after which it may be stopped (`looks.look`).
    """
    attack = trial_attack()
    judge = {"name": TRIAL_ATTACK, "revision": attack.revision, "params": attack.params(), "seed": 0}
    data = dict(run.data) | {"judge": judge} | ({LOOK: dict(look)} if look else {})
    return replace(run, kind="trial", params=dict(params), seed=seed, data=data, attempt=0)


def judged(recipe: Recipe, outputs: Outputs) -> float:
    """How far the attack that judges a trial gets on its outputs."""
    judge = recipe.data["judge"]
    attack = ATTACKS.needed(judge["name"]).build(judge["params"])
    return float(attack.run({"target": lambda: outputs}, judge["seed"]).scores[attack.headline()])


def trial_attack() -> OneModel:
    """The attack that trials are judged by: the paper's, without test pictures."""
    return on_one_model()[TRIAL_ATTACK].build({"against": "val"})


def by_hand(trial: Recipe) -> str:
    """The options of `unlearn` that make the model of a trial."""
    start = trial.inputs["original"]
    words = [f"-p {name}={value}" for name, value in trial.params.items()]
    words += ["--no-augment"] if trial.data["augment"] != start.data["augment"] else []
    words += [f"--precision {trial.precision}"] if trial.precision != start.precision else []
    return " ".join(words)
