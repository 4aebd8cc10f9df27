"""Pictures that were purged from the store: nothing is trained on the blanks that they left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deepunlearn_cli.core.errors import NotFound

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from deepunlearn_cli.core.recipe import Recipe
    from deepunlearn_cli.data import Dataset

KEPT = ("train", "unlearn", "checkpoint")  # of these runs a part may be missing from what the model says

WITHOUT = "`deepunlearn train --role retrain --forget SPEC`, with all of them in SPEC, trains without them"
OTHERS = (
    "name the others (--forget indices:FILE), or a method that reads retained pictures only (--method ft)"
)


def among(index: NDArray[np.int64], dataset: Dataset) -> NDArray[np.bool_]:
    """Which of these pictures (n,) of a dataset were purged."""
    import numpy as np

    return np.isin(index, dataset.purged)


def check(recipe: Recipe, dataset: Dataset, index: NDArray[np.int64], part: str) -> None:
    """Refuse to make a run that reads pictures which are no longer there.

    Args:
        part: of the data, for people.

    Raises:
        NotFound: it does, so it cannot be made (again).
    """
    if count := int(among(index, dataset).sum()):
        raise NotFound(
            f"{recipe.name} (run {recipe.key}) reads {count} {part} pictures of {dataset.name} that were "
            "purged from this store: it cannot be made any more",
            OTHERS if part == "forget" and recipe.kind == "unlearn" else WITHOUT,
        )


def shown(
    recipe: Recipe, dataset: Dataset, parts: dict[str, NDArray[np.int64]]
) -> dict[str, NDArray[np.int64]]:
    """The pictures (n,) of each part that a model is shown, less those that were purged.

    A part of which nothing is left is left out, for models that are kept; nothing else does without.

    Raises:
        NotFound: what is made lives on what a model says of purged pictures.
    """
    left = {}
    for name, index in parts.items():
        if recipe.kind not in KEPT:
            check(recipe, dataset, index, name)
        rest = index[~among(index, dataset)]
        if len(rest) or not len(index):
            left[name] = rest
    return left


def said(dataset: Dataset, parts: dict[str, NDArray[np.int64]]) -> list[str]:
    """What a person must know of a model that was shown less than its parts hold."""
    if not len(dataset.purged):
        return []
    counts = {name: int(among(index, dataset).sum()) for name, index in parts.items()}
    gone = [f"{count} of {len(parts[name])} {name} pictures" for name, count in counts.items() if count]
    return [f"{', '.join(gone)} were purged: nothing is said of them"] if gone else []
