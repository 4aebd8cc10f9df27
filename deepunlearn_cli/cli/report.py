"""`deepunlearn report`: Table 2, the scores, Table 1."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from deepunlearn_cli.cli import options as o
from deepunlearn_cli.cli.app import app
from deepunlearn_cli.cli.command import Session, register
from deepunlearn_cli.cli.console import Result
from deepunlearn_cli.cli.parameter import option
from deepunlearn_cli.cli.ranking import FORMATS, printed, store_records


@register(
    app,
    "report",
    "deepunlearn report",
    "deepunlearn report --table scores --dataset cifar10",
    "deepunlearn report --table scores --json | jq 'select(.method==\"msg\")'",
)
def report(
    session: Session,
    table: Annotated[str, option(help="2 (run-time efficiency), scores, retention, or 1 (ranking).")] = "2",
    dataset: o.DatasetFilter = None,
    model: o.ModelFilter = None,
    format: Annotated[str, option("--format", help=" · ".join(FORMATS))] = "table",
    out: Annotated[Path | None, option(help="Write to this file.")] = None,
) -> Result:
    """Run-time efficiency against retraining (Table 2), or the scores behind the ranking."""
    from deepunlearn_cli.tables.report import report as reported

    found = store_records(session.store(), dataset, model)
    return printed(session, [reported(found, table)], format, out)
