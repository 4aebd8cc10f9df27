"""The search: trials that are claimed, made, and told, until enough are complete."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from deepunlearn_cli.core.errors import Failure, NotFound, RunFailed, UsageFailure
from deepunlearn_cli.execution.pool import PoolRunner
from deepunlearn_cli.execution.runner import Runner
from deepunlearn_cli.sweep.order import Barred, Order, Tell
from deepunlearn_cli.sweep.presence import present
from deepunlearn_cli.sweep.slots import POLL_SECONDS, Slots
from deepunlearn_cli.sweep.study import STOPPED, Study
from deepunlearn_cli.sweep.turns import Turns, given_up

if TYPE_CHECKING:
    from optuna.trial import Trial

    from deepunlearn_cli.core.recipe import Recipe
    from deepunlearn_cli.store import Run


def search(order: Order, workers: int, runner: Runner, tell: Tell) -> list[Failure]:
    """Have every study reach the number of complete trials that was ordered, unless the time is up.

    Every method gets its next trial in turn, so that they stay equal whenever a search ends.

    Args:
        workers: how many of the runner's workers make trials; 1 where it has none but itself.

    Returns:
        A failure for each study that was ended: by failed trials in a row, because its method cannot act
        here (on this architecture, say), or because it cannot be opened.

    Raises:
        UsageFailure: storage that cannot be used.
    """
    with present(order.folder, order.keys) as presence:
        unusable: Barred = {}
        studies = order.open(presence, unusable)
        if all(map(order.ended, studies)):
            return [*unusable.values()]
        for study in studies:
            study.forgive(order.patience)
        turns = Turns(order, studies)
        with order.collecting(tell, studies) as tell:
            if isinstance(runner, PoolRunner) and runner.outsources(workers):
                Slots(order, turns, runner, workers, tell).work()
            else:
                _Worker(order, turns, runner, tell).work()
            order.time_out(studies)
        ended = (turns.barred.get(study.question.key) or given_up(study, order) for study in studies)
        return [*unusable.values(), *(failure for failure in ended if failure)]


class _Worker:
    """Makes one trial at a time, here."""

    def __init__(self, order: Order, turns: Turns, runner: Runner, tell: Tell) -> None:
        self.order, self.turns, self.runner, self.tell = order, turns, runner, tell

    def work(self) -> None:
        """Search until every study has its trials, or has been given up, or the time is up."""
        while not self.turns.over:
            if found := self.turns.next():
                self._step(*found)
            else:  # others have the last trials in hand: ready to take over from one that dies
                time.sleep(POLL_SECONDS)

    def _step(self, study: Study, trial: Trial) -> None:
        try:
            self._make(study, trial)
        except (UsageFailure, NotFound) as failure:  # whatever its hyperparameters
            self.turns.bar(study, failure)
        else:
            self.tell(study.standing(self.order.wanted))

    def _make(self, study: Study, trial: Trial) -> None:
        try:
            with study.claims.presence.beating(trial):
                runs = list(self._runs(study.recipes(trial)))
        except RunFailed as failure:
            study.claims.fail(trial.number, failure.message)
        except BaseException:
            study.claims.put_back(trial)
            raise
        else:
            study.finish(trial, runs)

    def _runs(self, recipes: Sequence[Recipe]) -> Iterator[Run]:
        """A run on each original; one that fails or is hopeless spares the others."""
        for recipe in recipes:
            run = self.runner.ensure(recipe)
            yield run
            if run.facts.get(STOPPED):
                return
