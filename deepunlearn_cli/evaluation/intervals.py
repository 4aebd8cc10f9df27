"""How sure a figure is: intervals of shares, AUCs and differences, each by a named method.

Sources: Wilson 1927 (interval of a share); Clopper and Pearson 1934 (exact interval of a share); Hanley and
McNeil 1982 (variance of an AUC); Newcombe 2006, Statistics in Medicine 25:559 (interval of an AUC).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from deepunlearn_cli.core.shared import Part

    Floats = NDArray[np.floating[Any]]

CONFIDENCE = 0.95  # of every interval that the tool prints
ROUNDING = 1e-6  # of counts that may be weighted

Interval = tuple[float, float]


@dataclass(frozen=True)
class Estimate:
    """A number with its standard error; `df` are the degrees of freedom behind the error (inf: normal)."""

    value: float
    error: float
    df: float = math.inf

    def interval(self, confidence: float = CONFIDENCE) -> Interval:
        """Student's interval (the normal one for infinite `df`)."""
        half = self.error * quantile((1 + confidence) / 2, self.df)
        return self.value - half, self.value + half


def quantile(probability: float, df: float = math.inf) -> float:
    """Quantile of Student's distribution, normal for infinite `df`."""
    if math.isinf(df):
        return NormalDist().inv_cdf(probability)
    from scipy.special import stdtrit

    return float(stdtrit(df, probability))


def mean(values: Floats) -> Estimate:
    """Mean of independent values (n,) with its standard error; an infinite error for fewer than two."""
    n = len(values)
    if n < 2:
        return Estimate(float(values[0]) if n else math.nan, math.inf)
    return Estimate(float(values.mean()), float(values.std(ddof=1)) / math.sqrt(n), n - 1)


def wilson(successes: float, n: float, confidence: float = CONFIDENCE) -> Interval:
    """Wilson's score interval of a share; (0, 1) for n = 0."""
    if n == 0:
        return 0.0, 1.0
    z = quantile((1 + confidence) / 2)
    share, scale = successes / n, 1 + z * z / n
    centre = (share + z * z / (2 * n)) / scale
    half = z / scale * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def matched_gap(before: NDArray[np.bool_], after: NDArray[np.bool_]) -> tuple[float, float, float]:
    """Share of True after (n,) less before (n,) on the same samples, with the ends of its 95 % interval.

    Agresti and Min 2005, Statistics in Medicine 24:729: half a pair is added to each of the four kinds, so
    that no interval is of no width.
    """
    n, gained, lost = len(before), int((after & ~before).sum()), int((before & ~after).sum())
    total = n + 2
    won, gone = (gained + 0.5) / total, (lost + 0.5) / total
    half = quantile((1 + CONFIDENCE) / 2) * math.sqrt((won + gone - (won - gone) ** 2) / total)
    return (gained - lost) / max(1, n), won - gone - half, won - gone + half


def accuracy_gap(before: Part, after: Part) -> tuple[float, float, float] | None:
    """Accuracy after less before of two models on one part (`matched_gap`); None on other pictures.

    Args:
        before, after: `index` (n,), `logits` (n, classes) and `labels` (n,) of the part.
    """
    import numpy as np

    if not np.array_equal(before["index"], after["index"]):
        return None
    right = [side["logits"].argmax(axis=1) == side["labels"] for side in (before, after)]
    return matched_gap(right[0], right[1])


def clopper_pearson(successes: int, n: int, confidence: float = CONFIDENCE) -> Interval:
    """The exact (conservative) interval of a share; (0, 1) for n = 0."""
    from scipy.special import betaincinv

    tail = (1 - confidence) / 2
    low = betaincinv(successes, n - successes + 1, tail) if successes else 0.0
    high = betaincinv(successes + 1, n - successes, 1 - tail) if successes < n else 1.0
    return float(low), float(high)


def auc(member_scores: Floats, other_scores: Floats) -> float:
    """Probability that a member scores above another sample, ties counting half; NaN if a side is empty."""
    if len(member_scores) == 0 or len(other_scores) == 0:
        return math.nan
    return float(_placements(member_scores, other_scores).mean())


def auc_interval(area: float, members: int, others: int, confidence: float = CONFIDENCE) -> Interval:
    """Newcombe's (2006, method 5) score interval of an AUC from the sizes of both sides.

    The areas whose own normal interval, by Hanley and McNeil's variance, holds `area`: never of no width,
    also where the sides do not overlap. (0, 1) where a side is empty.
    """
    if not members or not others:
        return 0.0, 1.0
    z = quantile((1 + confidence) / 2)
    low = _root(lambda at: at + z * _auc_error(at, members, others) - area, 0.0, area)
    high = _root(lambda at: at - z * _auc_error(at, members, others) - area, area, 1.0)
    return low, high


def _auc_error(area: float, members: int, others: int) -> float:
    """Hanley and McNeil's standard error, both sides of their mean size in its two joint terms."""
    joint = (members + others) / 2 - 1
    grown = 1 + joint * (1 - area) / (2 - area) + joint * area / (1 + area)
    return math.sqrt(max(0.0, area * (1 - area) * grown / (members * others)))


def _root(rising: Callable[[float], float], low: float, high: float) -> float:
    """Where a function that is below 0 at `low` and not at `high` becomes 0, by bisection."""
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < 0 else (low, middle)
    return (low + high) / 2


def _placements(scores: Floats, others: Floats) -> NDArray[np.float64]:
    """For each score the share of `others` below it, ties counting half."""
    ordered = _sorted(others)
    below, not_above = ordered.searchsorted(scores, "left"), ordered.searchsorted(scores, "right")
    shares: NDArray[np.float64] = (below + not_above) / (2 * len(ordered))
    return shares


def _sorted(values: Floats) -> Floats:
    ordered = values.copy()
    ordered.sort()
    return ordered


def tpr_at(member_scores: Floats, other_scores: Floats, fpr: float) -> float | None:
    """Share of members above the threshold that at most `fpr` of the others exceed.

    None where it cannot be resolved: with fewer than 1 / fpr others not even one may be exceeded.
    """
    if len(other_scores) * fpr < 1 or not len(member_scores):
        return None
    exceeded = math.floor(len(other_scores) * fpr)
    return float((member_scores > _sorted(other_scores)[-1 - min(exceeded, len(other_scores) - 1)]).mean())


def tpr_interval(
    member_scores: Floats, other_scores: Floats, fpr: float, confidence: float = CONFIDENCE
) -> Interval | None:
    """A distribution-free interval of the TPR at a false positive rate; None as in `tpr_at`.

    The true threshold lies between two order statistics of the others (binomial); the exact interval of the
    members' share is taken at the worse of the two. Each part spends half of the error, so that the whole
    covers at least as often as it says.
    """
    n = len(other_scores)
    if n * fpr < 1 or not len(member_scores):
        return None
    ordered = _sorted(other_scores)
    above, reached = (n - ordered.searchsorted(member_scores, side) for side in ("right", "left"))
    return tail_ends(above, reached, n, fpr, confidence)


def tail_ends(
    above: NDArray[Any], reached: NDArray[Any], others: int, fpr: float, confidence: float = CONFIDENCE
) -> Interval:
    """The same from how many of the others lie above each member, and how many are not below it."""
    from scipy.stats import binom

    part = (1 + confidence) / 2
    fewest, most = (int(k) for k in binom.ppf([(1 - part) / 2, (1 + part) / 2], others, fpr))
    strict, loose = int((above < fewest - ROUNDING).sum()), int((reached <= most + ROUNDING).sum())
    low, high = (clopper_pearson(count, len(above), part) for count in (strict, loose))
    return low[0], high[1]
