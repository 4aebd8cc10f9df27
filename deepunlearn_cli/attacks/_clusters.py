"""Standard errors of means over models and samples at once: neither the one nor the other are independent.

A sample's observations in different splits are scored by each other, and a split's samples by the same
models. Two-way clustering (Cameron, Gelbach and Miller 2011): the variance by samples, plus that by splits,
less that by both.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepunlearn_cli.attacks._likelihood import Side
from deepunlearn_cli.evaluation.features import Floats
from deepunlearn_cli.evaluation.intervals import Estimate


@dataclass(frozen=True)
class Layout:
    """Where observations belong: a cell for every part (0 forgotten, 1 never), split and sample.

    Arrays over cells are flat, (2 * splits * samples,); most cells may be empty. `of` is the cell of each
    observation: every split's forgotten ones first, then every split's never seen.
    """

    splits: NDArray[np.int64]  # their numbers
    samples: int
    of: NDArray[np.int64]
    members: int  # observations of part 0
    count: Floats  # observations of each cell

    @classmethod
    def over(cls, sides: Sequence[tuple[Side, Side]], samples: int) -> Layout:
        """The cells of all observations."""
        rows = len(sides)
        of = [
            (part * rows + row) * samples + sides[row][part].where for part in (0, 1) for row in range(rows)
        ]
        joined = np.concatenate(of)
        count = np.bincount(joined, minlength=2 * rows * samples).astype(np.float64)
        numbers = np.array([pair[0].split for pair in sides])
        return cls(numbers, samples, joined, sum(map(len, of[:rows])), count)

    def means(self, values: Floats) -> Floats:
        """Mean of each cell's observations, 0 of none."""
        means: Floats = np.bincount(self.of, values, len(self.count)) / np.maximum(self.count, 1)
        return means

    def grid(self, cells: NDArray[Any]) -> NDArray[Any]:
        """An array over cells as (2, splits, samples)."""
        return cells.reshape(2, len(self.splits), self.samples)

    def filled(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Cells with observations: their positions, numbers of splits, and samples."""
        where = np.flatnonzero(self.count)
        row, sample = np.divmod(where % (len(self.splits) * self.samples), self.samples)
        return where, self.splits[row], sample


def estimate(
    value: float, influence: Floats, split: NDArray[np.integer[Any]], sample: NDArray[np.integer[Any]]
) -> Estimate:
    """`value` with its two-way clustered standard error from the influences (n,) of (split, sample) cells.

    Influences sum to zero; a squared sum over a cluster is that cluster's part in the variance. A sample
    plays one part only in a split, so that a cell is the intersection of its two clusters.
    """
    clusters = [np.bincount(labels, influence).astype(np.float64) for labels in (split, sample)]
    present = [int(np.count_nonzero(np.bincount(labels))) for labels in (split, sample)]
    by = [_spread(sums, count) for sums, count in zip(clusters, present, strict=True)]
    variance = sum(by) - _spread(influence, len(influence))
    return Estimate(value, math.sqrt(max(variance, *by)), present[0] - 1)


def _spread(sums: Floats, clusters: int) -> float:
    """Sum of squares over clusters, with the small-sample factor G / (G - 1)."""
    return float((sums**2).sum()) * clusters / max(1, clusters - 1)
