"""`deepunlearn attacks`: the attacks and their options."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

from deepunlearn_cli.cli import installed
from deepunlearn_cli.cli.app import app
from deepunlearn_cli.cli.command import Session, register
from deepunlearn_cli.cli.console import Result
from deepunlearn_cli.cli.methods import field_table
from deepunlearn_cli.cli.parameter import argument
from deepunlearn_cli.reporting.table import Column, Table

if TYPE_CHECKING:
    from deepunlearn_cli.attacks import Attack


def _names(incomplete: str) -> list[str]:
    from deepunlearn_cli.attacks import ATTACKS

    return [name for name in (*ATTACKS.names(), *ATTACKS.installed()) if name.startswith(incomplete)]


@register(app, "attacks", "deepunlearn attacks", "deepunlearn attacks umia", "deepunlearn attacks ./mine.py")
def attacks(
    session: Session,
    name: Annotated[str | None, argument(help="An attack.", autocompletion=_names)] = None,
) -> Result:
    """List the attacks, or show one with its options."""
    from deepunlearn_cli.attacks import ATTACKS

    if name:
        return Result(tables=[_card(ATTACKS.get(name))])
    rows = installed.rows_of(ATTACKS, _facts, {"title": "", "summary": ""})
    columns = [
        Column("name", lambda row: str(row["name"])),
        Column("title", lambda row: str(row["title"])),
        Column("what it does", lambda row: str(row["fault"] or row["summary"])),
    ]
    notes = list(installed.notes(ATTACKS))
    return Result(tables=[Table("deepunlearn.attack/1", "", installed.columns(columns, rows), rows, notes)])


def _facts(attack: type[Attack]) -> dict[str, str]:
    return {"title": attack.title, "summary": attack.summary}


def _card(attack: type[Attack]) -> Table:
    """An attack's options, how it works, and what a verdict on it may go by."""
    table = field_table(attack, f"{attack.title}: {attack.summary}")
    columns = [
        Column("option", lambda row: f"--{str(row['name']).replace('_', '-')}"),
        *(column for column in table.columns[1:] if column.header != "sweep"),
    ]
    goes_by = f"a verdict goes by all of {', '.join(attack.metrics())} (--metric: by some)"
    return replace(table, columns=columns, notes=[*table.notes, goes_by, *installed.origin_note(attack)])
