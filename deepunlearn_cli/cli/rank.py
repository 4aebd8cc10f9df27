"""`deepunlearn rank`: Table 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from deepunlearn_cli.cli.app import app
from deepunlearn_cli.cli.command import Session, register
from deepunlearn_cli.cli.console import Result
from deepunlearn_cli.cli.only import Only
from deepunlearn_cli.cli.parameter import completer, option
from deepunlearn_cli.cli.showing import Showing
from deepunlearn_cli.cli.source import Source, titles
from deepunlearn_cli.cli.tables import FromOption, written
from deepunlearn_cli.core.errors import NotFound, UsageFailure
from deepunlearn_cli.reporting.clustering import LINKAGES
from deepunlearn_cli.reporting.measures import PAPERS, SPLITS, find_metric, metrics_of_rank
from deepunlearn_cli.reporting.titles import of_plugins

if TYPE_CHECKING:
    from deepunlearn_cli.reporting.measures import Measure
    from deepunlearn_cli.reporting.records import Record


@register(
    app,
    "rank",
    "deepunlearn rank",
    "deepunlearn rank --dataset cifar10 --model resnet18 --metric retdev",
    "deepunlearn rank --metric ulira    # what `attack ulira` found",
    "deepunlearn rank --method msg,ft --where 'lr>0.05' --where training.epochs=30",
    "deepunlearn rank --format markdown --out ranking.md",
    "deepunlearn rank --format html --out ranking.html    # verdicts first",
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
    *,
    showing: Showing,
    file: FromOption = None,
) -> Result:
    """Rank the methods in the store by retention deviation and by indiscernibility (Table 1)."""
    from deepunlearn_cli.reporting.rank import rank as ranking

    metrics = [metric] if metric else PAPERS
    source = Source(session, only, files=file or ())
    records = _records(source, metrics)
    table = ranking(records, metrics, linkage)
    if showing.chosen != "html":
        return showing.shown(Result(tables=[table]))
    from deepunlearn_cli.cli.page_verdicts import verdicts
    from deepunlearn_cli.reporting.pages import rank_page

    return written(rank_page(records, table, verdicts(source)), showing.out)


def _records(source: Source, metrics: Sequence[str]) -> list[Record]:
    """What there is to rank: figures made elsewhere, the splits of every U-LiRA, or every model run.

    Raises:
        NotFound: an unknown metric, or no U-LiRA in the store.
        UsageFailure: a metric that figures made elsewhere do not give.
    """
    first = find_metric(metrics[0])
    if source.files and not _enough(first, source):
        enough = ", ".join(n for n, one in metrics_of_rank().items() if _enough(one, source))
        raise UsageFailure(
            f"--metric {metrics[0]} takes runs, and --from has figures only", f"--metric: {enough}"
        )
    if first.over != SPLITS:
        return source.records
    from deepunlearn_cli.reporting.ulira_records import outdated, ulira_records

    rows = source.uliras
    if count := outdated(rows):
        again = "`deepunlearn attack ulira` makes them again from the models that are kept"
        source.session.console.warn(f"left out: {count} methods attacked by an earlier U-LiRA; {again}")
    splits = ulira_records(source.left(rows), titles() | of_plugins(rows))
    if not splits:
        raise NotFound("no U-LiRA in this store", "deepunlearn guide ulira")
    return splits


def _enough(metric: Measure, source: Source) -> bool:
    """Whether files have what a metric takes: a CSV has no outputs and no U-LiRA, an export no arrays."""
    return not (metric.outputs or metric.over == SPLITS) if source.file else not metric.arrays
