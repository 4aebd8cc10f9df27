"""Recipes of studies: of U-LiRA, whose originals are trained on random halves; and of locksteps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from deepunlearn_cli.attacks import ATTACKS
from deepunlearn_cli.core.recipe import Recipe
from deepunlearn_cli.execution.recipes import Scene, check_exact, original, unlearned

if TYPE_CHECKING:
    from deepunlearn_cli.data import ForgetSet


def half_original(scene: Scene, params: Mapping[str, Any], half: int) -> Recipe:
    """An original of U-LiRA: trained on random half number `half` of the training part, with that seed."""
    return replace(original(scene, params, half), kind="shadow", data=scene.data | {"half": half})


def shadow(start: Recipe, method: str, forget: ForgetSet, params: Mapping[str, Any] | None = None) -> Recipe:
    """A method applied to an original of U-LiRA, of which only what the attack reads is kept."""
    return replace(unlearned(start, method, forget, params), kind="shadow")


def ulira(models: Mapping[str, Recipe], method: str, params: Mapping[str, Any] | None = None) -> Recipe:
    """U-LiRA on a method's models, by their names `SPLIT/FORGET`."""
    actor, one = ATTACKS.needed("ulira"), next(iter(models.values()))
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


def lockstep(
    scene: Scene,
    params: Mapping[str, Any],
    seed: int,
    forget: ForgetSet,
    before: Mapping[str, Any] | None = None,
) -> Recipe:
    """An original and its retrained model trained side by side, in the order of tracked training.

    Args:
        before: of an ordinary training on all pictures whose weights both start from; None for new weights.

    Raises:
        UsageFailure: the training is not plain SGD.
    """
    check_exact(scene, params)
    start = original(scene, params, seed, tracked=forget)
    return replace(
        start,
        kind="lockstep",
        name="unrolling",
        forget=forget.sha256,
        inputs={"start": original(scene, before, seed)} if before else {},
        labels=dict(start.labels) | {"forget": forget.spec},
    )
