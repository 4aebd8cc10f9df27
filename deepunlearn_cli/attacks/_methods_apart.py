"""How two methods differ under U-LiRA, from the cells of their analyses."""

from __future__ import annotations

import numpy as np

from deepunlearn_cli.attacks._clusters import estimate
from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.core.shared import Outputs, Part
from deepunlearn_cli.evaluation.intervals import Estimate
from deepunlearn_cli.evaluation.klom import Klom, Margins, klom


def difference(metric: str, ours: Part, theirs: Part, gap: float) -> Estimate:
    """`gap`, a figure of one method less another's, with the error of that difference.

    Args:
        ours, theirs: both methods' `cells`, of the same design.

    Raises:
        UsageFailure: they are of other models.
    """
    _check_alike(ours, theirs)
    cells = ours[metric].astype(np.float64) - theirs[metric].astype(np.float64)
    return estimate(gap, cells, ours["split"], ours["sample"])


def divergence(ours: Outputs, retrained: Outputs) -> Klom | None:
    """KLoM of a method's `cells` and those of the retrained models.

    Raises:
        UsageFailure: they are of other models.
    """
    mine, theirs = ours["cells"], retrained["cells"]
    _check_alike(mine, theirs)
    forgotten = mine["forgotten"].astype(bool)
    unlearned, reference = (Margins(one["sample"], one["split"], one["statistic"]) for one in (mine, theirs))
    return klom(unlearned.where(forgotten), reference.where(forgotten), reference.where(~forgotten))


def _check_alike(ours: Part, theirs: Part) -> None:
    if not all(np.array_equal(ours[name], theirs[name]) for name in ("split", "sample")):
        raise UsageFailure("U-LiRA: the methods were attacked by different designs", "attack them together")
