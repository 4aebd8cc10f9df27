"""Every study of a store in one Optuna storage, `studies/all.journal`: for Optuna's own tools, and people.

It is derived, and may be deleted at any time. A search works on a journal of its study alone: it is under way
at once, however many studies the store has (guide, Tuning), and its workers hold one study in memory. What is
collected is a line per finished trial, which loads three times as fast as the lines that made it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.sweep import losses, opening
from deepunlearn_cli.sweep.stated import studies_in
from deepunlearn_cli.sweep.storage import ALL, JOURNAL, journals, open_storage
from deepunlearn_cli.system.locks import hold

if TYPE_CHECKING:
    from optuna import Study as OptunaStudy
    from optuna.storages import BaseStorage

    from deepunlearn_cli.sweep.study import Study

EASE = 20  # times as long as it last took is nothing collected, at least
PAUSE = 5.0  # seconds, likewise
SIZE = "journal_bytes"  # attribute of a collected study: of its journal, when it was last looked at


class Collection:
    """The collected studies of a store.

    Args:
        folder: of the store's studies, one journal each.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._storage: BaseStorage | None = None
        self._file = 0  # which that was read of, should another have taken its place
        self._next = 0.0

    def update(self, opened: Iterable[Study] = ()) -> None:
        """Collect what is new; `opened` are studies that need not be read from their journals again.

        Finished trials come over in order, up to the first that is still being made: numbers stay the same.
        Where the file cannot be written it stays as it is: no search ends for that.
        """
        began = time.monotonic()
        at_hand = {study.question.key: study.optuna for study in opened}
        with suppress(OSError, UsageFailure), hold(self._folder / f".{ALL}.collecting") as locked:
            if locked:
                self._update(at_hand)
        now = time.monotonic()
        self._next = now + max(PAUSE, EASE * (now - began))

    def beside(self, tell: Callable[..., None], opened: Iterable[Study]) -> Callable[..., None]:
        """`tell`, which then also collects now and then."""

        def telling(*told: object) -> None:
            tell(*told)
            if time.monotonic() >= self._next:
                self.update(opened)

        return telling

    def _update(self, at_hand: Mapping[str, OptunaStudy]) -> None:
        storage = self._open()
        known = {opening.key_of(study): study for study in studies_in(storage)}
        there = {path.stem: path for path in journals(self._folder)}
        for key in known.keys() - there.keys():
            storage.delete_study(known[key]._study_id)
        for key, path in there.items():
            size = path.stat().st_size
            mine = known.get(key)
            if mine is None or mine.user_attrs.get(SIZE) != size:
                theirs = at_hand.get(key) or _only(path)
                if theirs is not None:
                    _copy(theirs, mine, storage).set_user_attr(SIZE, size)

    def _open(self) -> BaseStorage:
        """The storage; begun anew where the file cannot be read."""
        path = self._folder / ALL
        if self._storage is None or not path.exists() or path.stat().st_ino != self._file:
            try:
                self._storage = open_storage(f"{JOURNAL}{path}")
            except UsageFailure:
                path.unlink()
                self._storage = open_storage(f"{JOURNAL}{path}")
            self._file = path.stat().st_ino
        return self._storage


@cache
def collection_of(folder: Path) -> Collection:
    """The one of this process: what it read once it need not read again."""
    return Collection(folder)


def _only(path: Path) -> OptunaStudy | None:
    """The study of a journal; None where there is none that can be read."""
    with suppress(UsageFailure):
        return next(studies_in(open_storage(f"{JOURNAL}{path}")), None)
    return None


def _copy(theirs: OptunaStudy, mine: OptunaStudy | None, storage: BaseStorage) -> OptunaStudy:
    """A study brought up to date in the collection; one that was begun anew since is begun anew."""
    trials = theirs.get_trials(deepcopy=False)
    if mine is not None and not _continues([t.datetime_start for t in trials], mine):
        storage.delete_study(mine._study_id)
        mine = None
    mine = mine or _begun(theirs, storage)
    attrs = mine.user_attrs
    for name, value in theirs.user_attrs.items():
        if attrs.get(name) != value:
            mine.set_user_attr(name, value)
    for trial in trials[len(mine.get_trials(deepcopy=False)) :]:
        if not trial.state.is_finished():
            break
        mine.add_trial(trial)
    return mine


def _continues(starts: list[object], mine: OptunaStudy) -> bool:
    seen = [trial.datetime_start for trial in mine.get_trials(deepcopy=False)]
    return len(seen) <= len(starts) and seen[:1] == starts[: len(seen[:1])]


def _begun(theirs: OptunaStudy, storage: BaseStorage) -> OptunaStudy:
    import optuna

    name = opening.title(theirs.user_attrs, opening.key_of(theirs))
    study = optuna.create_study(storage=storage, study_name=name, directions=theirs.directions)
    names = theirs.metric_names or (losses.NAMES if len(theirs.directions) > 1 else (losses.NORM,))
    opening.name_metrics(study, names)
    return study
