"""U-LiRA: for each sample, was it forgotten by this model, or never seen by it?

Kurmanji et al. 2023 (arXiv 2302.09880) and Hayes et al. 2024 (arXiv 2403.01218), as in Deep Unlearn (arXiv
2410.01276), section 5. The released code of the latter scores 0/1 correctness by the models it was fitted
to, members only, and divides by zero where a sample is always right; here both sides are scored, by
Gaussians fitted to the other splits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from deepunlearn_cli.attacks._attack import Attack, Findings, Source
from deepunlearn_cli.core.fields import choice

STATISTICS = ("confidence", "correctness")


def target_name(split: int, forget: int) -> str:
    """The name of one unlearned model among an analysis's targets."""
    return f"{split}/{forget}"


@dataclass(frozen=True)
class ULiRA(Attack):
    """Likelihood ratio per sample over many unlearned models of one method; `targets` are `SPLIT/FORGET`."""

    title = "U-LiRA"
    summary = "likelihood ratio per sample over many models, forgotten against never seen"
    revision = 2
    statistic: str = choice(
        "confidence",
        STATISTICS,
        help="confidence: log(p / (1 - p)) of the true class; correctness: the benchmark's 0/1",
        search=False,
    )

    def run(self, targets: Mapping[str, Source], seed: int) -> Findings:
        """Figures of a method; nothing is drawn at random, so `seed` plays no part.

        Scores: `accuracy` is the mean over samples of how often the ratio's side was right, forgotten and
        never seen counting half each (Figure 1), `accuracy_sd` the deviation over samples; `auc`, `tpr_1`
        and `tpr_01` (None: too few samples) rank all observations, every sample with equal weight. Every
        interval is Student's, clustered by samples and splits. `samples` were scored on both sides,
        `unscored` could not be. `by_split` is the accuracy in each split: what `rank` resamples.

        Parts: `samples` with `index`, `accuracy`, and numbers of scored splits `forgotten` and `never`;
        `cells` with the influence of every (split, sample) on accuracy and AUC, for differences.
        """
        del seed
        from deepunlearn_cli.attacks._ulira import analysed

        return analysed(self.statistic, targets)
