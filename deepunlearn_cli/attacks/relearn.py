"""Relearn: how fast does what was forgotten come back when training goes on?

Siddiqui et al. 2025 (arXiv 2505.22310): fine-tuning on retained pictures alone, or on a few forgotten ones,
brings forget accuracy back after many methods; the retrained model, which never had it, stays where it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deepunlearn_cli.attacks._attack import Findings, Source
from deepunlearn_cli.attacks._probe import Lab, Probe, Tested
from deepunlearn_cli.core.fields import choice, real, whole
from deepunlearn_cli.core.score import Score

if TYPE_CHECKING:
    from deepunlearn_cli.core.shared import Outputs


@dataclass(frozen=True)
class Relearn(Probe):
    """Fine-tune on the retain set and, apart, on a few forget pictures; compare with the retrained model.

    Both models take the same steps on the same pictures. After each pass they are asked for the forget set
    (less the pictures that were shown again) and for pictures never seen. Judged are forget accuracy on the
    way, and whether what a model is surer of than the retrained one tells forgotten from unseen pictures.
    """

    title = "Relearn"
    question = "does forget accuracy come back faster than in a model that never had it?"
    summary = "fine-tuning on retained and, apart, on a few forget pictures: what comes back, and how fast"
    columns = (
        Score("auc", "AUC", interval=True, guessing=0.5),
        Score("few_auc", "AUC (few)", interval=True, guessing=0.5),
        Score("regained", "FA on the way", interval=True, guessing=0.0),
        Score("before", "FA before"),
        Score("after", "FA after"),
        Score("few_regained", "few: on the way"),
        Score("few_after", "few: after"),
    )
    needs = ("retain", "forget")
    against: str = choice("test", ("test", "val"), help="where the unseen pictures come from", search=False)
    epochs: int = whole(5, 1, 10_000, help="passes over the retain set", search=False)
    few: float = real(0.1, 0.001, 0.9, help="share of the forget set that is shown again", search=False)
    few_epochs: int = whole(20, 1, 10_000, help="passes over those few", search=False)
    few_lr: float = real(0.003, 1e-6, 10.0, help="learning rate on the few", search=False)
    lr: float = real(0.01, 1e-6, 10.0, help="learning rate", search=False)
    momentum: float = real(0.9, 0.0, 0.999, help="SGD momentum", search=False)
    batch_size: int = whole(256, 1, 65_536, help="pictures per step", search=False)

    def probe(self, lab: Lab) -> Outputs:
        """Parts `forget` and `unseen`: what either route made of each picture; `readings`: over the passes.

        Raises:
            RunFailed: fine-tuning diverged.
        """
        from deepunlearn_cli.attacks import _relearn

        paces = {
            "retain": _relearn.Pace(self.epochs, self.lr, self.momentum, self.batch_size),
            "few": _relearn.Pace(self.few_epochs, self.few_lr, self.momentum, self.batch_size),
        }
        return _relearn.probe(lab, self.against, self.few, paces)

    def run(self, targets: Mapping[str, Source], seed: int) -> Findings:
        """From what `probe` saw.

        Scores: `before`, `after` and `regained` are forget accuracy at the start, in the end, and in the mean
        over the passes on retained pictures (what lies under its curve); `few_` the same on the few. `auc`
        and `few_auc` rank forgotten pictures against unseen ones by minus the loss, in the mean over the
        passes; within classes where the two sides' classes differ beyond chance. `n` pictures of the smaller
        side are compared.
        """
        del seed
        from deepunlearn_cli.attacks import _relearn

        return _relearn.figures(targets["target"]())

    def test(self, metric: str, ours: Findings, control: Findings | None, tolerance: float) -> Tested:
        """`regained` picture by picture; AUCs by what this model is surer of than the control.

        A picture that neither model was trained on is as likely to gain over the control as any other of
        its class, whatever the two models are like: an exact null for the AUCs. Without a control
        the raw ones are tested, and `regained` against unseen pictures.
        """
        from deepunlearn_cli.attacks import _relearn

        return _relearn.tested(metric, ours, control, tolerance)
