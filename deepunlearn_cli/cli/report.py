"""`deepunlearn report`: Table 2, the scores, Table 1, sweeps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from deepunlearn_cli.cli import options as o
from deepunlearn_cli.cli.app import app
from deepunlearn_cli.cli.command import Session, register
from deepunlearn_cli.cli.console import Result
from deepunlearn_cli.cli.parameter import argument, option
from deepunlearn_cli.cli.ranking import (
    FORMATS,
    check_table,
    printed,
    removals,
    store_records,
    stored_tables,
    written,
)

if TYPE_CHECKING:
    from deepunlearn_cli.reporting.table import Table


@register(
    app,
    "report",
    "deepunlearn report",
    "deepunlearn report 3f9c",
    "deepunlearn report --table scores --dataset cifar10",
    "deepunlearn report --table sizes      # after `bench forget-sizes`",
    "deepunlearn report --table classes    # after `bench class-removal`",
    "deepunlearn report --table weights",
    "deepunlearn report --table sweep",
    "deepunlearn report --format html --out report.html",
    "deepunlearn report --table scores --json | jq 'select(.method==\"msg\")'",
)
def report(
    session: Session,
    ref: Annotated[
        str | None,
        argument(
            metavar="RUN",
            help="One run, beside the retrained model and the original of its seed.",
            autocompletion=o.complete_refs,
        ),
    ] = None,
    table: Annotated[
        str,
        option(
            help="2 (run-time efficiency), scores, retention, 1 (ranking), sizes, classes, weights, or sweep."
        ),
    ] = "2",
    dataset: o.DatasetFilter = None,
    model: o.ModelFilter = None,
    format: Annotated[
        str, option("--format", help=f"{' · '.join(FORMATS)} · html (one page of all)")
    ] = "table",
    out: Annotated[Path | None, option(help="Write to this file.")] = None,
    database: Annotated[
        str | None, option(metavar="URL", help="Where the sweeps' studies are, if not in the store.")
    ] = None,
) -> Result:
    """Run-time efficiency (Table 2), scores, studies by forget size and of removed classes, or sweeps."""
    if ref:
        return printed(session, [_run(session, ref)], format, out)
    if format == "html" or (out and format == "table" and out.suffix == ".html"):
        return _page(session, dataset, model, out)
    check_table(table, ("weights", "sweep"))
    if table == "weights":
        return printed(session, [_weights(session, dataset, model)], format, out)
    if table == "sweep":
        return printed(session, [_sweeps(session, dataset, model, database)], format, out)
    found = store_records(session.store(), dataset, model)
    return printed(session, stored_tables(table, session.store(), found), format, out)


def _page(session: Session, dataset: str | None, model: str | None, out: Path | None) -> Result:
    from deepunlearn_cli.cli.ulira import stored_rows
    from deepunlearn_cli.reporting.pages import report_page

    store = session.store()
    found = store_records(store, dataset, model)
    text = report_page(found, stored_rows(store, dataset, model), removals(store, found))
    return written(text, out)


def _run(session: Session, ref: str) -> Table:
    from deepunlearn_cli.reporting.one_run import run_table

    store = session.store()
    return run_table(store_records(store, None, None), store.find(ref).id)


def _weights(session: Session, dataset: str | None, model: str | None) -> Table:
    from deepunlearn_cli.reporting.weights import weights_table
    from deepunlearn_cli.studies.distances import distances

    with session.runner("cpu", create=False) as runner:
        found = store_records(runner.store, dataset, model)
        told = distances(found, runner)
    return weights_table(found, told.runs, told.floors)


def _sweeps(session: Session, dataset: str | None, model: str | None, database: str | None) -> Table:
    from deepunlearn_cli.reporting.sweeps import sweep_table
    from deepunlearn_cli.sweep import summaries

    rows = summaries(session.store().studies, database)
    wanted = [row for row in rows if dataset in (None, row["dataset"]) and model in (None, row["model"])]
    return sweep_table(wanted)
