"""The search: workers that claim trials, make them, and tell what they found, until enough are complete."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deepunlearn_cli.core.errors import Failure, NotFound, RunFailed, UsageFailure
from deepunlearn_cli.execution.runner import Runner
from deepunlearn_cli.store import Store
from deepunlearn_cli.sweep import opening
from deepunlearn_cli.sweep.collection import collection_of
from deepunlearn_cli.sweep.presence import Presence, present
from deepunlearn_cli.sweep.question import Question
from deepunlearn_cli.sweep.storage import journal_of, made, open_storage
from deepunlearn_cli.sweep.study import STOPPED, Study, StudyProgress
from deepunlearn_cli.system.processes import ProcessPool
from deepunlearn_cli.system.protocol import Ended, Link, Lost, Told

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from optuna.trial import Trial

    from deepunlearn_cli.core.recipe import Recipe
    from deepunlearn_cli.store import Run

POLL_SECONDS = 0.2  # between looks at trials that others are running
LOSSES_BORNE = 10  # worker processes that may die in a row before a sweep gives up

Tell = Callable[[StudyProgress], None]
Barred = dict[str, Failure]  # by key of a study: why its method cannot act here at all


@dataclass(frozen=True)
class Order:
    """What a search is to do. Plain data: it travels to worker processes.

    Attributes:
        address: of the storage; None for a journal per study in the store.
        wanted: complete trials per study.
        deadline: no trial is begun after it, in seconds since the epoch; None for none.
        patience: failed trials in a row that end a study's search.
    """

    questions: tuple[Question, ...]
    store: str
    address: str | None
    device: str
    wanted: int
    deadline: float | None
    patience: int

    def open(self, presence: Presence) -> list[Study]:
        """The study of every question; `UsageFailure` as `Study` and `open_storage` tell."""
        shared = open_storage(self.address) if self.address else None
        return [Study(question, shared or self._journal(question), presence) for question in self.questions]

    @property
    def keys(self) -> list[str]:
        """Of the studies."""
        return [question.key for question in self.questions]

    @property
    def folder(self) -> Path:
        """Of the store's studies."""
        return Store(Path(self.store)).studies

    @contextmanager
    def collecting(self, tell: Tell, studies: Sequence[Study]) -> Iterator[Tell]:
        """`tell`, which also keeps the store's one storage of all studies up to date; so does the end."""
        collection = None if self.address else collection_of(self.folder)
        yield collection.beside(tell, studies) if collection else tell
        if collection:
            collection.update(studies)

    def collect(self, studies: Sequence[Study]) -> None:
        """Bring the store's one storage of all studies up to date; a database is one itself."""
        if not self.address:
            collection_of(self.folder).update(studies)

    def existing(self, question: Question) -> Study | None:
        """The study of a question as far as it is, if it was begun; nothing is made."""
        address = self.address or journal_of(self.folder, question.key)
        if not made(address):
            return None
        storage = open_storage(address)
        begun = opening.name_in(storage, question.key)
        return Study(question, storage, Presence(None)) if begun else None

    def late(self) -> bool:
        """Whether the time is up."""
        return self.deadline is not None and time.time() >= self.deadline

    def _journal(self, question: Question) -> BaseStorage:
        return open_storage(journal_of(self.folder, question.key))


def search(order: Order, workers: int, runner: Runner, tell: Tell) -> list[Failure]:
    """Have every study reach the number of complete trials that was ordered, unless the time is up.

    Every method gets its next trial in turn, so that they stay equal whenever a search ends.

    Args:
        workers: 1 to search here with `runner`, more for as many processes that share the threads.

    Returns:
        A failure for each study that was ended: by failed trials in a row, or because its method cannot
        act here (on this architecture, say).

    Raises:
        UsageFailure: storage that cannot be used.
    """
    with present(order.folder, order.keys) as presence:
        studies = order.open(presence)
        if all(study.reached(order.wanted) for study in studies):
            return []
        for study in studies:
            study.forgive(order.patience)
        with order.collecting(tell, studies) as tell:
            if workers == 1:
                barred = _Worker(order, studies, runner, tell).work()
            else:
                barred = _in_processes(order, presence, workers, tell)
        ended = (barred.get(study.question.key) or _given_up(study, order) for study in studies)
        return [failure for failure in ended if failure]


def serve(link: Link, order: Order, parent: str | None) -> Barred:
    """The main function of a worker process; `parent` is the lock of the command."""
    with present(order.folder, order.keys, parent) as presence:
        runner = Runner(Store(Path(order.store)), order.device, sharing=link.workers)
        return _Worker(order, order.open(presence), runner, link.tell).work()


def _in_processes(order: Order, presence: Presence, workers: int, tell: Tell) -> Barred:
    borne, parent = 0, presence.claim["lock"]
    barred: Barred = {}
    with ProcessPool(workers) as pool:
        for event in pool.run(serve, [(order, parent)] * workers):
            if isinstance(event, Told):
                borne = 0
                tell(event.message)
            elif isinstance(event, Ended):
                barred |= event.result
            elif isinstance(event, Lost):
                borne += 1
                if borne > LOSSES_BORNE:
                    raise Failure(f"{borne} worker processes died: {event.reason}", "try fewer --jobs")
                pool.start(serve, order, parent)
    return barred


def _given_up(study: Study, order: Order) -> RunFailed | None:
    reasons = study.failures()
    if len(reasons) < order.patience or study.reached(order.wanted):
        return None
    message = (
        f"{study.question.method}: the last {len(reasons)} trials failed, the newest because {reasons[0]}"
    )
    return RunFailed(message, f"the same command tries {order.patience} more; -p NAME=VALUE fixes a value")


class _Worker:
    """One of those who search: takes the study that is furthest behind, again and again."""

    def __init__(self, order: Order, studies: Sequence[Study], runner: Runner, tell: Tell) -> None:
        self.order, self.runner, self.tell = order, runner, tell
        self._open = {study.question.key: study for study in studies}
        self._taken = {key: study.taken() for key, study in self._open.items()}  # when last looked at
        self._barred: Barred = {}

    def work(self) -> Barred:
        """Search until every study has its trials, or has been given up, or the time is up."""
        while self._open and not self.order.late():
            key = min(self._open, key=self._taken.__getitem__)
            if not self._step(key, self._open[key]):
                self._rest()
        return self._barred

    def _step(self, key: str, study: Study) -> bool:
        """Make a trial of the study; False if there was none to make."""
        self._taken[key] = study.taken()
        if study.reached(self.order.wanted) or _given_up(study, self.order):
            del self._open[key]
            return True
        trial = study.claim(self.order.wanted)
        if trial is None:
            self._taken[key] = self.order.wanted  # as far as we are concerned
            return False
        self._taken[key] += 1
        try:
            self._make(study, trial)
        except (UsageFailure, NotFound) as failure:  # whatever its hyperparameters
            text = f"{study.question.method}: {failure.message}"
            self._barred[key] = type(failure)(text, failure.hint)
            del self._open[key]
        else:
            self.tell(study.standing(self.order.wanted))
        return True

    def _rest(self) -> None:
        """Others have the last trials in hand: wait, ready to take over from one that dies."""
        if min(self._taken.values()) >= self.order.wanted:
            time.sleep(POLL_SECONDS)
            self._taken = {key: study.taken() for key, study in self._open.items()}

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
            of = study.question.losses([run.scores for run in runs])
            study.complete(trial, of, [run.facts for run in runs])

    def _runs(self, recipes: Sequence[Recipe]) -> Iterator[Run]:
        """A run on each original; one that fails or is hopeless spares the others."""
        for recipe in recipes:
            run = self.runner.ensure(recipe)
            yield run
            if run.facts.get(STOPPED):
                return
