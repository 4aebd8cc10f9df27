"""Forecasts with intervals that make no assumption about errors but that new cases are like the old ones.

Source: Barber, Candes, Ramdas and Tibshirani 2021, Predictive inference with the jackknife+ (arXiv
1905.02928), CV+: a prediction from each fold's complement, plus and minus what it was off by within that
fold. Folds are groups of cases that resemble each other (runs on one forget set); groups are what counts.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

LEVEL = 0.9
FEWEST = 3  # groups, below which nothing is said
WIDTH = 0.5  # of the kernel, in units of the features
PRIOR = 1.0  # weight of the mean of all: that of one case


@dataclass(frozen=True)
class Forecast:
    """A figure to come: its middle, its interval, and how often such intervals are to hold theirs."""

    middle: float
    low: float
    high: float
    level: float

    def through(self, scale: Callable[[float], float]) -> Forecast:
        """The same on another scale, that keeps the order."""
        return Forecast(scale(self.middle), scale(self.low), scale(self.high), self.level)


def forecast(features: Floats, values: Floats, groups: NDArray[Any], at: Floats) -> Forecast | None:
    """A value (n,) to come, of a case with features `at` (d,), by those of cases with `features` (n, d).

    Features are in units in which 1 is as far as two cases may be alike. None for fewer than `FEWEST`
    groups. With g groups the level is 90 %, or g/(g+1) where that is less.
    """
    import numpy as np

    names = np.unique(groups)
    if len(names) < FEWEST:
        return None
    predicted, errors = np.empty(len(values)), np.empty(len(values))
    for name in names:
        out = groups == name
        fitted = _fitted(features[~out], values[~out])
        predicted[out], errors[out] = fitted(at), np.abs(values[out] - fitted(features[out]))
    level, rank = _rank(len(names), len(values))
    low = np.sort(predicted - errors)[len(values) - rank]
    high = np.sort(predicted + errors)[rank - 1]
    middle = float(np.clip(_fitted(features, values)(at), low, high))
    return Forecast(middle, float(low), float(high), level)


def _rank(groups: int, cases: int) -> tuple[float, int]:
    """The level that so many groups allow, and which of the ordered cases (from 1) ends the interval."""
    level = min(LEVEL, groups / (groups + 1))
    share = min(1.0, level * (groups + 1) / groups)
    return level, min(cases, math.ceil(share * cases - 1e-9))


def _fitted(features: Floats, values: Floats) -> Any:
    """Means by a Gaussian kernel, drawn to the mean of all: from features (..., d) to values (...).

    Between cases it says what its neighbours were; it never leaves what was seen.
    """
    import numpy as np

    middle = values.mean()

    def mean(at: Floats) -> Any:
        far = ((np.asarray(at)[..., None, :] - features) / WIDTH) ** 2
        weights = np.exp(-far.sum(axis=-1) / 2)
        return (weights @ values + PRIOR * middle) / (weights.sum(axis=-1) + PRIOR)

    return mean
