"""How well a threshold on one number tells forgotten samples from unseen ones, and two models apart by that.

A figure is a share of guesses, and a guess a number between 0 and 1 per sample: 1 above a threshold, 0 below,
a share where a tie has to be broken to call exactly as many as asked. So ties, saturation and constants need
no rule of their own, and a figure depends on the order of the scores alone. Two models are compared by their
guesses on the same samples: what is hard about a sample itself cancels.

Sources: DeLong, DeLong and Clarke-Pearson 1988 (AUC); Agresti and Min 2005 (the two samples that differ, one
either way, which are added to every side, so that no variance is 0).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from deepunlearn_cli.evaluation import intervals
from deepunlearn_cli.evaluation.equivalence import Gap

Floats = NDArray[np.float64]
Standing = tuple[Floats, Floats]  # per sample: the mass of others above it, and of those tied with it

LEVELS = np.arange(1, 200) / 200  # shares of both sides that are called members: the thresholds of `accuracy`
STRIDE = 10  # every so manieth of them is tested for FAIL
RATE = 0.01  # false positives of the tails
TAIL = 0.5  # of the tolerance, which bounds shares of both sides: a tail is a share of the forgotten alone
ACCURACY, AUC, ABOVE, BELOW = FIGURES = ("accuracy", "auc", "tpr_1", "tpr_1_below")
FLAT = 1.0  # the slope of an ROC curve where nothing is to see; none is taken to be flatter
PLANNED = 1.15  # what such a slope is found to be, on average, of some hundreds of samples
ROUNDING = 1e-9  # of sums of masses
ADDED = 1.0  # squared differences added to those of each side


@dataclass(frozen=True)
class Sides:
    """Scores of both sides, larger for members: `forget` (n,), `unseen` (m,) with `weights` (m,) of sum 1."""

    forget: Floats
    unseen: Floats
    weights: Floats

    @classmethod
    def of(cls, forget: Floats, unseen: Floats, weights: Floats | None = None) -> Sides:
        """With equal weights, unless given; weights are brought to a sum of 1."""
        given = np.ones(len(unseen)) if weights is None else weights
        return cls(forget, unseen, given / given.sum())

    @property
    def blind(self) -> Sides:
        """The same samples to whom they all look alike."""
        return Sides(np.zeros(len(self.forget)), np.zeros(len(self.unseen)), self.weights)

    @cached_property
    def masses(self) -> tuple[Floats, Floats]:
        """Of the samples of either side, 1 in all."""
        return np.full(len(self.forget), 1 / max(1, len(self.forget))), self.weights

    @property
    def sizes(self) -> tuple[float, float]:
        """Samples of either side, weighted ones as many equal ones as vary as much (Kish 1965)."""
        return float(len(self.forget)), float(1 / (self.weights**2).sum()) if len(self.weights) else 0.0

    @cached_property
    def scores(self) -> Floats:
        """Of the forgotten, then of the unseen (n + m,)."""
        return np.concatenate([self.forget, self.unseen])

    @cached_property
    def among_all(self) -> Standing:
        """Of all samples among both sides, each of which counts half."""
        return standing(self.scores, self.scores, np.concatenate(self.masses) / 2)

    @cached_property
    def from_above(self) -> Standing:
        """Of all samples among the unseen."""
        return standing(self.scores, self.unseen, self.weights)

    @cached_property
    def from_below(self) -> Standing:
        """The same, from the smallest score up."""
        return standing(-self.scores, -self.unseen, self.weights)

    @cached_property
    def placements(self) -> tuple[Floats, Floats]:
        """Share of the unseen below each forgotten sample, and of the forgotten above each unseen one."""
        above, tied = (part[: len(self.forget)] for part in self.from_above)
        over, with_it = standing(self.unseen, self.forget, self.masses[0])
        return 1 - above - tied / 2, over + with_it / 2


def standing(scores: Floats, others: Floats, weights: Floats) -> Standing:
    """The mass of others strictly above each score, and of those equal to it."""
    order = np.argsort(others, kind="stable")
    ordered, mass = others[order], np.concatenate([[0.0], np.cumsum(weights[order])])
    left, right = ordered.searchsorted(scores, "left"), ordered.searchsorted(scores, "right")
    return mass[-1] - mass[right], mass[right] - mass[left]


def guesses(place: Standing, share: float | Floats) -> Floats:
    """Each sample's guess where a `share` of the mass that it was placed among is to be called members."""
    above, tied = place
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        called: Floats = np.clip((share + ROUNDING - above) / tied, 0, 1)
    return called


@dataclass(frozen=True)
class Influences:
    """What each sample adds to a figure's gap at k thresholds: the gap is the sum of both sides' means.

    Attributes:
        forget, unseen: (k, n) and (k, m).
        figures: of the model, and of its control.
        most: the largest influence that a sample of either side could have.
        share, stride: as in `Gap`.
        least: unseen samples below which it cannot be resolved.
    """

    forget: Floats
    unseen: Floats
    figures: tuple[float, float]
    most: tuple[float, float]
    share: float = 1.0
    stride: int = 1
    least: float = 0

    def __iter__(self) -> Iterator[tuple[Floats, float]]:
        """Both sides, each with its largest possible influence."""
        return iter(((self.forget, self.most[0]), (self.unseen, self.most[1])))


def gaps(ours: Sides, theirs: Sides | None, metrics: Sequence[str] = FIGURES) -> list[Gap]:
    """Figures of a model less those of its control on the same samples, or less guessing without one.

    - `accuracy`: balanced, at every threshold, both models calling as many samples members. Within a limit at
      all of them, so is the accuracy at the best threshold on either side.
    - `auc`: of the whole order.
    - `tpr_1`, `tpr_1_below`: share of the forgotten above (below) all but 1 % of the unseen; of fewer than
      100 nothing is known.
    """
    return [_gap(metric, influences(metric, ours, theirs), ours) for metric in metrics]


def influences(metric: str, ours: Sides, theirs: Sides | None, *, blind: bool = False) -> Influences:
    """What each sample adds to a figure's gap; `blind`: both taken to tell nothing, as a control does."""
    return INFLUENCES[metric](metric, ours, theirs or ours.blind, blind)


def _gap(metric: str, found: Influences, sides: Sides) -> Gap:
    values, variances = np.zeros(len(found.forget)), np.zeros(len(found.forget))
    for (influence, most), mass, size in zip(found, sides.masses, map(_some, sides.sizes), strict=True):
        mean = influence @ mass
        spread = ((influence - mean[:, None]) ** 2) @ mass**2
        variances += spread * size / max(1.0, size - 1) + ADDED * (most / size) ** 2
        values += mean
    if sides.sizes[1] < found.least - ROUNDING:
        variances += math.inf
    df = max(1.0, min(sides.sizes) - 1)
    return Gap(metric, values, np.sqrt(variances), df, *found.figures, found.share, found.stride)


def _some(size: float) -> float:
    return max(1.0, size)


def _accuracies(metric: str, ours: Sides, theirs: Sides, blind: bool) -> Influences:
    called = [guesses(one.among_all, LEVELS[:, None]) for one in (ours, theirs)]
    between, n = called[0] - called[1], len(ours.forget)
    best = _best(called[0], ours), _best(called[1], theirs)
    return Influences(between[:, :n] / 2, -between[:, n:] / 2, best, most=(0.5, 0.5), stride=STRIDE)


def _best(called: Floats, sides: Sides) -> float:
    """Balanced accuracy at the best threshold, on whichever side of it the members are."""
    n, (mass, weights) = len(sides.forget), sides.masses
    return 0.5 + float(abs(called[:, :n] @ mass - called[:, n:] @ weights).max()) / 2


def _areas(metric: str, ours: Sides, theirs: Sides, blind: bool) -> Influences:
    (members, others), (members2, others2) = ours.placements, theirs.placements
    areas = float(members @ ours.masses[0]), float(members2 @ ours.masses[0])
    unseen = others - others2 - (areas[0] - areas[1])  # its mean is the gap once more
    return Influences((members - members2)[None], unseen[None], areas, most=(1.0, 1.0))


def _tails(metric: str, ours: Sides, theirs: Sides, blind: bool) -> Influences:
    n, (mass, weights) = len(ours.forget), ours.masses
    called, called2 = (guesses(_tail(metric, one), RATE) for one in (ours, theirs))
    slope, slope2 = (PLANNED if blind else _slope(metric, one) for one in (ours, theirs))
    rates = float(called[:n] @ mass), float(called2[:n] @ mass)
    unseen = slope2 * called2[n:] - slope * called[n:]
    return Influences(
        (called[:n] - called2[:n])[None],
        (unseen - unseen @ weights)[None],
        rates,
        most=(1.0, max(slope, slope2)),
        share=TAIL,
        least=1 / RATE,
    )


def area(sides: Sides) -> float:
    """Probability that a forgotten sample scores above an unseen one, ties half; NaN of an empty side."""
    if not len(sides.forget) or not len(sides.unseen):
        return math.nan
    return float(sides.placements[0] @ sides.masses[0])


def tail_interval(sides: Sides, rate: float) -> tuple[float, float, float] | None:
    """Share of the forgotten above all but a share `rate` of the unseen, with a distribution-free interval.

    As `intervals.tpr_interval`, for weighted samples too; None with fewer than 1 / `rate` unseen ones.
    """
    n, m = (int(size) for size in sides.sizes)
    if m * rate < 1 or not n:
        return None
    above, tied = (part[: len(sides.forget)] for part in sides.from_above)
    value = float(guesses((above, tied), rate).mean())
    return value, *intervals.tail_ends(above * m, (above + tied) * m, m, rate)


def _tail(metric: str, one: Sides) -> Standing:
    return one.from_above if metric == ABOVE else one.from_below


def _slope(metric: str, one: Sides) -> float:
    """Of the ROC curve about the tail's false positive rate: what an error of the threshold costs."""
    n, place = len(one.forget), _tail(metric, one)
    high, low = (float(guesses(place, rate)[:n] @ one.masses[0]) for rate in (2 * RATE, RATE / 2))
    return max(FLAT, (high - low) / (1.5 * RATE))


INFLUENCES: dict[str, Callable[[str, Sides, Sides, bool], Influences]] = {
    ACCURACY: _accuracies,
    AUC: _areas,
    ABOVE: _tails,
    BELOW: _tails,
}
