"""KLoM: how far margins of many unlearned models lie from those of many retrained ones, picture by picture.

The Kullback-Leibler divergence of histograms of a picture's margin log(p / (1 - p)), p the probability of the
true class (arXiv 2602.16400). Of a few models it is far above 0 even where nothing differs (0.65 nats for 64
models), so that it says nothing without its floor: the same figure of retrained models. Histograms are those
of the paper's code, but for the largest margin, which that code drops.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deepunlearn_cli.evaluation.intervals import Estimate

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Whole = NDArray[np.integer[Any]]

BINS = 20  # from the least to the largest margin of both sides
CLIP = 100.0  # margins beyond it count as it
LEAST_SHARE = 1e-5  # of a bin that the reference leaves empty
LEAST_MODELS = 10  # of a picture on either side; with fewer the floor hides everything
GROUPS = 16  # of splits, each left out once for the error


@dataclass(frozen=True)
class Margins:
    """Independent draws: what one model of a split says of a picture (all arrays (n,))."""

    picture: Whole
    split: Whole
    margin: NDArray[np.floating[Any]]

    def where(self, chosen: NDArray[np.bool_]) -> Margins:
        """Some of them."""
        return Margins(self.picture[chosen], self.split[chosen], self.margin[chosen])


@dataclass(frozen=True)
class Klom:
    """Mean over pictures in nats, its floor, and what lies between them, with errors over splits.

    Attributes:
        pictures: that have enough models on both sides.
        models: of the median picture, unlearned.
    """

    value: Estimate
    floor: Estimate
    excess: Estimate
    pictures: int
    models: float


def divergences(ours: Margins, reference: Margins, pictures: int) -> Floats:
    """KL of each picture's histograms (pictures,), numbered from 0; NaN where a side has no margin."""
    import numpy as np

    sides = [
        (side.picture, np.clip(side.margin.astype(np.float64), -CLIP, CLIP)) for side in (ours, reference)
    ]
    low, high = np.full(pictures, np.inf), np.full(pictures, -np.inf)
    for picture, margin in sides:
        np.minimum.at(low, picture, margin)
        np.maximum.at(high, picture, margin)
    p, q = (_shares(picture, margin, low, high) for picture, margin in sides)
    with np.errstate(divide="ignore", invalid="ignore"):
        filled = np.where(p > 0, np.maximum(q, LEAST_SHARE), q)
        terms = np.where(p > 0, p * np.log(p / filled * filled.sum(axis=1, keepdims=True)), 0.0)
    known = p.any(axis=1) & q.any(axis=1)
    return np.where(known, terms.sum(axis=1), np.nan)


def klom(ours: Margins, retrained: Margins, reference: Margins) -> Klom | None:
    """KLoM of unlearned models against `reference`, beside that of `retrained` models of the same design.

    Args:
        ours: unlearned models on pictures that they forgot.
        retrained: retrained models on the same pictures of the same splits.
        reference: retrained models of other splits on pictures that they never saw, another draw of what
            `retrained` says.

    Errors are those of a jackknife over groups of splits; a divergence of few models bends so much that they
    come out too wide rather than too narrow. None where no picture has `LEAST_MODELS` on both sides.
    """
    import numpy as np

    pictures = 1 + max(int(side.picture.max(initial=-1)) for side in (ours, reference))
    counts = [np.bincount(side.picture, minlength=pictures) for side in (ours, reference)]
    enough = np.minimum(*counts) >= LEAST_MODELS
    if not enough.any():
        return None
    ours, retrained, reference = (side.where(enough[side.picture]) for side in (ours, retrained, reference))

    sides = ours, retrained, reference
    whole = _figures(sides, pictures)
    splits = np.unique(reference.split)
    groups = np.array_split(splits, min(GROUPS, len(splits)))
    without = np.array([_figures([_outside(one, group) for one in sides], pictures) for group in groups])
    value, floor, excess = (_estimate(one, left) for one, left in zip(whole, without.T, strict=True))
    return Klom(value, floor, excess, int(enough.sum()), float(np.median(counts[0][enough])))


def _figures(sides: Sequence[Margins], pictures: int) -> tuple[float, float, float]:
    """The figure of unlearned models, that of retrained ones, and the first less the second."""
    import numpy as np

    ours, retrained, reference = sides
    value, floor = (float(np.nanmean(divergences(side, reference, pictures))) for side in (ours, retrained))
    return value, floor, value - floor


def _outside(one: Margins, group: Whole) -> Margins:
    import numpy as np

    return one.where(~np.isin(one.split, group))


def _shares(picture: Whole, margin: Floats, low: Floats, high: Floats) -> Floats:
    """Histogram (pictures, BINS) of each picture's margins, between the ends that both sides share."""
    import numpy as np

    width = high - low
    width[~(width > 0)] = 1.0
    at = ((margin - low[picture]) / width[picture] * BINS).astype(int).clip(0, BINS - 1)
    counts = np.bincount(picture * BINS + at, minlength=len(low) * BINS).reshape(-1, BINS)
    shares: Floats = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return shares


def _estimate(value: float, without: Floats) -> Estimate:
    """With the error of the delete-a-group jackknife."""
    groups = len(without)
    squares = float(((without - without.mean()) ** 2).sum())
    return Estimate(float(value), math.sqrt((groups - 1) / groups * squares), groups - 1)
