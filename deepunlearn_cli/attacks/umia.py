"""U-MIA: can the loss of a sample tell that it was forgotten, rather than never seen?

Deep Unlearn (arXiv 2410.01276), section 2; `cv=shuffle` is the released benchmark's way of splitting.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from deepunlearn_cli.attacks._attack import CLASS, Attack, Findings, Source
from deepunlearn_cli.core.fields import choice, whole

FEATURES = ("loss", "confidence", "entropy", "modified-entropy", "margin")


@dataclass(frozen=True)
class UMIA(Attack):
    """Logistic regression on the loss: forget samples against as many samples never trained on.

    Members are the forget set, the others `against`: test pictures, validation pictures, or (`class`) the
    test pictures of the classes that are forgotten. Where whole classes are removed only the last asks about
    membership: against all test pictures the attack finds the classes. The larger side is cut to the size of
    the smaller by a seeded random draw: the same draw for every model that was judged on the same pictures.
    """

    title = "U-MIA"
    summary = "logistic regression on the loss, forget set against unseen samples, cross-validated"
    revision = 2
    against: str = choice(
        "test",
        ("test", "val", CLASS),
        help="where the unseen samples come from; class: test pictures of the forgotten classes",
        search=False,
    )
    feature: str = choice("loss", FEATURES, help="what the attack looks at", search=False)
    cv: str = choice("kfold", ("kfold", "shuffle"), help="shuffle: the benchmark's ten splits", search=False)
    folds: int = whole(10, 2, 100, help="folds of cv=kfold", search=False)

    def run(self, targets: Mapping[str, Source], seed: int) -> Findings:
        """Figures of `targets["target"]`, and what the attack made of each sample.

        Scores: `n` samples per side. `accuracy` is the mean over the splits and `accuracy_sd` their
        deviation; `accuracy_low` and `accuracy_high` are Wilson's interval with n = `accuracy_n`: half of
        the samples that were ever held out, since predictions share their classifiers. `auc` ranks
        members by the feature, with Hanley and McNeil's interval. `tpr_1` and `tpr_01` are true positive
        rates at 1 % and 0.1 % false positives (None: too few samples), with distribution-free intervals.

        Parts: `forget` and `against`, each with `index` and `label` of the samples that took part, `score`
        (the feature, larger for members) and `guess` (share of held-out predictions that said "member";
        NaN if never held out).
        """
        from deepunlearn_cli.attacks._umia import attacked

        return attacked(self, targets["target"](), seed)
