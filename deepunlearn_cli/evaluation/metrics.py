"""Measures of a model: pure functions on arrays.

Source: Deep Unlearn (arXiv 2410.01276), section 2 (retention, indiscernibility).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.floating[Any]]


def accuracy(logits: Floats, labels: NDArray[np.integer[Any]]) -> float:
    """Share (0..1) of rows of `logits` (n, K) whose largest entry is at `labels` (n,); NaN for n = 0.

    A row with a NaN is wrong whatever its label.
    """
    import numpy as np

    if len(labels) == 0:
        return math.nan
    right = (logits.argmax(axis=1) == labels) & ~np.isnan(logits).any(axis=1)
    return float(right.mean())


def cross_entropy(logits: Floats, labels: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
    """Loss of each sample (n,) in nats, by log-softmax in float64; not finite where the logits are not."""
    import numpy as np

    shifted = logits.astype(np.float64)
    with np.errstate(invalid="ignore"):
        shifted -= shifted.max(axis=1, keepdims=True, initial=-np.inf)
        log_sum: NDArray[np.float64] = np.log(np.exp(shifted).sum(axis=1))
        losses: NDArray[np.float64] = log_sum - shifted[np.arange(len(labels)), labels]
    return losses


def at_chance(accuracy: float, classes: int) -> bool:
    """Whether an accuracy (0..1) is hardly above guessing: at most 1.2 times one in `classes`."""
    return accuracy <= 1.2 / classes


def retention(new: float | None, reference: float | None) -> float:
    """RR, FR or TR: accuracy of a model over that of the retrained one; NaN if unknown or over 0."""
    return math.nan if new is None or not reference else new / reference


def retention_deviation(row: Mapping[str, float | None], reference: Mapping[str, float | None]) -> float:
    """RetDev = |RR-1| + |FR-1| + |TR-1|, 0 is best; both mappings hold accuracies RA, FA and TA.

    NaN where an accuracy is unknown or the reference's is 0 (a whole class forgotten).
    """
    return math.fsum(abs(retention(row[name], reference[name]) - 1) for name in ("RA", "FA", "TA"))


def indiscernibility(accuracy: float) -> float:
    """1 - |2a - 1| of an attack's accuracy a: 1 when it guesses, 0 when it is always (or never) right."""
    return 1 - abs(2 * accuracy - 1)
