"""Training, validation and test parts, index for index those of the Deep Unlearn benchmark.

The benchmark (arXiv 2410.01276, `munl/datasets/splits.py`) uses scikit-learn's `train_test_split`, whose
shuffling is one permutation of NumPy's legacy generator: the first `ceil(share * n)` are set apart, the
others kept, both in that order. It is written out here, so that it needs no scikit-learn and cannot change
with it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.core.specs import SPLIT_SEED, VAL_SHARE
from deepunlearn_cli.data._dataset import Dataset, Indices

SEED_LIMIT = 2**32  # of NumPy's legacy generator


@dataclass(frozen=True, eq=False)
class Split:
    """Indices (int64) of the three parts, in the benchmark's order, and the seed that drew them."""

    train: Indices
    val: Indices
    test: Indices
    seed: int = SPLIT_SEED


def split(dataset: Dataset | tuple[int, int], val_share: float = VAL_SHARE, seed: int = SPLIT_SEED) -> Split:
    """Draw `val_share` of the official training part for validation; 0 for none.

    Args:
        dataset: a dataset, or just its (train_size, total).
        val_share: from 0 up to, but not, 1.
        seed: of the draw.

    Raises:
        UsageFailure: a share or seed out of range, or nothing left to train on.
    """
    train_size, total = dataset if isinstance(dataset, tuple) else (dataset.train_size, len(dataset))
    if not 0 <= val_share < 1:
        raise UsageFailure(
            f"--val-share {val_share} is not from 0 up to 1", f"--val-share {VAL_SHARE} is the default"
        )
    official = np.arange(train_size, dtype=np.int64)
    train, val = set_apart(official, val_share, seed) if val_share else (official, official[:0])
    if len(train) == 0:
        raise UsageFailure(
            f"--val-share {val_share} leaves none of {train_size} pictures to train on", "lower it"
        )
    return Split(train, val, np.arange(train_size, total, dtype=np.int64), seed)


def set_apart(indices: Indices, share: float, seed: int) -> tuple[Indices, Indices]:
    """(kept, set apart): what `train_test_split(indices, test_size=share, random_state=seed)` returns.

    Raises:
        UsageFailure: a seed that the generator does not take.
    """
    return draw(indices, math.ceil(share * len(indices)), seed)


def draw(indices: Indices, count: int, seed: int) -> tuple[Indices, Indices]:
    """As `set_apart`, for a number of entries."""
    if not 0 <= seed < SEED_LIMIT:
        raise UsageFailure(
            f"seed {seed} is not from 0 to {SEED_LIMIT - 1}", f"{SPLIT_SEED} is the benchmark's"
        )
    order = np.random.RandomState(seed).permutation(len(indices))
    return indices[order[count:]], indices[order[:count]]
