"""What tables are made of: the runs of a store, or a file of figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from deepunlearn_cli.core.errors import NotFound
from deepunlearn_cli.core.plugins import is_name
from deepunlearn_cli.reporting.titles import of_plugins, told_apart

if TYPE_CHECKING:
    from deepunlearn_cli.cli.command import Session
    from deepunlearn_cli.core.rows import IndexRow
    from deepunlearn_cli.core.shared import Outputs
    from deepunlearn_cli.evaluation.removal import Removal
    from deepunlearn_cli.reporting.records import PairKey, Record
    from deepunlearn_cli.reporting.table import Row
    from deepunlearn_cli.store import Store
    from deepunlearn_cli.studies.distances import Distances


@dataclass
class Source:
    """What tables are made of; everything is read when a table first needs it.

    `among` are the ids of the model runs that count, None for all; `database` is where the sweeps' studies
    are, unless they are in the store; `file` is a CSV of figures that takes the place of the store.
    """

    session: Session
    dataset: str | None = None
    model: str | None = None
    among: Collection[str] | None = None
    database: str | None = None
    file: Path | None = None

    @cached_property
    def store(self) -> Store:
        """The store."""
        return self.session.store()

    @cached_property
    def records(self) -> list[Record]:
        """Every model run with its attacks, and what models said at hand; or every row of the file."""
        from deepunlearn_cli.reporting.csv_records import read
        from deepunlearn_cli.reporting.outputs import Reader
        from deepunlearn_cli.reporting.records import records

        known, classes = titles(), class_counts()
        if self.file:
            return read(self.file, known, self.dataset, self.model, classes)
        rows = self.store.rows()
        known |= of_plugins(rows)
        if self.among is not None:
            rows = [row for row in rows if row["kind"] == "attack" or row["id"] in self.among]
        strangers = Counter(row["name"] for row in rows if _is_strange(row, known))
        for name, count in strangers.items():
            self.session.console.warn(f"left out: {count} runs of {name}, which is no method of this version")
        rows = [row for row in rows if not _is_strange(row, known)]
        reader = Reader(partial(_outputs, self.store))
        return records(rows, known, self.dataset, self.model, reader, classes)

    @cached_property
    def removals(self) -> dict[str, Removal]:
        """By run id: what models say of classes that they were to forget as a whole."""
        from deepunlearn_cli.evaluation.removal import removals

        ids: dict[PairKey, list[str]] = {}
        for record in self.records:
            if record.usable:
                ids.setdefault(record.pair_key, []).append(record.id)
        return {
            run_id: removal
            for group in ids.values()
            for run_id, removal in removals(
                {run_id: partial(_outputs, self.store, run_id) for run_id in group},
                partial(_classes, self.store, group[0]),
            ).items()
        }

    @cached_property
    def distances(self) -> Distances:
        """How far models lie apart in their weights."""
        from deepunlearn_cli.studies.distances import distances

        with self.session.runner("cpu", create=False) as runner:
            return distances(self.records, runner)

    @cached_property
    def sweeps(self) -> Sequence[Row]:
        """A row per study; of those that have some of the runs, where these are given."""
        from deepunlearn_cli.sweep import summaries

        rows = summaries(self.store.studies, self.database)
        ours = None if self.among is None else {(record.dataset, record.model) for record in self.records}
        return [
            row
            for row in rows
            if self.dataset in (None, row["dataset"])
            and self.model in (None, row["model"])
            and (ours is None or (row["dataset"], row["model"]) in ours)
        ]


def _is_strange(row: IndexRow, known: Collection[str]) -> bool:
    """Whether a run was unlearned by what is no method here: nobody knows if it is a control."""
    return row["kind"] == "unlearn" and row["name"] not in known


def _outputs(store: Store, run_id: str) -> Outputs:
    return store.find(run_id).outputs()


def _classes(store: Store, run_id: str) -> Sequence[str]:
    from deepunlearn_cli import data

    with suppress(NotFound):  # the pictures are gone, and numbers will do
        return data.load_dataset(store.find(run_id).recipe.data["fingerprint"], store.data).classes
    return ()


def titles() -> dict[str, str]:
    """What people read, by public name of a method here."""
    from deepunlearn_cli.methods import METHODS

    return {name: kind.title for name, kind in METHODS.residents().items()}


def title(name: str) -> str:
    """The same of one method that is here, a plug-in too."""
    from deepunlearn_cli.methods import METHODS

    own = METHODS.needed(name).title
    return told_apart({name: own})[name] if is_name(name) else own


def class_counts() -> dict[str, int]:
    """The number of classes, by dataset that has always the same."""
    from deepunlearn_cli.data import list_families

    return {row["name"]: row["classes"] for row in list_families() if row["classes"]}
