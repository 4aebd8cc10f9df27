"""`deepunlearn models`: what can be trained."""

from __future__ import annotations

from deepunlearn_cli.cli.app import app
from deepunlearn_cli.cli.command import Session, register
from deepunlearn_cli.cli.console import Result
from deepunlearn_cli.reporting.table import Column, Table


@register(app, "models", "deepunlearn models", "deepunlearn models --json")
def models(session: Session) -> Result:
    """List the built-in models and the forms that name any other."""
    from deepunlearn_cli.models import FORMS, MODELS

    named = {name: architecture.summary for name, architecture in MODELS.items()}
    rows = [{"name": name, "summary": summary} for name, summary in {**named, **FORMS}.items()]
    columns = [
        Column("name", lambda row: str(row["name"])),
        Column("what it is", lambda row: str(row["summary"])),
    ]
    return Result(tables=[Table("deepunlearn.model/1", "", columns, rows)])
