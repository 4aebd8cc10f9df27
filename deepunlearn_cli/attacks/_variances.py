"""How much a sample's own variance is to be believed: empirical Bayes over samples (Smyth 2004, limma).

Variances of samples are taken for draws of a scaled inverse chi-square distribution, whose scale and degrees
of freedom follow from the spread of their logarithms: where samples vary alike, the common variance counts
for many values; where they differ, for few.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from deepunlearn_cli.evaluation.features import Floats

FLOOR = 1e-6  # least variance: keeps constants (all right, all wrong) apart from a division by zero
LEAST_FREE = 2.0  # values that the common variance counts for at least: no sample is sure by accident
MOST_FREE = 1e6  # and at most, where samples do not differ


@dataclass(frozen=True)
class Prior:
    """The common variance `scale`, which counts for `free` more values of every sample."""

    free: float
    scale: float

    def moderated(self, spread: Floats, free: Floats) -> Floats:
        """Variances (n,) from sums of squares `spread` (n,) about their means, on `free` values each."""
        variance: Floats = np.maximum((spread + self.free * self.scale) / (free + self.free), FLOOR)
        return variance


def pooled(spread: Floats, free: Floats) -> float:
    """The variance within samples, over all of them."""
    return float(spread.sum() / max(1.0, free.sum()))


def prior(spread: Floats, free: Floats) -> Prior:
    """The prior that variances (sums of squares over degrees of freedom) of many samples tell, by moments.

    Samples that do not vary are left out, as they have no logarithm; they lean on the others all the more.
    """
    from scipy.special import digamma, polygamma

    told = spread > FLOOR * np.maximum(free, 1)
    told &= free > 0
    if np.count_nonzero(told) < 2:
        return Prior(LEAST_FREE, pooled(spread, free))
    half = free[told] / 2
    logs = np.log(spread[told] / free[told]) - digamma(half) + np.log(half)
    extra = float(logs.var(ddof=1) - polygamma(1, half).mean())
    if extra <= polygamma(1, MOST_FREE / 2):
        return Prior(MOST_FREE, pooled(spread, free))
    own = 2 * trigamma_inverse(extra)
    scale = math.exp(float(logs.mean()) + float(digamma(own / 2)) - math.log(own / 2))
    return Prior(max(own, LEAST_FREE), scale)


def trigamma_inverse(value: float) -> float:
    """The x > 0 whose trigamma is `value` > 0, by Smyth's Newton iteration, which rises to it."""
    from scipy.special import polygamma

    x = 0.5 + 1 / value
    for _ in range(50):
        now = float(polygamma(1, x))
        step = now * (1 - now / value) / float(polygamma(2, x))
        x += step
        if -step < 1e-10 * x:
            break
    return x
