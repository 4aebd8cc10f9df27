"""Are a model's outputs in the order of the classes, or in another?"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

LEAST = 10  # pictures of the classes that moved: fewer tell nothing
TIMES = 3.0  # how much better the other order must fit on those classes
ABOVE_CHANCE = 10.0  # as a multiple of guessing, at most `ENOUGH`
ENOUGH = 0.5  # accuracy on those classes that no accident gives


class Order(NamedTuple):
    """The order in which a model's outputs fit the labels best.

    Attributes:
        outputs: (K,) the output that fits each class; `arange(K)` for the order of the classes.
        fits: accuracy (0..1) on the classes that moved, in this order.
        as_is: the same in the order of the classes.
    """

    outputs: NDArray[np.int64]
    fits: float
    as_is: float

    @property
    def another(self) -> bool:
        """Whether this is another order than that of the classes."""
        return bool((self.outputs != np.arange(len(self.outputs))).any())


def best_order(logits: NDArray[np.floating], labels: NDArray[np.integer]) -> Order:
    """The one-to-one order of outputs that fits best, where it is much better than the order of the classes.

    The assignment of outputs to classes that has most pictures right (Hungarian method), kept only if on the
    classes that it moves it is right at least `TIMES` as often as the order of the classes, and far above
    guessing: a weak or broken model gains a little by any such choice, a model whose classes are in another
    order gains all that it knows.

    Args:
        logits: (n, K).
        labels: (n,) from 0 to K - 1.
    """
    from scipy.optimize import linear_sum_assignment

    count = logits.shape[1]
    counts = np.zeros((count, count))
    np.add.at(counts, (labels, logits.argmax(axis=1)), 1)
    # a class that is right as it is stays where several choices are as good
    rows, outputs = linear_sum_assignment(counts + 1e-6 * np.eye(count), maximize=True)
    moved = np.flatnonzero(outputs != rows)
    total = counts[moved].sum()
    if total < LEAST:
        return Order(np.arange(count), 0.0, 0.0)
    fits, as_is = counts[moved, outputs[moved]].sum() / total, counts[moved, moved].sum() / total
    known = min(ENOUGH, ABOVE_CHANCE / count)
    if fits < known or fits < TIMES * as_is:
        return Order(np.arange(count), float(as_is), float(as_is))
    return Order(outputs.astype(np.int64), float(fits), float(as_is))
