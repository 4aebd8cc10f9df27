"""Whose trial is next: of the studies of a search the one that is furthest behind, again and again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from deepunlearn_cli.core.errors import Failure, RunFailed
from deepunlearn_cli.sweep.order import Order
from deepunlearn_cli.sweep.study import Study

if TYPE_CHECKING:
    from optuna.trial import Trial


class Turns:
    """The studies of a search that have trials left, and why others have none.

    Attributes:
        barred: by key, studies that were ended because their method cannot act here at all.
    """

    def __init__(self, order: Order, studies: Sequence[Study]) -> None:
        self.barred: dict[str, Failure] = {}
        self._order = order
        self._open = {study.question.key: study for study in studies}
        self._taken = {key: study.taken() for key, study in self._open.items()}  # when last looked at

    @property
    def over(self) -> bool:
        """Whether every study has its trials, or was given up, or the time is up."""
        return not self._open or self._order.late()

    def next(self) -> tuple[Study, Trial] | None:
        """A trial that is to be made; None where others have the last ones in hand, or all is over."""
        while not self.over:
            key = min(self._open, key=self._taken.__getitem__)
            study = self._open[key]
            self._taken[key] = study.taken()
            if self._order.ended(study) or given_up(study, self._order):
                self._close(key)
            elif trial := study.claim(self._order.wanted):
                self._taken[key] += 1
                return study, trial
            else:
                self._taken[key] = self._order.wanted  # as far as we are concerned
                if min(self._taken.values()) >= self._order.wanted:
                    self._taken = {key: study.taken() for key, study in self._open.items()}
                    return None
        return None

    def bar(self, study: Study, failure: Failure) -> None:
        """End a study whose method cannot act here, whatever its hyperparameters."""
        text = f"{study.question.method}: {failure.message}"
        self.barred[study.question.key] = type(failure)(text, failure.hint)
        self._close(study.question.key)

    def _close(self, key: str) -> None:
        self._open.pop(key, None)
        self._taken.pop(key, None)


def given_up(study: Study, order: Order) -> RunFailed | None:
    """Why a study is searched no further: too many trials in a row have failed."""
    reasons = study.failures()
    if len(reasons) < order.patience or order.ended(study):
        return None
    message = (
        f"{study.question.method}: the last {len(reasons)} trials failed, the newest because {reasons[0]}"
    )
    return RunFailed(message, f"the same command tries {order.patience} more; -p NAME=VALUE fixes a value")
