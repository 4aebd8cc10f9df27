"""The order of a search: which questions, how many trials of each, until when, and where all is kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deepunlearn_cli.core.errors import Failure, UsageFailure
from deepunlearn_cli.store import Store
from deepunlearn_cli.sweep import opening
from deepunlearn_cli.sweep.collection import collection_of
from deepunlearn_cli.sweep.presence import Presence
from deepunlearn_cli.sweep.question import Question
from deepunlearn_cli.sweep.storage import journal_of, made, open_storage
from deepunlearn_cli.sweep.study import Study, StudyProgress

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

Tell = Callable[[StudyProgress], None]
Barred = dict[str, Failure]  # by key of a study: why it cannot be searched at all


@dataclass(frozen=True)
class Order:
    """What a search is to do.

    Attributes:
        address: of the storage; None for a journal per study in the store.
        wanted: complete trials per study.
        deadline: no trial is begun after it, in seconds since the epoch; None for none.
        patience: failed trials in a row that end a study's search.
        seconds: of a plan's search: a study that as many ended once is not searched on (None: always on).
    """

    questions: tuple[Question, ...]
    store: str
    address: str | None
    wanted: int
    deadline: float | None
    patience: int
    seconds: float | None = None

    def open(self, presence: Presence, barred: Barred) -> list[Study]:
        """The study of every question, less those whose journal or search space bars it.

        Args:
            barred: where what is wrong with one is kept, by its key.

        Raises:
            UsageFailure: the one storage of all cannot be used.
        """
        shared = open_storage(self.address) if self.address else None
        studies = []
        for question in self.questions:
            try:
                studies.append(Study(question, shared or self._journal(question), presence))
            except UsageFailure as failure:
                barred[question.key] = failure
        return studies

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

    def ended(self, study: Study) -> bool:
        """Whether there is nothing left to search."""
        return study.reached(self.wanted) or study.timed_out(self.seconds)

    def time_out(self, studies: Sequence[Study]) -> None:
        """Keep which studies the time has ended."""
        for study in studies if self.seconds and self.late() else ():
            if not self.ended(study):
                study.time_out(self.seconds or 0.0)

    def late(self) -> bool:
        """Whether the time is up."""
        return self.deadline is not None and time.time() >= self.deadline

    def _journal(self, question: Question) -> BaseStorage:
        return open_storage(journal_of(self.folder, question.key))
