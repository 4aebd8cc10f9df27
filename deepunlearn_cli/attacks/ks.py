"""KS: is there any threshold on the loss that tells forgotten samples from samples never seen?

The two-sample test of Kolmogorov and Smirnov (Smirnov 1939; scipy's `ks_2samp`). Massart 1990 has the tight
constant of the inequality of Dvoretzky, Kiefer and Wolfowitz, which the interval is made of.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deepunlearn_cli.attacks._one_model import OneModel
from deepunlearn_cli.core.score import Score

if TYPE_CHECKING:
    import numpy as np

    from deepunlearn_cli.attacks._one_model import Floats


@dataclass(frozen=True)
class KS(OneModel):
    """Two-sample Kolmogorov-Smirnov test on per-picture losses, forget set against unseen pictures.

    D is the largest distance between the two sides' distribution functions: 0 for sides alike, 1 where one
    threshold parts them. The best threshold, whichever side of it the members are on, is right for the share
    (1 + D) / 2 of the pictures: the accuracy, of which 0.5 is guessing. It was chosen on the pictures it is
    judged on, so that few of them give more than 0.5 by chance, as the p-value of equal distributions says.
    """

    title = "KS"
    question = "does any threshold on the loss tell forgotten pictures from pictures never seen?"
    summary = "Kolmogorov-Smirnov test on the loss, forget set against unseen samples: the best threshold"
    columns = (
        Score("accuracy", "accuracy", interval=True, guessing=0.5),
        Score("statistic", "D"),
        Score("p_value", "p", digits=4),
    )

    def tell_apart(
        self, forget: Floats, unseen: Floats, rng: np.random.Generator
    ) -> tuple[dict[str, Any], Floats]:
        """D as `statistic`, its `p_value`, and the `accuracy` of the threshold where it lies.

        `accuracy_low` and `accuracy_high` hold for every size and distribution: each side's distribution
        function is within sqrt(ln(4 / 0.05) / (2 n)) of the true one with 97.5 % (Massart), D within twice
        that, and the accuracy within once.
        """
        import numpy as np
        from scipy.stats import ks_2samp

        from deepunlearn_cli.evaluation.intervals import CONFIDENCE

        test = ks_2samp(forget, unseen)
        above = np.concatenate([forget, unseen]) > test.statistic_location
        guesses = above if test.statistic_sign < 0 else ~above  # positive: members have the smaller scores
        accuracy = (1 + float(test.statistic)) / 2
        reach = math.sqrt(math.log(4 / (1 - CONFIDENCE)) / (2 * len(forget)))
        scores = {
            "accuracy": accuracy,
            "accuracy_low": max(0.5, accuracy - reach),
            "accuracy_high": min(1.0, accuracy + reach),
            "statistic": float(test.statistic),
            "p_value": float(test.pvalue),
        }
        return scores, guesses.astype(np.float64)
