"""Likelihood ratios per sample, forgotten against never seen, by Gaussians of models that played no part.

Carlini et al. 2022 (arXiv 2112.03570), section VI. With few models per sample three things are added, all
standard: variances lean on the pooled one, means of the rare side on the average shift, and a Gaussian knows
that its mean is an estimate (the predictive distribution).

What is scored is left out of its fit, and with it one split in which the sample had the *other* part, its
twin. Otherwise a forgotten sample would be scored by one forgotten observation fewer than a sample never
seen, and an attack that knows nothing would be right more (or less) than half of the time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepunlearn_cli.evaluation.features import Floats

VARIANCE_PRIOR = 2  # samples that the pooled variance counts for
MEAN_PRIOR = 1  # forgotten samples that the average shift counts for
FLOOR = 1e-6  # least variance: keeps constants (all right, all wrong) apart from a division by zero
LEAST_SPLITS = 4  # below it a sample is hardly ever both forgotten and never seen by the other splits
LEAST_NEVER = 2  # observations without which a sample's "never seen" side cannot be fitted

Where = NDArray[np.int64]
Statistic = NDArray[np.float32]


@dataclass(frozen=True)
class Shadow:
    """One unlearned model: what it says of samples that were forgotten and of samples never seen."""

    split: int
    forgotten: Where  # positions of samples, 0 .. samples - 1
    never: Where
    forgotten_z: Statistic  # the statistic of each
    never_z: Statistic
    classes: int  # columns of its logits


@dataclass(frozen=True)
class Moments:
    """Number, sum and sum of squares of a statistic, per sample (n,), or per split and sample (S, n)."""

    count: Floats
    total: Floats
    squares: Floats

    @classmethod
    def of(cls, where: Where, z: Statistic, samples: int) -> Moments:
        """Moments of values `z` (m,) seen at samples `where` (m,)."""
        values = z.astype(np.float64)
        count = np.bincount(where, minlength=samples).astype(np.float64)
        return cls(count, _summed(where, values, samples), _summed(where, values**2, samples))

    @classmethod
    def stack(cls, rows: Sequence[Moments]) -> Moments:
        """Moments per split."""
        count, total, squares = (np.stack([getattr(r, n) for r in rows]) for n in FIELDS)
        return cls(count, total, squares)

    def sum(self) -> Moments:
        """Over all splits."""
        return Moments(self.count.sum(0), self.total.sum(0), self.squares.sum(0))

    def at(self, splits: Where) -> Moments:
        """Of one split per sample (n,); nothing where it is negative."""
        rows, there = np.arange(len(splits)), splits >= 0
        return Moments(*(np.where(there, getattr(self, n)[splits, rows], 0.0) for n in FIELDS))

    def __sub__(self, other: Moments) -> Moments:
        return Moments(self.count - other.count, self.total - other.total, self.squares - other.squares)

    @property
    def mean(self) -> Floats:
        """Mean per sample, 0 where nothing was seen."""
        mean: Floats = self.total / np.maximum(self.count, 1)
        return mean

    def variance(self, pooled: float) -> Floats:
        """Variance per sample, leaning on the pooled one as if that were `VARIANCE_PRIOR` more values."""
        spread = np.maximum(self.squares - self.count * self.mean**2, 0)
        free = np.maximum(self.count - 1, 0)
        variance: Floats = np.maximum((spread + VARIANCE_PRIOR * pooled) / (free + VARIANCE_PRIOR), FLOOR)
        return variance

    @property
    def pooled(self) -> float:
        """The variance within samples, over all of them."""
        spread = np.maximum(self.squares - self.count * self.mean**2, 0)
        return float(spread.sum() / max(1.0, np.maximum(self.count - 1, 0).sum()))


FIELDS = ("count", "total", "squares")


def _summed(where: Where, values: Floats, samples: int) -> Floats:
    sums: Floats = np.bincount(where, values, samples).astype(np.float64)
    return sums


@dataclass(frozen=True)
class Side:
    """Observations of one part in one split: samples, their log-likelihood ratios (positive: forgotten)."""

    split: int
    where: Where
    ratio: Floats


def score(shadows: Sequence[Shadow], samples: int) -> Iterator[tuple[Side, Side]]:
    """Per split its forgotten and its never-seen observations, scored by the other splits."""
    splits = sorted({shadow.split for shadow in shadows})
    seen = [_joined(shadows, split) for split in splits]
    few = Moments.stack([Moments.of(*forgotten, samples) for forgotten, _ in seen])
    many = Moments.stack([Moments.of(*never, samples) for _, never in seen])
    twins = _next(many.count > 0), _next(few.count > 0)
    totals = few.sum(), many.sum()
    for row, (split, (forgotten, never)) in enumerate(zip(splits, seen, strict=True)):
        here = np.full(samples, row)
        shared = _Shared(totals[0] - few.at(here), totals[1] - many.at(here))
        members = _Ratio(totals[0] - few.at(here), totals[1] - many.at(twins[0][row]), shared)
        others = _Ratio(totals[0] - few.at(twins[1][row]), totals[1] - many.at(here), shared)
        yield _side(split, *forgotten, members, twins[0][row]), _side(split, *never, others, twins[1][row])


class _Shared:
    """What all samples have in common, from the other splits: variances, and the average shift."""

    def __init__(self, few: Moments, many: Moments) -> None:
        self.pooled = few.pooled, many.pooled
        both = (few.count > 0) & (many.count > 0)
        shift = (few.total - few.count * many.mean)[both].sum()
        self.shift = float(shift / max(1.0, few.count[both].sum()))


class _Ratio:
    """The fitted Gaussians of every sample, as a log-likelihood ratio: a parabola in the statistic."""

    def __init__(self, few: Moments, many: Moments, shared: _Shared) -> None:
        self.known = (few.count >= 1) & (many.count >= LEAST_NEVER)
        weights = few.count + MEAN_PRIOR, np.maximum(many.count, 1)
        means = (few.total + MEAN_PRIOR * (many.mean + shared.shift)) / weights[0], many.mean
        spreads = few.variance(shared.pooled[0]), many.variance(shared.pooled[1])
        lent = (MEAN_PRIOR / weights[0]) ** 2 * spreads[1] / weights[1]  # the mean it leans on is an estimate
        variances = spreads[0] * (1 + 1 / weights[0]) + lent, spreads[1] * (1 + 1 / weights[1])
        ours, theirs = (_parabola(mean, v) for mean, v in zip(means, variances, strict=True))
        self.constant, self.slope, self.bend = (a - b for a, b in zip(ours, theirs, strict=True))

    def __call__(self, where: Where, z: Statistic) -> Floats:
        """The ratio log N(z; forgotten) - log N(z; never) of values `z` (m,) at samples `where` (m,)."""
        value = z.astype(np.float64)
        ratio: Floats = self.constant[where] + value * (self.slope[where] + value * self.bend[where])
        return ratio


def _parabola(mean: Floats, variance: Floats) -> tuple[Floats, Floats, Floats]:
    """Log N(z; mean, variance) = constant + slope z + bend z^2, less what all Gaussians share."""
    return -0.5 * (np.log(variance) + mean**2 / variance), mean / variance, -0.5 / variance


def _side(split: int, where: Where, z: Statistic, ratio: _Ratio, twin: Where) -> Side:
    scored = (ratio.known & (twin >= 0))[where]
    return Side(split, where[scored], ratio(where[scored], z[scored]))


def _next(there: NDArray[np.bool_]) -> NDArray[np.int64]:
    """For each split and sample (S, n) the next split, round the circle, in which it is there; else -1."""
    splits, samples = there.shape
    following, ahead = np.full((splits, samples), -1), np.full(samples, -1)
    for step in range(2 * splits - 1, -1, -1):
        if step < splits:
            following[step] = ahead
        ahead = np.where(there[step % splits], step % splits, ahead)
    return following


def _joined(shadows: Sequence[Shadow], split: int) -> tuple[tuple[Where, Statistic], tuple[Where, Statistic]]:
    own = [shadow for shadow in shadows if shadow.split == split]
    return (
        (np.concatenate([s.forgotten for s in own]), np.concatenate([s.forgotten_z for s in own])),
        (np.concatenate([s.never for s in own]), np.concatenate([s.never_z for s in own])),
    )
