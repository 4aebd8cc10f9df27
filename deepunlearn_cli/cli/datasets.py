"""`deepunlearn datasets`: what can be trained on."""

from __future__ import annotations

from deepunlearn_cli.cli.app import app
from deepunlearn_cli.cli.command import Session, register
from deepunlearn_cli.cli.console import Result
from deepunlearn_cli.reporting.table import Column, Table


@register(app, "datasets", "deepunlearn datasets", "deepunlearn datasets --json")
def datasets(session: Session) -> Result:
    """List the datasets and where their files come from."""
    from deepunlearn_cli.data import list_families

    columns = [
        Column("name", lambda row: str(row["name"])),
        Column("pixels", lambda row: str(row["size"] or "own"), right=True),
        Column("classes", lambda row: str(row["classes"] or "own"), right=True),
        Column("what it is", lambda row: str(row["summary"])),
        Column("files", lambda row: str(row["source"])),
    ]
    return Result(tables=[Table("deepunlearn.dataset/1", "", columns, list_families())])
