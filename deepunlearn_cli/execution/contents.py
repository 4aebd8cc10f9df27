"""What a run holds, as plain arrays and figures: what two answers to one recipe are compared by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from deepunlearn_cli.store.run import OUTPUTS, TRACK, WEIGHTS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from deepunlearn_cli.store import Run

    Arrays = Mapping[str, NDArray[Any]]

STATUS, SCORES = "status", "scores"
FILES = {"weights": WEIGHTS, "track": TRACK, "outputs": OUTPUTS}


def parts_of(run: Run) -> list[str]:
    """What there is to compare of a run; of one whose figures alone came here, these."""
    files = run.files if run.whole else []
    return [STATUS, *(name for name, file in FILES.items() if file in files), SCORES]


def arrays_of(run: Run, part: str) -> Arrays:
    """Weights, track or outputs as arrays by name (`PART.NAME` of outputs); none where it keeps none.

    Raises:
        StoreCorrupt: they are not what was sealed.
    """
    if FILES[part] not in run.files:
        return {}
    if part == "outputs":
        return {
            f"{split}.{name}": one for split, arrays in run.outputs().items() for name, one in arrays.items()
        }
    tensors = run.weights() if part == "weights" else run.track()
    return {name: (one.float() if one.is_floating_point() else one).numpy() for name, one in tensors.items()}


def pictures_of(run: Run) -> int | None:
    """How many pictures the smallest part of a run's outputs is of; None where it keeps none."""
    arrays = arrays_of(run, "outputs") if OUTPUTS in run.files else {}
    return min((len(one) for one in arrays.values() if one.ndim and len(one)), default=None)
