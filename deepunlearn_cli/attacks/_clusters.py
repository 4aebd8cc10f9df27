"""Standard errors of means over models and samples at once: neither the one nor the other are independent.

A sample's observations in different splits are scored by each other, and a split's samples by the same
models. Two-way clustering (Cameron, Gelbach and Miller 2011): the variance by samples, plus that by splits,
less that by both.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepunlearn_cli.attacks._likelihood import Side
from deepunlearn_cli.intervals import Estimate

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Layout:
    """Every scored (split, sample, part) cell: how many observations it has, and where each one belongs."""

    split: NDArray[np.int64]
    sample: NDArray[np.int64]
    part: NDArray[np.int64]  # 0 forgotten, 1 never
    of: NDArray[np.int64]  # the cell of each observation
    count: Floats  # observations of each cell

    @classmethod
    def over(cls, sides: Sequence[tuple[Side, Side]], samples: int) -> Layout:
        """The cells of all observations: every split's forgotten ones, then every split's never seen."""
        splits = [pair[0].split for pair in sides]
        keys = np.concatenate(
            [
                (part * len(splits) + row) * samples + pair[part].where
                for part in (0, 1)
                for row, pair in enumerate(sides)
            ]
        )
        found, of = np.unique(keys, return_inverse=True)
        part, rest = np.divmod(found, len(splits) * samples)
        row, sample = np.divmod(rest, samples)
        count = np.bincount(of, minlength=len(found)).astype(np.float64)
        return cls(np.array(splits)[row], sample, part, of, count)

    def means(self, values: Floats) -> Floats:
        """Mean of each cell's observations."""
        found: Floats = np.bincount(self.of, values, len(self.count)) / self.count
        return found


def estimate(
    value: float, influence: Floats, split: NDArray[np.int64], sample: NDArray[np.int64]
) -> Estimate:
    """`value` with its two-way clustered standard error from the influence of each cell.

    Influences sum to zero; one value's squared sum over a cluster is that cluster's part in the variance.
    """
    rows = {name: np.unique(labels, return_inverse=True) for name, labels in (("a", split), ("b", sample))}
    by = [_squares(influence, of, len(names)) for names, of in rows.values()]
    both = _squares(influence, rows["a"][1] * len(rows["b"][0]) + rows["b"][1], None)
    variance = sum(by) - both
    return Estimate(value, math.sqrt(max(variance, *by)), len(rows["a"][0]) - 1)


def _squares(influence: Floats, of: NDArray[np.int64], clusters: int | None) -> float:
    """Sum of squared sums over clusters, with the small-sample factor G / (G - 1)."""
    if clusters is None:
        names, of = np.unique(of, return_inverse=True)
        clusters = len(names)
    sums = np.bincount(of, influence, clusters)
    return float((sums**2).sum()) * clusters / max(1, clusters - 1)
