"""How far apart two models answer: pure functions on their outputs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from deepunlearn_cli.core.shared import Outputs

    Answers = tuple[NDArray[np.integer[Any]], NDArray[np.float64]]  # indices (n,), probabilities (n, K)


def on_forget(outputs: Outputs) -> Answers:
    """Which pictures were forgotten, and the model's probabilities (softmax) on them."""
    import numpy as np

    logits = outputs["forget"]["logits"].astype(np.float64)
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return outputs["forget"]["index"], raised / raised.sum(axis=1, keepdims=True)


def jensen_shannon(one: Answers, other: Answers) -> float:
    """Jensen-Shannon divergence in bits, mean over pictures: 0 for equal answers, 1 for disjoint ones.

    JS(p, q) = KL(p, m) / 2 + KL(q, m) / 2 with m = (p + q) / 2; of an unlearned and the retrained model it is
    JS-Div of Chundawat et al. 2023 (Bad Teacher, arXiv 2205.08096; its code takes KL the other way round and
    divides by the number of classes). NaN for models of different forget sets.
    """
    import numpy as np

    (pictures, p), (others, q) = one, other
    if not np.array_equal(pictures, others):
        return math.nan
    middle = (p + q) / 2
    return float((_relative_entropy(p, middle) + _relative_entropy(q, middle)).mean() / 2)


def _relative_entropy(p: NDArray[np.float64], q: NDArray[np.float64]) -> NDArray[np.float64]:
    """KL(p, q) of each row in bits; 0 log 0 is 0."""
    import numpy as np

    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(p == 0, 0.0, p * np.log2(p / q))
    bits: NDArray[np.float64] = terms.sum(axis=1)
    return bits
