"""Trials made by several workers at a time: asked and told here, made wherever the runner's workers are.

Workers know nothing of studies: they make the runs of a trial as they make any run. So a search takes no
database, and one on a cluster makes the trials that as many processes of this machine would.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from deepunlearn_cli.core.errors import ExitCode, Failure, NotFound, RunFailed, UsageFailure
from deepunlearn_cli.core.recipe import Recipe
from deepunlearn_cli.execution import code
from deepunlearn_cli.execution.own import usable
from deepunlearn_cli.execution.pool import NODES_BORNE, PoolRunner, work
from deepunlearn_cli.store import Run
from deepunlearn_cli.sweep.order import Order, Tell
from deepunlearn_cli.sweep.study import STOPPED, Study
from deepunlearn_cli.sweep.turns import Turns
from deepunlearn_cli.system.protocol import Asked, Event, Lost, Pool, Told

if TYPE_CHECKING:
    from optuna.trial import Trial

POLL_SECONDS = 0.2  # between looks at trials that others are running
LOSSES_BORNE = 10  # workers that may die in a row before a sweep gives up
DEATHS_BORNE = 2  # of workers over one trial: a third is the trial's own doing (memory, say)
BARRED = {ExitCode.USAGE: UsageFailure, ExitCode.NOT_FOUND: NotFound}  # whatever the hyperparameters


@dataclass(eq=False)
class _Hand:
    """A trial that is being made.

    Attributes:
        left: its runs that are still to be made, in order.
        runs: those that are there.
    """

    study: Study
    trial: Trial
    left: list[Recipe] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    beating: ExitStack = field(default_factory=ExitStack)


class Slots:
    """Up to `size` trials at a time."""

    def __init__(self, order: Order, turns: Turns, runner: PoolRunner, size: int, tell: Tell) -> None:
        self.order, self.turns, self.runner, self.size, self.tell = order, turns, runner, size, tell
        self._idle: dict[int, None] = {}
        self._hands: dict[int, _Hand] = {}  # by worker
        self._orphans: list[_Hand] = []  # whose worker died
        self._alive: list[_Hand] = []
        self._deaths: Counter[tuple[str, int, bool]] = Counter()  # by study, trial, and whether by its own
        self._borne = 0

    def work(self) -> None:
        """Make trials until all is over."""
        self.runner.prepare({one.key: one for one in self._originals()}.values())
        arguments = (str(self.runner.store.root), self.runner.device)
        try:
            with self.runner.pool(self.size) as pool:
                for event in pool.run(work, [arguments] * self.size):
                    self._take(event)
                    if isinstance(event, Lost) and not self._done:
                        pool.start(work, *arguments)
                    self._assign(pool)
        finally:
            for hand in list(self._alive):
                self._put_back(hand)

    def _originals(self) -> Iterator[Recipe]:
        for question in self.order.questions:
            for run in question.runs:
                yield from run.inputs.values()

    @property
    def _done(self) -> bool:
        return self.turns.over and not self._hands and not self._orphans

    def _take(self, event: Event) -> None:
        match event:
            case Asked(worker):
                self._idle[worker] = None
            case Told(worker, words):
                self._borne = 0
                self._hear(worker, words)
            case Lost():
                self._lost(event)

    def _assign(self, pool: Pool) -> None:
        """Give every idle worker what is next; who has none for now waits for the next event."""
        for worker in sorted(self._idle, key=lambda one: one not in self._hands):
            hand = self._hands.get(worker) or self._next()
            while hand is None and not self._hands and not self.turns.over:  # others have the last trials
                time.sleep(POLL_SECONDS)
                hand = self._next()
            if hand:
                self._hands[worker] = hand
                pool.give(worker, hand.left[0].to_json())
            elif self.turns.over and not self._orphans:
                pool.dismiss(worker)
            else:
                return  # nor is there anything for the others
            del self._idle[worker]

    def _next(self) -> _Hand | None:
        """A trial with a run to make; trials whose runs are all there are told at once."""
        while hand := self._orphans.pop() if self._orphans else self._begun():
            if self._goes_on(hand):
                return hand
        return None

    def _begun(self) -> _Hand | None:
        found = self.turns.next()
        if found is None:
            return None
        study, trial = found
        hand = _Hand(study, trial)
        self._alive.append(hand)
        hand.beating.enter_context(study.claims.presence.beating(trial))
        hand.left = study.recipes(trial)
        return hand

    def _goes_on(self, hand: _Hand) -> bool:
        """Take up the runs that the store has; False once the trial has ended."""
        while hand.left and (run := self.runner.store.get(hand.left[0].key)):
            try:
                code.check(run)
                usable(run)
            except RunFailed as failure:
                self._fail(hand, failure.message)
                return False
            except UsageFailure as failure:
                self._bar(hand, failure)
                return False
            hand.runs.append(run)
            del hand.left[0]
            if run.facts.get(STOPPED):  # hopeless: that spares the others
                hand.left.clear()
        if hand.left:
            return True
        hand.study.finish(hand.trial, hand.runs)
        self._end(hand)
        self.tell(hand.study.standing(self.order.wanted))
        return False

    def _hear(self, worker: int, words: tuple[Any, ...]) -> None:
        """What became of the run that a worker has in hand; how far it is, nobody asks."""
        match words:
            case ("ended", _):
                if not self._goes_on(self._hands[worker]):
                    del self._hands[worker]
            case ("failed", message, hint, why):
                self._failed(self._hands.pop(worker), message, hint, ExitCode(why))

    def _failed(self, hand: _Hand, message: str, hint: str, why: ExitCode) -> None:
        if why == ExitCode.PARTLY_FAILED:
            self._fail(hand, message)
            return
        if why not in BARRED:
            raise Failure(message, hint)
        self._bar(hand, BARRED[why](message, hint))

    def _bar(self, hand: _Hand, failure: Failure) -> None:
        self._put_back(hand)
        self.turns.bar(hand.study, failure)

    def _put_back(self, hand: _Hand) -> None:
        self._end(hand)
        hand.study.claims.put_back(hand.trial)

    def _fail(self, hand: _Hand, reason: str) -> None:
        self._end(hand)
        hand.study.claims.fail(hand.trial.number, reason)
        self.tell(hand.study.standing(self.order.wanted))

    def _lost(self, lost: Lost) -> None:
        self._idle.pop(lost.worker, None)
        self._borne += 1
        if self._borne > LOSSES_BORNE:
            raise Failure(f"{self._borne} worker processes died: {lost.reason}", "try fewer --jobs")
        hand = self._hands.pop(lost.worker, None)
        if hand is None:
            return
        name = (hand.study.question.key, hand.trial.number, lost.own)
        self._deaths[name] += 1
        borne, whose = (DEATHS_BORNE, "worker") if lost.own else (NODES_BORNE, "worker's machine")
        if self._deaths[name] > borne:
            self._fail(hand, f"its {whose} died {self._deaths[name]} times (out of memory?)")
        else:
            self._orphans.append(hand)

    def _end(self, hand: _Hand) -> None:
        self._alive.remove(hand)
        hand.beating.close()
