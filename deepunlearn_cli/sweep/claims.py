"""Whose turn it is: numbers that are claimed, put back, and taken over from the dead.

A number keeps its point. A trial that nobody finished goes back to waiting under its own number and is the
next to be claimed, so a search that was interrupted makes the trials of one that was not. Should two
workers hold one number (one was taken for dead), they make the same run and tell the same losses.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from deepunlearn_cli.sweep.presence import Presence, Watch

if TYPE_CHECKING:
    from optuna import Study as OptunaStudy
    from optuna.distributions import BaseDistribution
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial, Trial, TrialState

DEATHS = "interrupted"  # attribute of a trial: how often its command died
INTERRUPTIONS = 20  # of a trial whose command died: that is mostly somebody's will


class Claims:
    """The trials of a study that are in somebody's hands.

    Args:
        presence: who we are, in the eyes of other workers.
        ordered: whether a point depends on the trials before it. If so, nothing is claimed until it is known
            what became of the trials that were running when we came.
    """

    def __init__(
        self, study: OptunaStudy, storage: BaseStorage, presence: Presence, *, ordered: bool
    ) -> None:
        self.presence = presence
        self._study, self._storage = study, storage
        self._watch = Watch()
        self._found = {trial.number for trial in self._running()} if ordered else set()

    def next(self) -> Trial:
        """The trial of the lowest number that nobody has, ours from now on."""
        trial = self._study.ask()
        trial.set_user_attr("worker", self.presence.claim)
        return trial

    def put_back(self, trial: Trial) -> None:
        """Leave a trial of ours to the next worker; nothing if others have it by now."""
        if (now := self._now(trial.number)) and now.user_attrs.get("worker") == self.presence.claim:
            self._wait(trial.number)

    def recover(self) -> None:
        """Leave the trials of dead workers to the next worker."""
        for trial in self._running():
            worker, beat = trial.user_attrs.get("worker"), trial.user_attrs.get("beat")
            if self._watch.is_dead(trial.number, worker, beat):
                self._release(trial)

    def in_doubt(self) -> bool:
        """Whether a trial that was running when we came may still be, or may not."""
        return any(
            self._watch.in_doubt(trial.number, trial.user_attrs.get("worker"))
            for trial in self._running()
            if trial.number in self._found
        )

    def fail(self, number: int, reason: str) -> None:
        """Tell that a trial gave no usable model; in vain if others have ended it."""
        with perhaps_too_late():
            self._storage.set_trial_user_attr(self._id(number), "reason", reason)
            self._study.tell(number, state=state("FAIL"))

    def _release(self, dead: FrozenTrial) -> None:
        worker = dead.user_attrs.get("worker")
        now = self._now(dead.number)
        if now is None or now.user_attrs.get("worker") != worker:
            return  # another worker was quicker
        deaths = int(now.user_attrs.get(DEATHS, 0)) + 1
        if deaths > INTERRUPTIONS:
            self.fail(dead.number, f"its command died {deaths} times (out of memory?)")
            return
        with perhaps_too_late():
            self._storage.set_trial_user_attr(self._id(dead.number), DEATHS, deaths)
            self._wait(dead.number)

    def _wait(self, number: int) -> None:
        with perhaps_too_late():
            self._storage.set_trial_state_values(self._id(number), state("WAITING"))

    def _now(self, number: int) -> FrozenTrial | None:
        """The trial as it stands, if it is running."""
        return next((trial for trial in self._running() if trial.number == number), None)

    def _running(self) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False, states=(state("RUNNING"),))

    def _id(self, number: int) -> int:
        study = self._storage.get_study_id_from_name(self._study.study_name)
        return self._storage.get_trial_id_from_study_id_trial_number(study, number)


def draw(trial: Trial, space: Mapping[str, BaseDistribution]) -> None:
    """Write the trial's point down."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    for name, one in space.items():
        if isinstance(one, CategoricalDistribution):
            trial.suggest_categorical(name, one.choices)
        elif isinstance(one, IntDistribution):
            trial.suggest_int(name, one.low, one.high, step=one.step, log=one.log)
        elif isinstance(one, FloatDistribution):
            trial.suggest_float(name, one.low, one.high, step=one.step, log=one.log)


def state(name: str) -> TrialState:
    """Optuna's state of a trial, by its name."""
    from optuna.trial import TrialState

    return TrialState[name]


@contextmanager
def perhaps_too_late() -> Iterator[None]:
    """Bear with a trial that others have ended or put back because they took its worker for dead."""
    from optuna.exceptions import UpdateFinishedTrialError

    try:
        yield
    except UpdateFinishedTrialError:
        pass
    except ValueError as error:
        if "Cannot tell a" not in str(error):
            raise
