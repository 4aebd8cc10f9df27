"""What `rank`, `report` and `bench` share: records from the store, tables in a format."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from deepunlearn_cli.cli.console import Result
from deepunlearn_cli.core.errors import NotFound, UsageFailure, unknown
from deepunlearn_cli.reporting.formats import render, stacked

if TYPE_CHECKING:
    from deepunlearn_cli.cli.command import Session
    from deepunlearn_cli.core.shared import Outputs
    from deepunlearn_cli.evaluation.removal import Removal
    from deepunlearn_cli.reporting.records import Pair, Record
    from deepunlearn_cli.reporting.table import Table
    from deepunlearn_cli.store import Store

SIZES, CLASSES = "sizes", "classes"  # tables of several forget sets, and of removed classes
FORMATS = ("table", "markdown", "latex", "csv", "tsv", "json")


def store_records(
    store: Store, dataset: str | None, model: str | None, among: Collection[str] | None = None
) -> list[Record]:
    """Every model run of the store (or of these ids) with its attacks."""
    from deepunlearn_cli.reporting.records import records

    rows = store.rows()
    if among is not None:
        rows = [row for row in rows if row["kind"] == "attack" or row["id"] in among]
    return records(rows, _titles(), dataset, model)


def ulira_splits(store: Store, dataset: str | None, model: str | None) -> list[Record]:
    """Every split of every U-LiRA in the store.

    Raises:
        NotFound: there is none.
    """
    from deepunlearn_cli.reporting.ulira_records import ulira_records

    found = ulira_records(store.rows(kind="attack"), _titles(), dataset, model)
    if not found:
        raise NotFound("no U-LiRA in this store", "deepunlearn attack ulira --method msg,ft --dataset ...")
    return found


def file_records(path: Path, dataset: str | None, model: str | None) -> list[Record]:
    """The figures of a CSV made elsewhere."""
    from deepunlearn_cli.reporting.figures_csv import read

    return read(path, _titles(), dataset, model)


def stored_tables(name: str, store: Store, found: Sequence[Record]) -> list[Table]:
    """The tables of a name, of these records; `classes` looks at what the models said, too.

    Raises:
        NotFound: an unknown name, or nothing to show.
    """
    from deepunlearn_cli.reporting.classes import class_tables
    from deepunlearn_cli.reporting.report import report
    from deepunlearn_cli.reporting.sizes import size_tables

    check_table(name)
    if name == SIZES:
        return size_tables(found)
    if name == CLASSES:
        return class_tables(found, removals(store, found))
    return [report(found, name)]


def check_table(name: str, more: Sequence[str] = ()) -> None:
    """Refuse a table that there is not; `more` are those that only the caller has.

    Raises:
        NotFound: with suggestions.
    """
    from deepunlearn_cli.reporting.report import TABLES

    known = (*TABLES, SIZES, CLASSES, *more)
    if name not in known:
        raise unknown("table", name, known, f"tables: {', '.join(known)}")


def removals(store: Store, found: Sequence[Record]) -> dict[str, Removal]:
    """By run id: what models say of classes that they were to forget as a whole."""
    from deepunlearn_cli.evaluation.removal import removals as read

    groups: dict[Pair, list[str]] = {}
    for record in found:
        if record.usable:
            groups.setdefault(record.pair, []).append(record.id)
    return {
        run_id: one
        for ids in groups.values()
        for run_id, one in read(
            {run_id: partial(_said, store, run_id) for run_id in ids}, partial(_classes, store, ids[0])
        ).items()
    }


def _said(store: Store, run_id: str) -> Outputs:
    return store.find(run_id).outputs()


def _classes(store: Store, run_id: str) -> Sequence[str]:
    from deepunlearn_cli import data

    with suppress(NotFound):  # the pictures are gone, and numbers will do
        return data.load_dataset(store.find(run_id).recipe.data["fingerprint"], store.data).classes
    return ()


def _titles() -> dict[str, str]:
    from deepunlearn_cli.methods import METHODS

    return {name: METHODS.get(name).title for name in METHODS.names()}


def printed(session: Session, tables: Sequence[Table], form: str, out: Path | None) -> Result:
    """Tables for the terminal, or as text in one of `FORMATS`, or in a file."""
    if form not in FORMATS:
        raise UsageFailure(f"--format {form!r} is none of {', '.join(FORMATS)}", "--format markdown, say")
    if form == "table" and not out:
        return Result(tables=tables)
    if form == "table":
        form = {".md": "markdown", ".tex": "latex", ".csv": "csv", ".json": "json"}.get(out.suffix, "tsv")  # type: ignore[union-attr]
    text = "\n".join(render(table, form) for table in (stacked(tables) if form == "csv" else tables))
    return written(text, out)


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
