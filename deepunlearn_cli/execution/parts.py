"""Which pictures are which part of a run, and what a model says of the parts that an attack asks about."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from deepunlearn_cli import data
from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.core.shared import Outputs

if TYPE_CHECKING:
    from deepunlearn_cli.core.recipe import Recipe
    from deepunlearn_cli.store import Run

Indices = dict[str, NDArray[np.int64]]
TRAINED = ("retain", "forget", "forgotten")  # parts of the training pictures: another request cuts them anew


def drawn(recipe: Recipe, dataset: data.Dataset, home: Path) -> Indices:
    """Dataset indices of each part; without a forget set, `retain` is the whole training split.

    Args:
        home: folder of the decoded datasets and forget sets.
    """
    split = data.split(dataset, recipe.data["val_share"], recipe.data["split_seed"])
    never = {}
    if "half" in recipe.data:
        split, never["never"] = data.halve(split, recipe.data["half"])
    parts = {"retain": split.train, "val": split.val, "test": split.test} | never
    if wanted := recipe.forget or recipe.data.get("tracked"):
        earlier = [data.load_forget(one, home) for one in recipe.forgotten]
        parts |= data.parts_of(split, data.load_forget(wanted, home), earlier)
    return parts


def outputs_for(attack: Recipe, run: Run, home: Path) -> Outputs:
    """What an attacked model says, part by part as the attack has them: of an earlier request, say.

    Raises:
        UsageFailure: the model was never asked about some of these pictures.
    """
    given = run.outputs()
    if not attack.forget or attack.forget == run.recipe.forget:
        return given
    parts = drawn(attack, data.load_dataset(attack.data["fingerprint"], home), home)
    return cut(given, {name: parts[name] for name in TRAINED if name in parts}, run.id)


def purged_from(run: Run, forget: data.ForgetSet, dataset: data.Dataset) -> int:
    """Of how many pictures of a forget set a model says nothing, for they were purged; 0 if others lack too.

    Nothing can be asked about such a set any more, but of a model that was made before.
    """
    said = [arrays["index"] for part, arrays in run.outputs().items() if part in TRAINED]
    silent = forget.indices[~np.isin(forget.indices, np.concatenate(said))] if said else forget.indices
    return len(silent) if np.isin(silent, dataset.purged).all() else 0


def cut(given: Outputs, parts: Mapping[str, NDArray[np.int64]], name: str) -> Outputs:
    """Outputs with their training pictures cut into these parts; the others stay as they are.

    Args:
        name: of the model, for people.
    """
    ours = [part for part in TRAINED if part in given]
    joined = {key: np.concatenate([given[part][key] for part in ours]) for key in given[ours[0]]}
    order = np.argsort(joined["index"], kind="stable")
    known = joined["index"][order]
    chosen = {}
    for part, wanted in parts.items():
        place = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
        if lacking := int((known[place] != wanted).sum()):
            raise UsageFailure(
                f"{name} says nothing of {lacking} pictures that another request forgot",
                "attack a model that was made from the same pictures",
            )
        chosen[part] = {key: values[order[place]] for key, values in joined.items()}
    return {part: arrays for part, arrays in given.items() if part not in TRAINED} | chosen
