"""`deepunlearn rank`: Table 1."""

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
    "rank",
    "deepunlearn rank",
    "deepunlearn rank --dataset cifar10 --model resnet18 --metric retdev",
    "deepunlearn rank --format markdown --out ranking.md",
)
def rank(
    session: Session,
    dataset: o.DatasetFilter = None,
    model: o.ModelFilter = None,
    metric: Annotated[
        str | None, option(help="retdev or indisc. (default: both)", show_default=False)
    ] = None,
    linkage: Annotated[str, option(help="ward, average, complete or single.")] = "ward",
    format: Annotated[str, option("--format", help=" · ".join(FORMATS))] = "table",
    out: Annotated[Path | None, option(help="Write to this file.")] = None,
) -> Result:
    """Rank the methods in the store by retention deviation and by indiscernibility (Table 1)."""
    from deepunlearn_cli.tables.rank import MEASURES
    from deepunlearn_cli.tables.rank import rank as ranked

    found = store_records(session.store(), dataset, model)
    table = ranked(found, [metric] if metric else list(MEASURES), linkage)
    return printed(session, [table], format, out)
