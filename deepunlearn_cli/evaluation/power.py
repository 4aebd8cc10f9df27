"""How many samples a verdict takes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from deepunlearn_cli.evaluation.equivalence import ALPHA, LEAST, POWER
from deepunlearn_cli.evaluation.intervals import quantile
from deepunlearn_cli.evaluation.sides import ADDED, FIGURES, Influences, Sides, influences

Floats = NDArray[np.float64]

DRAWS = 2000  # of gaps that equal models might show
MOST = 2**20  # times the samples at hand, beyond which the number is no plan
STEPS = 40  # of the search


def forget_needed(
    ours: Sides, theirs: Sides | None, tolerance: float, metrics: Sequence[str] = FIGURES
) -> int | None:
    """Forgotten samples for a PASS with 80 % probability where the model equals its control.

    The unseen side is taken to grow in proportion. The gaps of equal models are drawn from a normal
    distribution with the covariance of the samples at hand, always the same draws. None if none would do.
    """
    found = [influences(metric, ours, theirs, blind=True) for metric in metrics]
    limits = np.concatenate([np.full(len(one.forget), tolerance * one.share) for one in found])
    if not limits.min() > 0 or min(ours.sizes) < 2:
        return None
    covariance, floor = _covariance(found, ours), _floor(found, ours)
    drawn = _draws(covariance)

    def passes(times: float) -> bool:
        reach = quantile(1 - ALPHA, max(1.0, times * min(ours.sizes) - 1))
        errors = np.sqrt(covariance.diagonal() / times + floor / times**2)
        inside = (np.abs(drawn) / math.sqrt(times) + reach * errors < limits).all(axis=1)
        return bool(inside.mean() >= POWER)

    least = max(one.least for one in found)
    low, high = max(LEAST / min(ours.sizes), least / ours.sizes[1]), float(MOST)
    if not passes(high):
        return None
    for _ in range(STEPS):
        middle = math.sqrt(low * high)
        low, high = (low, middle) if passes(middle) else (middle, high)
    return math.ceil(high * len(ours.forget))


def _covariance(found: Sequence[Influences], sides: Sides) -> Floats:
    """Of all gaps (k, k), without what is added to variances."""
    total: Floats = np.zeros(())
    for side, (mass, size) in enumerate(zip(sides.masses, sides.sizes, strict=True)):
        influence = np.concatenate([(one.forget, one.unseen)[side] for one in found])
        weighted = (influence - (influence @ mass)[:, None]) * mass
        total = total + weighted @ weighted.T * size / (size - 1)
    return total


def _floor(found: Sequence[Influences], sides: Sides) -> Floats:
    """What is added to the variance of each gap (k,)."""
    return np.concatenate(
        [
            np.full(
                len(one.forget),
                sum(ADDED * (most / size) ** 2 for most, size in zip(one.most, sides.sizes, strict=True)),
            )
            for one in found
        ]
    )


def _draws(covariance: Floats) -> Floats:
    """(`DRAWS`, k) from the normal distribution with this covariance."""
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(values.clip(min=0))
    drawn: Floats = np.random.default_rng(0).normal(size=(DRAWS, len(values))) @ root.T
    return drawn
