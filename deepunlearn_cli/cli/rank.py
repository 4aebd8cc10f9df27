"""`deepunlearn rank`: Table 1."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from deepunlearn_cli.cli import options as o
from deepunlearn_cli.cli.app import app
from deepunlearn_cli.cli.command import Session, register
from deepunlearn_cli.cli.console import Result
from deepunlearn_cli.cli.parameter import option
from deepunlearn_cli.cli.ranking import FORMATS, file_records, printed, store_records, ulira_splits


@register(
    app,
    "rank",
    "deepunlearn rank",
    "deepunlearn rank --dataset cifar10 --model resnet18 --metric retdev",
    "deepunlearn rank --metric ulira    # what `attack ulira` found",
    "deepunlearn rank --format markdown --out ranking.md",
    "deepunlearn rank --from figures.csv --linkage average",
)
def rank(
    session: Session,
    dataset: o.DatasetFilter = None,
    model: o.ModelFilter = None,
    metric: Annotated[
        str | None, option(help="retdev, indisc, tow or ulira. (default: the first two)", show_default=False)
    ] = None,
    linkage: Annotated[str, option(help="ward, average, complete or single.")] = "ward",
    format: Annotated[str, option("--format", help=" · ".join(FORMATS))] = "table",
    out: Annotated[Path | None, option(help="Write to this file.")] = None,
    source: Annotated[
        Path | None,
        option("--from", help="Rank the figures of a CSV instead of the store's (README: columns)."),
    ] = None,
) -> Result:
    """Rank the methods in the store by retention deviation and by indiscernibility (Table 1)."""
    from deepunlearn_cli.reporting.rank import BOTH
    from deepunlearn_cli.reporting.rank import rank as ranked

    if source:
        found = file_records(source, dataset, model)
    else:
        read = ulira_splits if metric == "ulira" else store_records
        found = read(session.store(), dataset, model)
    table = ranked(found, [metric] if metric else BOTH, linkage)
    return printed(session, [table], format, out)
