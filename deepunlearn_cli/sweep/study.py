"""One study: its trials in Optuna's storage, shared by any number of workers on any number of machines.

Optuna numbers trials without gaps and without races; everything here is decided from those numbers. A trial
may run if fewer trials than asked for come before it that are complete or on their way; so whatever the
number of workers, exactly as many complete as were asked for, none is made in vain, and their numbers are
those that one worker makes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deepunlearn_cli.sweep import finite, losses, opening, space
from deepunlearn_cli.sweep.claims import Claims, draw, perhaps_too_late
from deepunlearn_cli.sweep.claims import state as _state
from deepunlearn_cli.sweep.draws import FREE
from deepunlearn_cli.sweep.losses import Losses
from deepunlearn_cli.sweep.presence import Presence

if TYPE_CHECKING:
    from optuna import Study as OptunaStudy
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial, Trial

    from deepunlearn_cli.core.recipe import Recipe
    from deepunlearn_cli.store import Run
    from deepunlearn_cli.sweep.question import Question

STOPPED = "stopped"  # attribute of a trial
FORGIVEN = "forgiven"  # attribute of a study: failures before this number do not count any more
TIMED_OUT = "timed_out"  # attribute of a study: the seconds of a search that ended it before its goal


@dataclass(frozen=True)
class StudyProgress:
    """How far a study is. `best` is the smallest norm, `last` that of the newest trial, or why it failed."""

    key: str
    method: str
    done: int
    failed: int
    wanted: int
    best: float | None
    last: float | str | None


@dataclass(frozen=True)
class Point:
    """A complete trial."""

    number: int
    params: Mapping[str, Any]
    losses: Losses

    @property
    def norm(self) -> float:
        """The Euclidean norm of its losses."""
        return losses.norm(self.losses)


class Study:
    """The trials of a question.

    Args:
        presence: who we are, in the eyes of other workers.

    Raises:
        UsageFailure: the storage holds this study with another search space.
    """

    def __init__(self, question: Question, storage: BaseStorage, presence: Presence) -> None:
        self.question = question
        self.distributions = space.distributions(question.domains)
        self._study = opening.study_of(question, storage)
        ordered = question.sampler not in FREE
        self.claims = Claims(self._study, storage, presence, ordered=ordered)

    @property
    def optuna(self) -> OptunaStudy:
        """The study in Optuna's hands."""
        return self._study

    def points(self) -> list[Point]:
        """Every complete trial that was made to its end, in order."""
        return [self._point(trial) for trial in self._trials("COMPLETE") if not is_stopped(trial)]

    def standing(self, wanted: int) -> StudyProgress:
        """How far the study is."""
        failed = list(filter(_diverged, self._trials("FAIL")))
        norms = [point.norm for point in self.points()]
        newest = max([*self._trials("COMPLETE"), *failed], key=lambda trial: trial.number, default=None)
        last = _outcome(newest) if newest else None
        name = self.question
        done, goal, best = self.done(), self.goal(wanted), min(norms, default=None)
        return StudyProgress(name.key, name.method, done, len(failed), goal, best, last)

    @property
    def size(self) -> int | None:
        """How many points there are to try; None for any number."""
        return finite.size(self.question.space["domains"])

    def goal(self, wanted: int) -> int:
        """How many trials are to be complete: what is wanted, or all points that give a usable model."""
        if self.size is None:
            return wanted
        failed = {finite.key(trial.params) for trial in self._trials("FAIL") if _diverged(trial)}
        return min(wanted, max(0, self.size - len(failed)))

    def reached(self, wanted: int) -> bool:
        """Whether there is nothing left to do."""
        return self.done() >= self.goal(wanted)

    def exhausted(self) -> bool:
        """Whether every point was tried."""
        return self.size is not None and self.reached(self.size)

    def time_out(self, seconds: float) -> None:
        """Keep that so many seconds ended it: what was made of its choice stays that of its choice."""
        self._study.set_user_attr(TIMED_OUT, seconds)

    def timed_out(self, seconds: float | None) -> bool:
        """Whether as many seconds have ended it before, with a choice."""
        return bool(seconds and self._study.user_attrs.get(TIMED_OUT, 0.0) >= seconds and self.points())

    def done(self) -> int:
        """How many trials are complete; of finite spaces, with different points."""
        return self._different(self._trials("COMPLETE"))

    def taken(self) -> int:
        """How many trials are complete or running."""
        return self.done() + len(self._trials("RUNNING"))

    def failures(self) -> list[str]:
        """Why the newest trials failed, newest first, back to the last complete or forgiven one."""
        reasons, since = [], self._study.user_attrs.get(FORGIVEN, 0)
        for trial in reversed(self._trials("COMPLETE", "FAIL")):
            if trial.number < since or trial.state.name == "COMPLETE":
                break
            if _diverged(trial):
                reasons.append(str(trial.user_attrs["reason"]))
        return reasons

    def forgive(self, patience: int) -> None:
        """Count failures anew where so many ended the last search; one that was interrupted goes on."""
        if len(self.failures()) >= patience:
            self._study.set_user_attr(FORGIVEN, len(self._study.get_trials(deepcopy=False)))

    def claim(self, wanted: int) -> Trial | None:
        """A trial to run; None if enough are complete or running, or one that is running is in doubt."""
        self.claims.recover()
        goal = self.goal(wanted)
        if self.claims.in_doubt() or self.taken() >= goal:
            return None
        trial = self.claims.next()
        before = [t for t in self._trials("COMPLETE", "RUNNING", "WAITING") if t.number < trial.number]
        if self._different(before) >= goal:  # another worker was quicker
            self.claims.put_back(trial)
            return None
        draw(trial, self.distributions)
        return trial

    def recipes(self, trial: Trial) -> list[Recipe]:
        """The runs that a trial is made of, one on each original; the trial knows them from now on."""
        best = min((one.norm for one in self.points() if one.number < trial.number), default=None)
        recipes = self.question.trials(self.question.params(trial.params), trial=trial.number, best=best)
        with perhaps_too_late():
            trial.set_user_attr("runs", [recipe.key for recipe in recipes])
        return recipes

    def finish(self, trial: Trial, runs: Sequence[Run]) -> None:
        """`complete` with what the runs of a trial came to."""
        of = self.question.losses([run.scores for run in runs])
        self.complete(trial, of, [run.facts for run in runs])

    def complete(self, trial: Trial, of: Losses, facts: Sequence[Mapping[str, Any]] = ()) -> None:
        """Tell the losses of a trial; in vain if others have given us up for dead.

        Args:
            facts: of its runs.
        """
        told = attributes(of, facts)
        known = told | {losses.NORM: losses.norm(of)}
        with perhaps_too_late():
            for name, value in told.items():
                trial.set_user_attr(name, value)
            self._study.tell(trial, [known[name] for name in self.question.metrics])

    def _trials(self, *states: str) -> list[FrozenTrial]:
        wanted = tuple(map(_state, states))
        return self._study.get_trials(deepcopy=False, states=wanted)

    def _different(self, trials: Sequence[FrozenTrial]) -> int:
        """How many trials there are, less those of finite spaces that repeat a complete one."""
        complete = [trial.params for trial in trials if trial.state.name == "COMPLETE"]
        repeats = 0 if self.size is None else len(complete) - len(set(map(finite.key, complete)))
        return len(trials) - repeats

    def _point(self, trial: FrozenTrial) -> Point:
        return Point(trial.number, self.question.params(trial.params), tuple(trial.user_attrs["losses"]))


def attributes(of: Losses, facts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What a trial keeps beside its values, by name.

    Of its runs, `seconds` are the sum over originals and `work`, in epochs of training, is the mean.
    """
    named = {"losses": list(of), **dict(zip(losses.NAMES, of, strict=True))}
    if not facts:
        return named
    seconds, work = ([float(one[name]) for one in facts] for name in ("seconds", "work"))
    stopped = {STOPPED: True} if any(one.get(STOPPED) for one in facts) else {}
    return named | {"seconds": math.fsum(seconds), "work": math.fsum(work) / len(work)} | stopped


def is_stopped(trial: FrozenTrial) -> bool:
    """Whether a trial was stopped early: its losses are those after its first epochs."""
    return bool(trial.user_attrs.get(STOPPED))


def _outcome(trial: FrozenTrial) -> float | str:
    """What became of a trial: its norm, or why it has none that counts."""
    if trial.state.name == "FAIL":
        return str(trial.user_attrs["reason"])
    return "stopped early" if is_stopped(trial) else losses.norm(trial.user_attrs["losses"])


def _diverged(trial: FrozenTrial) -> bool:
    return trial.state.name == "FAIL" and "reason" in trial.user_attrs
