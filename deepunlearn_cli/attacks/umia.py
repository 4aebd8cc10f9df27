"""U-MIA: can the loss of a sample tell that it was forgotten, rather than never seen?

Deep Unlearn (arXiv 2410.01276), section 2; `cv=shuffle` is the released benchmark's way of splitting.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deepunlearn_cli.attacks._one_model import OneModel
from deepunlearn_cli.core.fields import choice, whole
from deepunlearn_cli.core.score import Score

if TYPE_CHECKING:
    import numpy as np

    from deepunlearn_cli.attacks._one_model import Floats

KFOLD, SHUFFLE = "kfold", "shuffle"
SHUFFLES = 10  # splits of the benchmark


@dataclass(frozen=True)
class UMIA(OneModel):
    """Logistic regression on per-picture losses, forget set against unseen pictures, cross-validated.

    Members are the forget set, the others `against`: test pictures, validation pictures, or (`class`) the
    test pictures of the classes that are forgotten. Where whole classes are removed only the last asks about
    membership: against all test pictures the attack finds the classes. The larger side is cut to the size of
    the smaller by a seeded random draw: the same draw for every model that was judged on the same pictures.
    """

    title = "U-MIA"
    question = "does the loss tell forgotten pictures from pictures never seen?"
    summary = "logistic regression on the loss, forget set against unseen samples, cross-validated"
    columns = (
        Score("accuracy", "accuracy", interval=True, guessing=0.5),
        Score("auc", "AUC", interval=True, guessing=0.5),
        Score("tpr_1", "TPR@1%", takes=100),
        Score("tpr_01", "@0.1%", takes=1000),
    )
    revision = 2
    cv: str = choice(
        KFOLD,
        (KFOLD, SHUFFLE),
        help="how samples are held out; shuffle: the benchmark's ten splits",
        search=False,
    )
    folds: int = whole(10, 2, 100, help="number of folds where cv is kfold", search=False)

    def tell_apart(
        self, forget: Floats, unseen: Floats, rng: np.random.Generator
    ) -> tuple[dict[str, Any], Floats]:
        """Cross-validated accuracy, and ranks by the feature alone.

        `accuracy` is the mean over the splits and `accuracy_sd` their deviation; `accuracy_low` and
        `accuracy_high` are Wilson's interval with n = `accuracy_n`: half of the samples that were ever held
        out, since predictions share their classifiers. A guess is the share of held-out predictions
        that said "member".
        """
        from deepunlearn_cli.attacks import _samples, _umia

        size = len(forget)
        splits = _umia.folds(size, self.folds, rng) if self.cv == KFOLD else _umia.shuffles(size, SHUFFLES)
        scores, guesses = _umia.cross_validated(forget, unseen, splits)
        return {**scores, **_samples.ranked(forget, unseen)}, guesses

    def least(self) -> int:
        """One sample per split."""
        return self.folds if self.cv == KFOLD else SHUFFLES

    def cure(self, size: int) -> str:
        """Fewer folds, where there can be."""
        return f"--folds {size}" if size > 1 and self.cv == KFOLD else super().cure(size)

    def heading(self) -> str:
        """With the feature."""
        return f"{self.title} on the {self.feature}: 0.5 is guessing, below 0.5 leaks too"
