"""Whether two sides hold the same classes, and unseen samples weighted so that they do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

CHANCE = 0.01  # probability of two mixes as unlike as these, below which they are made alike
Labels = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Mix:
    """How to compare two sides.

    Attributes:
        kept: (n,) which forgotten samples have unseen ones of their class to be compared with.
        weights: (m,) of the unseen samples.
        matched: whether the mixes differed by more than chance, so that the weights make them alike.
    """

    kept: NDArray[np.bool_]
    weights: NDArray[np.float64]
    matched: bool


def match(forget: Labels, unseen: Labels) -> Mix:
    """Weights that give the unseen samples the class mix of the forgotten ones, where the two differ.

    They differ if Pearson's test of homogeneity says so at 1 %. A class that only the forgotten have cannot
    be matched: its samples are not kept.
    """
    alike = Mix(np.ones(len(forget), bool), np.ones(len(unseen)), matched=False)
    classes = np.unique(np.concatenate([forget, unseen]))
    if len(classes) < 2 or not len(forget) or not len(unseen):
        return alike
    counts = np.array([[(side == label).sum() for label in classes] for side in (forget, unseen)])
    if _by_chance(counts):
        return alike
    kept = np.isin(forget, classes[counts[1] > 0])
    ratios = np.divide(counts[0], counts[1], out=np.zeros(len(classes)), where=counts[1] > 0)
    return Mix(kept, ratios[classes.searchsorted(unseen)], matched=True)


def _by_chance(counts: NDArray[np.integer[Any]]) -> bool:
    from scipy.stats import chi2_contingency

    return bool(chi2_contingency(counts, correction=False).pvalue >= CHANCE)
