"""What a run holds, as plain arrays and figures: what two answers to one recipe are compared by."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.core.rows import Scores
from deepunlearn_cli.core.typed import Mistyped, check
from deepunlearn_cli.store.run import OUTPUTS, TRACK, WEIGHTS, plain

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from deepunlearn_cli.attacks import Attack, Findings
    from deepunlearn_cli.core.shared import Outputs
    from deepunlearn_cli.store import Run

    Arrays = Mapping[str, NDArray[Any]]

STATUS, SCORES = "status", "scores"
ACCURACIES = {"retain": "RA", "forget": "FA", "val": "VA", "test": "TA", "never": "NA", "forgotten": "OA"}
FILES = {"weights": WEIGHTS, "track": TRACK, "outputs": OUTPUTS}


@dataclass(frozen=True)
class Gone:
    """Pictures that were purged since a run was made: what it said of them cannot be made again.

    Attributes:
        index: int64, of all purged pictures of its dataset.
        count: how many of them it said something of.
        figures: names of the accuracies that they were counted in.
    """

    index: NDArray[np.int64]
    count: int
    figures: Collection[str]


def numbers_of(attack: Attack, findings: Findings) -> dict[str, Any]:
    """The scores of an attack, which may be a plug-in, as tables take them.

    Raises:
        UsageFailure: some are no numbers.
    """
    scores: dict[str, Any] = plain(findings.scores)
    try:
        check(scores, Scores, "scores")
    except Mistyped as error:
        raise UsageFailure(f"attack {attack.name()}: {error}", "an attack's scores are numbers") from None
    return scores


def parts_of(run: Run) -> list[str]:
    """What there is to compare of a run; of one whose figures alone came here, these."""
    files = run.files if run.whole else []
    return [STATUS, *(name for name, file in FILES.items() if file in files), SCORES]


def arrays_of(run: Run, part: str, gone: Gone | None = None) -> Arrays:
    """Weights, track or outputs as arrays by name (`PART.NAME` of outputs); none where it keeps none.

    Of outputs, less those of pictures that are `gone`.

    Raises:
        StoreCorrupt: they are not what was sealed.
    """
    if FILES[part] not in run.files:
        return {}
    if part == "outputs":
        given = run.outputs() if gone is None else _left(run.outputs(), gone)
        return {f"{split}.{name}": one for split, arrays in given.items() for name, one in arrays.items()}
    tensors = run.weights() if part == "weights" else run.track()
    return {name: (one.float() if one.is_floating_point() else one).numpy() for name, one in tensors.items()}


def _left(outputs: Outputs, gone: Gone) -> Outputs:
    """Outputs less those of purged pictures; a part of which nothing is left is none."""
    import numpy as np

    kept = {name: ~np.isin(arrays["index"], gone.index) for name, arrays in outputs.items()}
    return {
        name: {key: values[kept[name]] for key, values in arrays.items()}
        for name, arrays in outputs.items()
        if kept[name].any()
    }


def figures_of(run: Run, gone: Gone | None = None) -> Mapping[str, Any]:
    """A run's scores, less those that counted pictures which are `gone`."""
    left_out = gone.figures if gone else ()
    return {name: value for name, value in run.scores.items() if name not in left_out}


def pictures_of(run: Run) -> int | None:
    """How many pictures the smallest part of a run's outputs is of; None where it keeps none."""
    arrays = arrays_of(run, "outputs") if OUTPUTS in run.files else {}
    return min((len(one) for one in arrays.values() if one.ndim and len(one)), default=None)
