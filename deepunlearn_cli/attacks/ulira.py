"""U-LiRA: for each sample, was it forgotten by this model, or never seen by it?

Kurmanji et al. 2023 (arXiv 2302.09880) and Hayes et al. 2024 (arXiv 2403.01218), as in Deep Unlearn (arXiv
2410.01276), section 5. The released code of the latter scores 0/1 correctness by the models it was fitted
to, members only, and divides by zero where a sample is always right; here both sides are scored, by
Gaussians fitted to the other splits.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from deepunlearn_cli.attacks._attack import Attack, Findings, Source
from deepunlearn_cli.core.fields import choice
from deepunlearn_cli.core.score import Score

if TYPE_CHECKING:
    from deepunlearn_cli.evaluation.equivalence import Gap

STATISTICS = ("confidence", "correctness")


def target_name(split: int, forget: int) -> str:
    """The name of one unlearned model among an analysis's targets."""
    return f"{split}/{forget}"


@dataclass(frozen=True)
class ULiRA(Attack):
    """Likelihood ratio per sample over many unlearned models of one method; `targets` are `SPLIT/FORGET`."""

    title = "U-LiRA"
    question = "for each picture, was it forgotten by this model or never seen by it?"
    summary = "likelihood ratio per sample over many models, forgotten against never seen"
    columns = (
        Score("accuracy", "accuracy", interval=True, guessing=0.5),
        Score("accuracy_sd", "sd over\nsamples"),
        Score("auc", "AUC", interval=True, guessing=0.5),
        Score("tpr_1", "TPR@1%", interval=True, takes=100),
        Score("tpr_01", "TPR@0.1%", interval=True, takes=1000),
    )
    revision = 2
    statistic: str = choice(
        "confidence",
        STATISTICS,
        help="what is fitted: log(p / (1 - p)) of the true class, or the benchmark's 0/1 correctness",
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

    def gaps(self, metrics: Sequence[str], ours: Findings, control: Findings | None) -> list[Gap]:
        """Figures of a method less its control's, or less guessing.

        Paired by split and sample, with errors clustered by both, and none below one sample's part.

        Raises:
            UsageFailure: they are of other models.
        """
        return [self._gap(metric, ours, control) for metric in metrics]

    def _gap(self, metric: str, ours: Findings, control: Findings | None) -> Gap:
        from deepunlearn_cli.attacks import _ulira
        from deepunlearn_cli.evaluation.equivalence import Gap

        cells, value = ours.parts["cells"], float(ours.scores[metric])
        other = float(control.scores[metric]) if control else 0.5
        theirs = control.parts["cells"] if control else {**cells, metric: 0 * cells[metric]}
        found = _ulira.difference(metric, cells, theirs, value - other)
        error = math.hypot(found.error, 1 / ours.scores["samples"])
        return Gap.of(metric, replace(found, error=error), value, other)

    @classmethod
    def score_names(cls) -> list[str]:
        """Of what `run` gives: None each where there is no analysis."""
        ends = [f"{score.name}{end}" for score in cls.columns if score.interval for end in ("_low", "_high")]
        return [*(score.name for score in cls.columns), *ends, "samples", "unscored", "models", "splits"]
