"""Two sides compared within each class alone: which classes they are of then plays no part.

The stratified rank test (van Elteren 1960, with weights that count every pair once); its null is that the two
sides of a class are drawn from one pot, whatever their distribution.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepunlearn_cli.evaluation.intervals import Estimate

Floats = NDArray[np.float64]
Labels = NDArray[np.integer[Any]]

DIFFERENT = 0.1  # p-value below which two sides are compared within classes: it costs little where they agree


@dataclass(frozen=True)
class Matched:
    """How two sides differ within classes.

    Attributes:
        area: share of pairs of one class in which the first side's sample scores higher, ties half.
        p_value: two-sided, of sides drawn from one pot.
        sizes: samples of either side that have a partner.
    """

    area: Estimate
    p_value: float
    sizes: tuple[int, int]


@dataclass(frozen=True)
class _Class:
    """One class: for each sample the number of the other side's that it is above (ours) or below (theirs)."""

    wins: Floats
    losses: Floats
    variance: float  # of the wins' sum, where both sides are drawn from one pot


def compare(ours: Floats, theirs: Floats, our_labels: Labels, their_labels: Labels) -> Matched:
    """Scores of two sides (n,) and (m,), and their classes; NaN with a p-value of 1 where no class has both.

    The error is DeLong's (1988) within classes, never 0: to every side one squared difference is added, as
    large as one can be.
    """
    shared = np.intersect1d(our_labels, their_labels)
    classes = [_class(ours[our_labels == one], theirs[their_labels == one]) for one in shared]
    sizes = sum(len(one.wins) for one in classes), sum(len(one.losses) for one in classes)
    pairs = sum(len(one.wins) * len(one.losses) for one in classes)
    if not pairs:
        return Matched(Estimate(math.nan, math.inf), 1.0, sizes)
    excess = sum(float(one.wins.sum()) for one in classes) - pairs / 2
    variance = sum(_spread(one.wins) + _spread(one.losses) for one in classes) / pairs**2
    error = math.sqrt(variance + 1 / sizes[0] ** 2 + 1 / sizes[1] ** 2)
    area = Estimate(0.5 + excess / pairs, error, max(1, min(sizes) - 1))
    return Matched(area, two_sided(excess, sum(one.variance for one in classes)), sizes)


def differ(our_labels: Labels, their_labels: Labels) -> bool:
    """Whether the classes of two sides differ beyond chance (chi-squared test at 10 %)."""
    from scipy.stats import chi2_contingency

    classes = np.union1d(our_labels, their_labels)
    if len(classes) < 2:
        return False
    table = [[(side == one).sum() for one in classes] for side in (our_labels, their_labels)]
    return bool(chi2_contingency(table).pvalue < DIFFERENT)


def two_sided(sum_: float, variance: float) -> float:
    """The p-value of a sum that is normal about 0 with this variance; 1 where there is none."""
    return math.erfc(abs(sum_) / math.sqrt(2 * variance)) if variance > 0 else 1.0


def _class(ours: Floats, theirs: Floats) -> _Class:
    n, m = len(ours), len(theirs)
    total = n + m
    _, ties = np.unique(np.concatenate([ours, theirs]), return_counts=True)
    tied = float((ties.astype(np.float64) ** 3 - ties).sum()) / (total * (total - 1))
    variance = n * m * (total + 1 - tied) / 12
    return _Class(_above(ours, theirs), _below(theirs, ours), variance)


def _above(scores: Floats, others: Floats) -> Floats:
    """Of each score, how many others it is above; ties half."""
    ordered = np.sort(others)
    lower, upper = (np.searchsorted(ordered, scores, end) for end in ("left", "right"))
    counts: Floats = (lower + upper) / 2
    return counts


def _below(scores: Floats, others: Floats) -> Floats:
    """Of each score, how many others are above it; ties half."""
    counts: Floats = len(others) - _above(scores, others)
    return counts


def _spread(counts: Floats) -> float:
    """Variance of a sum of so many draws."""
    return len(counts) * float(counts.var(ddof=1)) if len(counts) > 1 else float((counts**2).sum())
