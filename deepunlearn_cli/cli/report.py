"""`deepunlearn report`: Table 2, the scores, Table 1, sweeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from deepunlearn_cli.cli import options as o
from deepunlearn_cli.cli.app import app
from deepunlearn_cli.cli.command import Session, register
from deepunlearn_cli.cli.console import Result
from deepunlearn_cli.cli.parameter import argument, option
from deepunlearn_cli.cli.tables import (
    TABLES,
    TERMINAL,
    FormatOption,
    OutOption,
    Source,
    check_table,
    chosen_format,
    completer,
    printed,
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
            help=", ".join(f"{one.name} ({one.meaning})" for one in TABLES.values()) + ".",
            autocompletion=completer(TABLES),
        ),
    ] = "2",
    dataset: o.DatasetFilter = None,
    model: o.ModelFilter = None,
    format: FormatOption = TERMINAL,
    out: OutOption = None,
    database: Annotated[
        str | None, option(metavar="URL", help="Where the sweeps' studies are, if not in the store.")
    ] = None,
) -> Result:
    """Run-time efficiency (Table 2), scores, studies by forget size and of removed classes, or sweeps.

    In html it is one page of all tables and figures, whatever --table says.
    """
    source = Source(session, dataset, model, database=database)
    if ref:
        return printed(_run(session, ref), format, out)
    if chosen_format(format, out) == "html":
        return written(_page(source), out)
    check_table(table)
    return printed(TABLES[table].make(source), format, out)


def _page(source: Source) -> str:
    from deepunlearn_cli.cli.ulira import stored_rows
    from deepunlearn_cli.reporting.pages import report_page

    splits = stored_rows(source.store, source.dataset, source.model)
    return report_page(source.records, splits, source.removals)


def _run(session: Session, ref: str) -> list[Table]:
    from deepunlearn_cli.reporting.one_run import run_table

    source = Source(session)
    return [run_table(source.records, source.store.find(ref).id)]
