"""MIA-efficacy: what share of the forgotten pictures an attack takes for pictures that were never seen."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from deepunlearn_cli.evaluation import metrics

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from deepunlearn_cli.core.shared import Outputs


def mia_efficacy(outputs: Outputs) -> float:
    """Share (0..1) of forget pictures that a confidence attack on the model calls unseen.

    MIA-efficacy of Jia et al. 2023 (arXiv 2304.04934), also in SalUN (Fan et al. 2024, arXiv 2310.12508). The
    attack learns from as many retain pictures (seen) as test pictures (unseen) on the confidence in the true
    class. Theirs is a support vector machine (RBF, C = 3), whose time grows with the square of the pictures;
    ours is logistic regression, within 0.1 of it on most samples. (The threshold of best accuracy is not: it
    is off by up to 0.4, where a model is sure of all but a few.) Read it beside the retrained model's: where
    seen and unseen look alike there is nothing to learn, and any value may come out.
    """
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    retain, test, forget = (_confidences(outputs, name) for name in ("retain", "test", "forget"))
    count = min(len(retain), len(test))
    if not count or not len(forget):
        return math.nan
    sides = [part[np.linspace(0, len(part) - 1, count).astype(int)] for part in (retain, test)]
    attack = LogisticRegression().fit(np.concatenate(sides)[:, None], np.repeat([1, 0], count))
    return float(1 - attack.predict(forget[:, None]).mean())


def _confidences(outputs: Outputs, part: str) -> NDArray[np.float64]:
    """The model's probability of the true class, 0 where it is no number."""
    import numpy as np

    losses = metrics.cross_entropy(outputs[part]["logits"], outputs[part]["labels"])
    return np.exp(-np.nan_to_num(losses, nan=np.inf))
