"""MIA-efficacy: what share of the forgotten pictures an attack takes for pictures that were never seen.

Jia et al. 2023 (arXiv 2304.04934), also in SalUN (Fan et al. 2024, arXiv 2310.12508): the attack learns from
as many retain pictures (seen) as test pictures (unseen), and is asked about the forget set. Theirs is a
support vector machine (RBF, C = 3), whose time grows with the square of the pictures; ours is logistic
regression, within 0.1 of it on most samples. (The threshold of best accuracy is not: it is off by up to 0.4,
where a model is sure of all but a few.) Their code has modified entropy with log p in place of log(1 - p);
here it is Song and Mittal's (USENIX Security 2021).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deepunlearn_cli.evaluation import intervals

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from deepunlearn_cli.core.shared import Outputs

    Floats = NDArray[np.float64]

CONFIDENCE = "confidence"
FEATURES = (CONFIDENCE, "correctness", "entropy", "modified-entropy")  # what the attack looks at
GROUPS = 20  # of pictures, each left out once for the error
PARTS = ("retain", "test", "forget")

STEPS, CLOSE = 50, 1e-12  # of Newton's method: at most, and the share of the objective that ends it
HALVES = [0.5**n for n in range(20)]  # of a step that leads too far


def mia_efficacy(outputs: Outputs, feature: str = CONFIDENCE) -> float:
    """Share (0..1) of forget pictures that an attack on the model by a feature calls unseen.

    NaN where a part is empty, or where the attack has learned nothing: it calls all that it learned from
    seen, or all of it unseen. Read it beside the retrained model's: where seen and unseen look nearly alike
    there is little to learn, and any value may come out.
    """
    return _share(*_parts(outputs, feature))


@dataclass(frozen=True)
class LeftOut:
    """The figure, and what it is without each group of pictures, so that errors of differences can be told.

    Attributes:
        value: of all pictures.
        without: of all but one of `GROUPS` groups (every so manieth picture of each part), for each group.
        pictures: in the forget set.
    """

    value: float
    without: Sequence[float]
    pictures: int


def left_out(outputs: Outputs, feature: str = CONFIDENCE) -> LeftOut:
    """`mia_efficacy`, and without each group of retain, test and forget pictures in turn."""
    parts = _parts(outputs, feature)
    groups = min(GROUPS, *(len(part) for part in parts))
    without = [_share(*(_without(part, group, groups) for part in parts)) for group in range(groups)]
    return LeftOut(_share(*parts), without if groups > 1 else [], len(parts[2]))


def interval(one: LeftOut) -> intervals.Interval | None:
    """The 95 % interval of an efficacy: over the pictures it learned from and those it was asked about.

    By the delete-a-group jackknife (Kott 2001), and never narrower than Wilson's interval of the share of
    forget pictures, so that 0 and 1 are not certain. None where that is unknown.
    """
    own = _jackknifed(one.value, one.without)
    if own is None or math.isnan(one.value):
        return None
    low, high = own.interval()
    least = intervals.wilson(one.value * one.pictures, one.pictures)
    return max(0.0, min(low, least[0])), min(1.0, max(high, least[1]))


def _jackknifed(value: float, without: Sequence[float]) -> intervals.Estimate | None:
    groups = len(without)
    if groups < 2 or not all(map(math.isfinite, without)):
        return None
    mean = math.fsum(without) / groups
    squares = math.fsum((one - mean) ** 2 for one in without)
    return intervals.Estimate(value, math.sqrt((groups - 1) / groups * squares), groups - 1)


def _parts(outputs: Outputs, feature: str) -> tuple[Floats, Floats, Floats]:
    """The feature on retain, test and forget pictures; where it is no number, as of who looks least seen."""
    import numpy as np

    retain, test, forget = (_feature(outputs, name, feature) for name in PARTS)
    every = np.concatenate([retain, test, forget])
    known = every[np.isfinite(every)]
    least = float(known.min()) if len(known) else 0.0
    filled = [np.where(np.isfinite(part), part, least) for part in (retain, test, forget)]
    return filled[0], filled[1], filled[2]


def _feature(outputs: Outputs, part: str, feature: str) -> Floats:
    import numpy as np

    from deepunlearn_cli.evaluation import features

    logits, labels = outputs[part]["logits"], outputs[part]["labels"]
    with np.errstate(invalid="ignore"):
        values = getattr(features, feature.replace("-", "_"))(logits, labels)
    return np.where(np.isfinite(logits).all(axis=1), values, np.nan)


def _share(retain: Floats, test: Floats, forget: Floats) -> float:
    """Share of `forget` that a logistic regression of as many `retain` as `test` calls unseen."""
    import numpy as np

    count = min(len(retain), len(test))
    if not count or not len(forget):
        return math.nan
    sides = [part[np.linspace(0, len(part) - 1, count).astype(int)] for part in (retain, test)]
    learned = np.concatenate(sides)
    slope, intercept = _regression(learned, np.repeat([1.0, 0.0], count))
    called = slope * learned + intercept > 0
    if called.all() or not called.any():
        return math.nan
    return float((slope * forget + intercept <= 0).mean())


def _regression(x: Floats, seen: Floats) -> tuple[float, float]:
    """Slope and intercept of the logistic regression of `seen` (n,) on `x` (n,), penalised by slope^2 / 2.

    That is scikit-learn's default (C = 1); without it the papers' machine is further off. By Newton's method
    with halved steps, since a figure with its error takes it twenty times.
    """
    import numpy as np

    design, point = np.stack([x - x.mean(), np.ones(len(x))]), np.zeros(2)
    penalty, signs = np.diag([1.0, 0.0]), 2 * seen - 1

    def objective(at: Floats) -> float:
        return float(np.logaddexp(0, -signs * (at @ design)).sum() + at @ penalty @ at / 2)

    now = objective(point)
    for _ in range(STEPS):
        p = 1 / (1 + np.exp(-np.clip(point @ design, -500, 500)))
        bend = (design * np.maximum(p * (1 - p), 1e-12)) @ design.T + penalty
        step = np.linalg.solve(bend, design @ (p - seen) + penalty @ point)
        share = next((h for h in HALVES if objective(point - h * step) < now), 0.0)
        point, before = point - share * step, now
        now = objective(point)
        if before - now <= CLOSE * before:
            break
    return float(point[0]), float(point[1] - point[0] * x.mean())


def _without(part: Floats, group: int, groups: int) -> Floats:
    import numpy as np

    kept: Floats = part[np.arange(len(part)) % groups != group]
    return kept
