"""Canary: does the model still know noise that was planted in forget pictures?

Pawelczyk et al. 2024 (arXiv 2406.17216), section 4 and algorithm 3: the inner product of the noise with the
normalised input gradient at the clean picture. The comparison with fresh draws of the noise is ours: the
model answers for the picture that it was trained on and for others that it could as well have been trained
on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deepunlearn_cli.attacks._attack import Findings, Source
from deepunlearn_cli.attacks._probe import Lab, Probe, Tested
from deepunlearn_cli.core.fields import whole
from deepunlearn_cli.core.score import Score

if TYPE_CHECKING:
    from deepunlearn_cli.core.shared import Outputs


@dataclass(frozen=True)
class Canary(Probe):
    """Noise of known draws, planted by `train --canary`, against a model that should have forgotten it.

    Whatever a model says of the clean pictures is independent of noise that it never saw. So the inner
    product of the noise with any direction that the model prefers is standard normal, and its answer to a
    picture with the noise ranks anywhere among its answers to fresh draws: two exact nulls, for one model,
    without shadows.
    """

    title = "Canary"
    question = "does the model know noise that was planted in forget pictures?"
    summary = (
        "planted noise (`train --canary`) against input gradients and against fresh draws: an exact null"
    )
    columns = (
        Score("auc", "AUC", interval=True, guessing=0.5),
        Score("alignment", "alignment", interval=True, guessing=0.5),
        Score("z", "mean z", digits=2),
        Score("p_value", "p", digits=4),
        Score("p_auc", "p of AUC", digits=4),
    )
    needs = ()
    exact = "null"
    draws: int = whole(200, 20, 100_000, help="fresh draws of noise for each picture", search=False)

    def probe(self, lab: Lab) -> Outputs:
        """Part `canary`: `index`, `label`, `z` (the inner product) and `rank` among fresh draws."""
        from deepunlearn_cli.engine import canaries

        planted, model = lab.canaries, lab.model
        return {
            "canary": {
                "index": planted.index,
                "label": planted.clean.labels.cpu().numpy(),
                "z": canaries.alignments(model, planted),
                "rank": canaries.ranks(model, planted, self.draws),
            }
        }

    def run(self, targets: Mapping[str, Source], seed: int) -> Findings:
        """From what `probe` saw.

        Scores: `z` is the mean inner product and `p_value` that of a standard normal sum; `alignment` the
        mean share of fresh draws that align less, known exactly; `auc` the mean share of fresh draws with
        which the model is less sure, and `p_auc` the p-value of uniform ranks. 0.5 is guessing; both p-values
        are two-sided. `n` canaries were looked at, `left_out` others have no gradient.
        """
        del seed
        from deepunlearn_cli.attacks import _canary

        return _canary.figures(targets["target"]()["canary"], self.draws)

    def test(self, metric: str, ours: Findings, control: Findings | None, tolerance: float) -> Tested:
        """Against chance: the null is exact, and a control would only add its own."""
        del control, tolerance
        from deepunlearn_cli.attacks import _canary

        return _canary.tested(metric, ours)
