"""`deepunlearn datasets`: what can be trained on."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Annotated, Any

from deepunlearn_cli.cli import installed
from deepunlearn_cli.cli.app import app
from deepunlearn_cli.cli.command import Session, register
from deepunlearn_cli.cli.console import Result
from deepunlearn_cli.cli.options import complete_datasets
from deepunlearn_cli.cli.parameter import argument
from deepunlearn_cli.reporting.table import Column, Table

if TYPE_CHECKING:
    from deepunlearn_cli.data import Family

UNKNOWN = {"summary": "", "size": None, "classes": None, "source": "", "takes": ""}


@register(
    app, "datasets", "deepunlearn datasets", "deepunlearn datasets folder", "deepunlearn datasets ./mine.py"
)
def datasets(
    session: Session,
    name: Annotated[
        str | None,
        argument(metavar="NAME", help="A dataset.", autocompletion=complete_datasets),
    ] = None,
) -> Result:
    """List the datasets and where their files come from, or show one."""
    from deepunlearn_cli.data import FAMILIES, kind_of

    if name is None:
        rows = [_spelt(row) for row in installed.rows_of(FAMILIES, _facts, UNKNOWN)]
        return Result(tables=[_table(rows, list(installed.notes(FAMILIES)))])
    word, kind = kind_of(name)
    row = {"name": word, **_facts(kind), "from": installed.OWN, "fault": ""}
    about = " ".join((inspect.getdoc(kind) or "").split())
    return Result(tables=[_table([_spelt(row)], [about, *installed.origin_note(kind)])])


def _facts(kind: type[Family]) -> dict[str, Any]:
    return {name: getattr(kind, name) for name in UNKNOWN}


def _spelt(row: dict[str, Any]) -> dict[str, Any]:
    takes = row.pop("takes")
    return row | {"name": f"{row['name']}:{takes}" if takes else row["name"]}


def _table(rows: list[dict[str, Any]], notes: list[str]) -> Table:
    columns = [
        Column("name", lambda row: str(row["name"])),
        Column("pixels", lambda row: str(row["size"] or "own"), right=True),
        Column("classes", lambda row: str(row["classes"] or "own"), right=True),
        Column("what it is", lambda row: str(row["fault"] or row["summary"])),
        Column("files", lambda row: str(row["source"])),
    ]
    return Table("deepunlearn.dataset/1", "", installed.columns(columns, rows), rows, notes)
