"""The track of an original's training, as the methods that unroll it read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from deepunlearn_cli.execution.recipes import training_of
from deepunlearn_cli.methods._method import per_step
from deepunlearn_cli.methods.retrain import Retrain

if TYPE_CHECKING:
    from deepunlearn_cli.core.recipe import Recipe
    from deepunlearn_cli.engine.track import Track
    from deepunlearn_cli.execution.materials import Materials
    from deepunlearn_cli.store import Run


def track(recipe: Recipe, inputs: Mapping[str, Run], materials: Materials) -> Track:
    """The track of the original's training, or what an earlier checkpoint allows to say of it."""
    from copy import deepcopy

    from deepunlearn_cli.engine.track import Track

    start, earlier = recipe.inputs["original"], inputs.get("earlier")
    training = Retrain.build(training_of(start))
    first = deepcopy(materials.start(recipe, earlier)) if earlier else materials.fresh(start, "init")
    goal = training.objective(materials.dataset(recipe).num_classes)
    updates = None if earlier else inputs["original"].track()
    mixed = per_step(materials.training_size(recipe), training.batch_size) if earlier else None
    return Track(first.train(), training.rate, training.batch_size, goal, mixed, updates)
