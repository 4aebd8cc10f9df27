"""Tables of a store: the one list that `report --table` and plans go by, and how tables are printed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from deepunlearn_cli.cli.console import Result
from deepunlearn_cli.cli.parameter import option
from deepunlearn_cli.core.errors import NotFound, UsageFailure, unknown
from deepunlearn_cli.reporting.formats import FORMATS, format_of, render_all

if TYPE_CHECKING:
    from deepunlearn_cli.cli.command import Session
    from deepunlearn_cli.core.rows import IndexRow
    from deepunlearn_cli.core.shared import Outputs
    from deepunlearn_cli.evaluation.removal import Removal
    from deepunlearn_cli.reporting.records import PairKey, Record
    from deepunlearn_cli.reporting.table import Row, Table
    from deepunlearn_cli.store import Store
    from deepunlearn_cli.studies.distances import Distances

TERMINAL = "table"  # the format that suits who reads: a table for people, lines for a pipe


def completer(names: Iterable[str]) -> Callable[[str], list[str]]:
    """Shell completion from a list of names."""
    known = list(names)
    return lambda incomplete: [name for name in known if name.startswith(incomplete)]


FormatOption = Annotated[
    str,
    option(
        "--format",
        metavar="NAME",
        help=f"{', '.join([TERMINAL, *FORMATS])}.",
        autocompletion=completer([TERMINAL, *FORMATS]),
    ),
]
OutOption = Annotated[
    Path | None,
    option(
        "--out", metavar="FILE", help="Write to this file, in the format of its suffix unless --format says."
    ),
]


@dataclass
class Source:
    """What tables are made of; everything is read when a table first needs it.

    `among` are the ids of the model runs that count, None for all; `database` is where the sweeps' studies
    are, unless they are in the store.
    """

    session: Session
    dataset: str | None = None
    model: str | None = None
    among: Collection[str] | None = None
    database: str | None = None

    @cached_property
    def store(self) -> Store:
        """The store."""
        return self.session.store()

    @cached_property
    def records(self) -> list[Record]:
        """Every model run with its attacks, and what models said at hand."""
        from deepunlearn_cli.reporting.outputs import Reader
        from deepunlearn_cli.reporting.records import records

        rows, known = self.store.rows(), titles()
        if self.among is not None:
            rows = [row for row in rows if row["kind"] == "attack" or row["id"] in self.among]
        strangers = Counter(row["name"] for row in rows if _is_strange(row, known))
        for name, count in strangers.items():
            self.session.console.warn(f"left out: {count} runs of {name}, which is no method of this version")
        rows = [row for row in rows if not _is_strange(row, known)]
        return records(rows, known, self.dataset, self.model, Reader(partial(_outputs, self.store)))

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
    """What people read, by public name of a method."""
    from deepunlearn_cli.methods import METHODS

    return {name: METHODS.get(name).title for name in METHODS.names()}


@dataclass(frozen=True)
class Choice:
    """A name that `--table` and plans take, what it shows, and how it is made of a source."""

    name: str
    meaning: str
    make: Callable[[Source], list[Table]]


def _ranking(source: Source) -> list[Table]:
    from deepunlearn_cli.reporting.rank import rank

    return [rank(source.records)]


def _efficiency(source: Source) -> list[Table]:
    from deepunlearn_cli.reporting.efficiency import efficiency_table

    return [efficiency_table(source.records)]


def _scores(source: Source) -> list[Table]:
    from deepunlearn_cli.reporting.scores import scores_table

    return [scores_table(source.records)]


def _retention(source: Source) -> list[Table]:
    from deepunlearn_cli.reporting.scores import retention_table

    return [retention_table(source.records)]


def _sizes(source: Source) -> list[Table]:
    from deepunlearn_cli.reporting.forget_sizes import size_tables

    return size_tables(source.records)


def _classes_removed(source: Source) -> list[Table]:
    from deepunlearn_cli.reporting.removed_classes import class_tables

    return class_tables(source.records, source.removals)


def _weights(source: Source) -> list[Table]:
    from deepunlearn_cli.reporting.weight_distances import weights_table

    return [weights_table(source.records, source.distances.runs, source.distances.floors)]


def _sweeps(source: Source) -> list[Table]:
    from deepunlearn_cli.reporting.sweeps import sweep_table

    return [sweep_table(source.sweeps)]


TABLES = {
    choice.name: choice
    for choice in (
        Choice("1", "ranking", _ranking),
        Choice("2", "run-time efficiency", _efficiency),
        Choice("scores", "accuracies", _scores),
        Choice("retention", "against the retrained models", _retention),
        Choice("sizes", "by size of the forget set", _sizes),
        Choice("classes", "removed classes", _classes_removed),
        Choice("weights", "weight distances", _weights),
        Choice("sweep", "searches", _sweeps),
    )
}


def check_table(name: str) -> None:
    """Refuse a table that there is not.

    Raises:
        NotFound: with suggestions.
    """
    if name not in TABLES:
        raise unknown("table", name, TABLES, f"tables: {', '.join(TABLES)}")


def printed(tables: Sequence[Table], form: str, out: Path | None) -> Result:
    """Tables for the terminal, or as text in one of `FORMATS`, or in a file.

    Raises:
        UsageFailure: no such format, or the file cannot be written.
    """
    chosen = chosen_format(form, out)
    return written(render_all(tables, chosen), out) if chosen else Result(tables=tables)


def chosen_format(form: str, out: Path | None) -> str | None:
    """The format asked for, or that of the file's suffix; None for a terminal's table.

    Raises:
        UsageFailure: no such format.
    """
    if form == TERMINAL:
        return format_of(out) if out else None
    if form not in FORMATS:
        known = ", ".join([TERMINAL, *FORMATS])
        raise UsageFailure(f"--format {form!r} is none of {known}", "--format markdown, say")
    return form


def written(text: str, out: Path | None) -> Result:
    """Text on stdout, or in a file.

    Raises:
        UsageFailure: the file cannot be written.
    """
    if not out:
        return Result(text=text)
    try:
        out.expanduser().write_text(text if text.endswith("\n") else text + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageFailure(f"cannot write --out {out}: {error.strerror}", "choose another file") from None
    return Result(notes=[f"wrote {out}"])
