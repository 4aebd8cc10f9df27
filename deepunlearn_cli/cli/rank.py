"""`deepunlearn rank`: Table 1."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from deepunlearn_cli.cli.app import app
from deepunlearn_cli.cli.bundles import Only
from deepunlearn_cli.cli.command import Session, register
from deepunlearn_cli.cli.console import Result
from deepunlearn_cli.cli.parameter import option
from deepunlearn_cli.cli.tables import (
    TERMINAL,
    FormatOption,
    OutOption,
    Source,
    completer,
    printed,
    titles,
)
from deepunlearn_cli.core.errors import NotFound
from deepunlearn_cli.reporting.clustering import LINKAGES
from deepunlearn_cli.reporting.measures import PAPERS, SPLITS, find_metric, metrics_of_rank

if TYPE_CHECKING:
    from deepunlearn_cli.reporting.records import Record


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
    only: Only,
    metric: Annotated[
        str | None,
        option(
            metavar="NAME",
            help=f"{', '.join(metrics_of_rank())}. (default: {' and '.join(PAPERS)})",
            show_default=False,
            autocompletion=completer(metrics_of_rank()),
        ),
    ] = None,
    linkage: Annotated[
        str,
        option(metavar="NAME", help=f"{', '.join(LINKAGES)}.", autocompletion=completer(LINKAGES)),
    ] = LINKAGES[0],
    format: FormatOption = TERMINAL,
    out: OutOption = None,
    csv: Annotated[
        Path | None,
        option(
            "--from",
            metavar="FILE",
            help="Rank the figures of a CSV instead of the store's; its columns are dataset, model, method, "
            "seed, RA, FA, TA and, where known, VA, U-MIA, seconds.",
        ),
    ] = None,
) -> Result:
    """Rank the methods in the store by retention deviation and by indiscernibility (Table 1)."""
    from deepunlearn_cli.reporting.rank import rank as ranking

    metrics = [metric] if metric else PAPERS
    source = Source(session, only.dataset, only.model)
    return printed([ranking(_records(source, metrics, csv), metrics, linkage)], format, out)


def _records(source: Source, metrics: Sequence[str], csv: Path | None) -> list[Record]:
    """What there is to rank: figures made elsewhere, the splits of every U-LiRA, or every model run.

    Raises:
        NotFound: an unknown metric, or no U-LiRA in the store.
    """
    if csv:
        from deepunlearn_cli.reporting.csv_records import read

        return read(csv, titles(), source.dataset, source.model)
    if find_metric(metrics[0]).over != SPLITS:
        return source.records
    from deepunlearn_cli.reporting.ulira_records import outdated, ulira_records

    rows = source.store.rows(kind="attack")
    if count := outdated(rows):
        again = "deepunlearn attack ulira makes them again from the models that are kept"
        source.session.console.warn(f"left out: {count} methods attacked by an earlier U-LiRA; {again}")
    splits = ulira_records(rows, titles(), source.dataset, source.model)
    if not splits:
        raise NotFound("no U-LiRA in this store", "deepunlearn attack ulira --method msg,ft --dataset ...")
    return splits
