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
    from deepunlearn_cli.core.shared import Outputs
    from deepunlearn_cli.evaluation.equivalence import Gap
    from deepunlearn_cli.evaluation.klom import Klom

CONFIDENCE, CORRECTNESS = STATISTICS = ("confidence", "correctness")
RIVALS = {"online": "online LiRA", "offline": "offline LiRA", "rmia": "RMIA"}  # on the same models


def _of_rival(name: str, title: str) -> tuple[Score, Score]:
    """The figures of another attack on the same models; no verdict goes by them."""
    return (
        Score(f"auc_{name}", f"{title}\nAUC", interval=True),
        Score(f"tpr_1_{name}", f"{title}\nTPR@1%", interval=True, takes=100),
    )


OWN = (
    Score("accuracy", "accuracy", interval=True, guessing=0.5),
    Score("accuracy_sd", "sd over\nsamples"),
    Score("auc", "AUC", interval=True, guessing=0.5),
    Score("tpr_1", "TPR@1%", interval=True, takes=100),
    Score("tpr_01", "TPR@0.1%", interval=True, takes=1000),
)
OTHERS = tuple(score for name, title in RIVALS.items() for score in _of_rival(name, title))


def target_name(split: int, forget: int) -> str:
    """The name of one unlearned model among an analysis's targets."""
    return f"{split}/{forget}"


@dataclass(frozen=True)
class ULiRA(Attack):
    """Likelihood ratio per sample over many unlearned models of one method; `targets` are `SPLIT/FORGET`."""

    title = "U-LiRA"
    question = "for each picture, was it forgotten by this model or never seen by it?"
    summary = "likelihood ratio per sample over many models, forgotten against never seen"
    columns = (*OWN, *OTHERS)
    revision = 3
    statistic: str = choice(
        CONFIDENCE,
        STATISTICS,
        help="what is fitted: log(p / (1 - p)) of the true class, or the benchmark's 0/1 correctness",
        search=False,
    )

    def run(self, targets: Mapping[str, Source], seed: int) -> Findings:
        """Figures of a method; nothing is drawn at random, so `seed` plays no part.

        Scores: `accuracy` is the mean over samples of how often the ratio's side was right, forgotten and
        never seen counting half each (Figure 1), `accuracy_sd` the deviation over samples; `auc`, `tpr_1`
        and `tpr_01` (None: too few samples) rank all observations, every sample with equal weight, and
        `auc_NAME` and `tpr_1_NAME` rank the same ones by the other attacks (`RIVALS`; None for 0/1
        correctness, which these are not made for). Every
        interval is Student's, clustered by samples and splits. `samples` were scored on both sides,
        `unscored` could not be. `by_split` is the accuracy in each split: what `rank` resamples.

        Parts: `samples` with `index`, `accuracy`, and numbers of scored splits `forgotten` and `never`;
        `cells` with the influence of every (split, sample) on accuracy and AUCs, for differences, whether it
        was `forgotten` there, and the `statistic` of one model of the split, for KLoM.
        """
        del seed
        from deepunlearn_cli.attacks._ulira import analysed

        found = analysed(self.statistic, targets)
        return Findings(dict.fromkeys(self.score_names()) | found.scores, found.parts)

    @staticmethod
    def taken(outputs: Outputs) -> Outputs:
        """What `run` takes of a model's outputs, which will do in their place."""
        from deepunlearn_cli.attacks._ulira import reduced

        return reduced(outputs)

    def has_others(self) -> bool:
        """Whether the statistic is one that the other attacks and KLoM are made for."""
        return self.statistic == CONFIDENCE

    def gaps(self, metrics: Sequence[str], ours: Findings, control: Findings | None) -> list[Gap]:
        """Figures of a method less its control's, or less guessing.

        Paired by split and sample, with errors clustered by both, and none below one sample's part.

        Raises:
            UsageFailure: they are of other models.
        """
        return [self._gap(metric, ours, control) for metric in metrics]

    def klom(self, ours: Findings, retrained: Findings) -> Klom | None:
        """KLoM of a method's models, beside the floor of the retrained ones; None where there are too few.

        The reference are the retrained models on pictures that they never saw: as those that forgot them,
        trained on a half of the data without them, in other splits.

        Raises:
            UsageFailure: they are of other models.
        """
        from deepunlearn_cli.attacks import _methods_apart

        return _methods_apart.divergence(ours.parts, retrained.parts) if self.has_others() else None

    def _gap(self, metric: str, ours: Findings, control: Findings | None) -> Gap:
        from deepunlearn_cli.attacks import _methods_apart
        from deepunlearn_cli.evaluation.equivalence import Gap

        cells, value = ours.parts["cells"], float(ours.scores[metric])
        other = float(control.scores[metric]) if control else 0.5
        theirs = control.parts["cells"] if control else {**cells, metric: 0 * cells[metric]}
        found = _methods_apart.difference(metric, cells, theirs, value - other)
        error = math.hypot(found.error, 1 / ours.scores["samples"])
        return Gap.of(metric, replace(found, error=error), value, other)

    @classmethod
    def score_names(cls) -> list[str]:
        """Of what `run` gives: None each where there is no analysis."""
        ends = [f"{score.name}{end}" for score in cls.columns if score.interval for end in ("_low", "_high")]
        return [*(score.name for score in cls.columns), *ends, "samples", "unscored", "models", "splits"]
