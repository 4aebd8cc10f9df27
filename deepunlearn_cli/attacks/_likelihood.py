"""Likelihood ratios per sample, forgotten against never seen, by Gaussians of models that played no part.

Carlini et al. 2022 (arXiv 2112.03570), section VI. With few models per sample three things are added, all
standard: variances are moderated (`_variances`), means of the rare side lean on the average shift, and a
Gaussian knows that its mean is an estimate (the predictive distribution).

What is scored is left out of its fit, and with it one split in which the sample had the *other* part, its
twin. Otherwise a forgotten sample would be scored by one forgotten observation fewer than a sample never
seen, and an attack that knows nothing would be right more (or less) than half of the time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepunlearn_cli.attacks._variances import Prior, pooled, prior
from deepunlearn_cli.evaluation.features import Floats

MEAN_PRIOR = 1  # forgotten samples that the average shift counts for
LEAST_SPLITS = 4  # below it a sample is hardly ever both forgotten and never seen by the other splits
LEAST_NEVER = 2  # observations without which a sample's "never seen" side cannot be fitted

Where = NDArray[np.int64]
Statistic = NDArray[np.floating[Any]]
Ratio = Callable[[Where, Statistic], Floats]  # scores of values (m,) at samples (m,)


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

    @property
    def spread(self) -> Floats:
        """Sum of squares about the mean, per sample."""
        spread: Floats = np.maximum(self.squares - self.count * self.mean**2, 0)
        return spread

    @property
    def free(self) -> Floats:
        """Degrees of freedom of the variance, per sample."""
        free: Floats = np.maximum(self.count - 1, 0)
        return free

    @property
    def pooled(self) -> float:
        """The variance within samples, over all of them."""
        return pooled(self.spread, self.free)

    @property
    def prior(self) -> Prior:
        """What the samples' variances tell of each other's."""
        return prior(self.spread, self.free)

    def variance(self, common: Prior) -> Floats:
        """Variance per sample, moderated."""
        return common.moderated(self.spread, self.free)


FIELDS = ("count", "total", "squares")


def _summed(where: Where, values: Floats, samples: int) -> Floats:
    sums: Floats = np.bincount(where, values, samples).astype(np.float64)
    return sums


@dataclass(frozen=True)
class Side:
    """Observations of one part in one split: samples, what the models said, and how an attack scores it.

    Scores are larger for samples that look forgotten: of U-LiRA the log-likelihood ratio.
    """

    split: int
    where: Where
    z: Statistic
    ratio: Floats


@dataclass(frozen=True)
class Fit:
    """What the other splits say of every sample, for scoring observations of one part."""

    few: Moments  # forgotten
    many: Moments  # never seen
    twin: NDArray[np.bool_]  # whether there was a twin to leave out

    @property
    def known(self) -> NDArray[np.bool_]:
        """Samples (n,) that can be scored."""
        scored: NDArray[np.bool_] = self.twin & (self.few.count >= 1) & (self.many.count >= LEAST_NEVER)
        return scored


@dataclass(frozen=True)
class Fold:
    """One split's models, and what the others say: of both parts, without the twin of what is scored."""

    split: int
    own: Sequence[Shadow]
    others: tuple[Moments, Moments]  # forgotten, never seen: what samples have in common comes from here
    forgotten: Fit
    never: Fit

    def sides(self, ratio: Ratio, never_ratio: Ratio) -> tuple[Side, Side]:
        """All models' observations that can be scored: forgotten by `ratio`, never seen by `never_ratio`."""
        forgotten, never = _joined(self.own)
        return (
            _side(self.split, *forgotten, self.forgotten.known, ratio),
            _side(self.split, *never, self.never.known, never_ratio),
        )


def folds(shadows: Sequence[Shadow], samples: int) -> Iterator[Fold]:
    """Every split with what the other splits say."""
    splits = sorted({shadow.split for shadow in shadows})
    own = [[shadow for shadow in shadows if shadow.split == split] for split in splits]
    joined = [_joined(models) for models in own]
    few = Moments.stack([Moments.of(*forgotten, samples) for forgotten, _ in joined])
    many = Moments.stack([Moments.of(*never, samples) for _, never in joined])
    twins = _next(many.count > 0), _next(few.count > 0)
    totals = few.sum(), many.sum()
    for row, split in enumerate(splits):
        here = np.full(samples, row)
        others = totals[0] - few.at(here), totals[1] - many.at(here)
        forgotten = Fit(others[0], totals[1] - many.at(twins[0][row]), twins[0][row] >= 0)
        never = Fit(totals[0] - few.at(twins[1][row]), others[1], twins[1][row] >= 0)
        yield Fold(split, own[row], others, forgotten, never)


def scorable(forgotten: NDArray[np.integer[Any]], never: NDArray[np.integer[Any]]) -> NDArray[np.bool_]:
    """Samples (n,) that will be scored on both sides, by what is known before there is any model.

    Args:
        forgotten: of each split and sample (S, n) how many models are to forget it; `never`: never see it.
    """

    def without(counts: NDArray[np.integer[Any]], splits: Where) -> NDArray[np.integer[Any]]:
        left_out = np.take_along_axis(counts, np.maximum(splits, 0), axis=0)
        rest: NDArray[np.integer[Any]] = counts.sum(axis=0) - np.where(splits >= 0, left_out, 0)
        return rest

    here = np.broadcast_to(np.arange(len(never))[:, None], never.shape)
    twins = _next(never > 0), _next(forgotten > 0)
    sides = ((forgotten, here, twins[0], twins[0]), (never, twins[1], here, twins[1]))
    both = np.ones(never.shape[1], bool)
    for counts, few, many, twin in sides:
        known = (twin >= 0) & (without(forgotten, few) >= 1) & (without(never, many) >= LEAST_NEVER)
        both &= ((counts > 0) & known).any(axis=0)
    return both


def score(shadows: Sequence[Shadow], samples: int) -> Iterator[tuple[Side, Side]]:
    """Per split its forgotten and its never-seen observations, by U-LiRA's ratio from the other splits."""
    for fold in folds(shadows, samples):
        shared = _Shared(*fold.others)
        yield fold.sides(_Gaussians(fold.forgotten, shared), _Gaussians(fold.never, shared))


class _Shared:
    """What all samples have in common, from the other splits: variances, and the average shift."""

    def __init__(self, few: Moments, many: Moments) -> None:
        self.priors = few.prior, many.prior
        both = (few.count > 0) & (many.count > 0)
        shift = (few.total - few.count * many.mean)[both].sum()
        self.shift = float(shift / max(1.0, few.count[both].sum()))


class _Gaussians:
    """The fitted Gaussians of every sample, as a log-likelihood ratio: a parabola in the statistic."""

    def __init__(self, fit: Fit, shared: _Shared) -> None:
        few, many = fit.few, fit.many
        weights = few.count + MEAN_PRIOR, np.maximum(many.count, 1)
        means = (few.total + MEAN_PRIOR * (many.mean + shared.shift)) / weights[0], many.mean
        spreads = few.variance(shared.priors[0]), many.variance(shared.priors[1])
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


def _side(split: int, where: Where, z: Statistic, known: NDArray[np.bool_], ratio: Ratio) -> Side:
    scored = known[where]
    return Side(split, where[scored], z[scored], ratio(where[scored], z[scored]))


def _next(there: NDArray[np.bool_]) -> NDArray[np.int64]:
    """For each split and sample (S, n) the next split, round the circle, in which it is there; else -1."""
    splits, samples = there.shape
    following, ahead = np.full((splits, samples), -1), np.full(samples, -1)
    for step in range(2 * splits - 1, -1, -1):
        if step < splits:
            following[step] = ahead
        ahead = np.where(there[step % splits], step % splits, ahead)
    return following


def _joined(own: Sequence[Shadow]) -> tuple[tuple[Where, Statistic], tuple[Where, Statistic]]:
    """Forgotten and never-seen observations of models, one model after the other."""
    return (
        (np.concatenate([s.forgotten for s in own]), np.concatenate([s.forgotten_z for s in own])),
        (np.concatenate([s.never for s in own]), np.concatenate([s.never_z for s in own])),
    )
