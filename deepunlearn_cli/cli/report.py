"""`deepunlearn report`: Table 2, the scores, Table 1, sweeps."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

from deepunlearn_cli.cli.app import app
from deepunlearn_cli.cli.command import Session, register
from deepunlearn_cli.cli.comparing import Comparing
from deepunlearn_cli.cli.completing import complete_models_of_store
from deepunlearn_cli.cli.console import Result
from deepunlearn_cli.cli.filters import kept
from deepunlearn_cli.cli.only import Only
from deepunlearn_cli.cli.options import Database
from deepunlearn_cli.cli.parameter import argument, completer, option
from deepunlearn_cli.cli.reading import read_refs
from deepunlearn_cli.cli.showing import Showing
from deepunlearn_cli.cli.source import Source
from deepunlearn_cli.cli.tables import TABLES, FromOption, check_table, written
from deepunlearn_cli.core.errors import NotFound, UsageFailure

if TYPE_CHECKING:
    from deepunlearn_cli.reporting.table import Row, Table


@register(
    app,
    "report",
    "deepunlearn report",
    "deepunlearn report 3f9c",
    "deepunlearn report 3f9c --control retrained.pth",
    "deepunlearn report 3f9c --format html --out request.html    # to file",
    "deepunlearn report --table scores --dataset cifar10",
    "deepunlearn report --table sizes      # after `bench forget-sizes`",
    "deepunlearn report --table classes    # after `bench class-removal`",
    "deepunlearn report --table weights",
    "deepunlearn report --table sweep",
    "deepunlearn report --from figures.csv --table scores",
    "deepunlearn report --diff last-week.jsonl today.jsonl --fail-on-regression",
    "deepunlearn report --format html --out report.html",
    "deepunlearn report --table scores --json | jq 'select(.method==\"msg\")'",
)
def report(
    session: Session,
    refs: Annotated[
        list[str] | None,
        argument(
            metavar="RUN",
            help="Run ids, or - for ids on stdin: a table of each, beside its controls.",
            autocompletion=complete_models_of_store,
        ),
    ] = None,
    table: Annotated[
        str,
        option(
            metavar="NAME",
            help=", ".join(f"{one.name} ({one.meaning})" for one in TABLES.values()) + ".",
            autocompletion=completer(TABLES),
        ),
    ] = "2",
    *,
    only: Only,
    showing: Showing,
    database: Database = None,
    file: FromOption = None,
    control: Annotated[
        str | None,
        option(
            metavar="REF",
            help="With RUN: a model that you retrained without the forget set, to compare with.",
            autocompletion=complete_models_of_store,
        ),
    ] = None,
    comparing: Comparing,
) -> Result:
    """Run-time efficiency (Table 2), scores, studies by forget size and of removed classes, or sweeps.

    With --from the figures are those of files. In html it is one page of all tables and figures, whatever
    --table says; of a RUN the page of that deletion, with its verdict, that can be filed.
    """
    if comparing.asked:
        return showing.shown(comparing.result(session, only))
    _check_apart(refs, file, control)
    source = Source(session, only, database=database, files=file or ())
    if refs:
        return _of_runs(session, read_refs(refs), control, only, showing)
    if showing.chosen == "html":
        return written(_page(source), showing.out)
    check_table(table, source)
    return showing.shown(Result(tables=TABLES[table].make(source)))


def _check_apart(refs: list[str] | None, file: Sequence[object] | None, control: str | None) -> None:
    """Refuse two sources of figures, and a control of none."""
    if refs and file:
        raise UsageFailure("a run and --from are two sources", "give one or the other")
    if control and not refs:
        raise UsageFailure("--control is held against a run", "deepunlearn report RUN --control REF")


def _of_runs(
    session: Session, refs: Sequence[str], control: str | None, only: Only, showing: Showing
) -> Result:
    """A table of each run, or the page of one."""
    if showing.chosen != "html":
        return showing.shown(Result(tables=_runs(session, refs, control, only)))
    if len(refs) > 1:
        raise UsageFailure(
            f"a page is of one run, and {len(refs)} were named",
            f"deepunlearn report {refs[0]} --format html",
        )
    from deepunlearn_cli.cli.request_facts import gathered
    from deepunlearn_cli.reporting.request_page import request_page

    if control:
        _admit(session, refs, control, only.model)
    return written(request_page(gathered(session, refs[0])), showing.out)


OUTPUTS_ONLY = (
    "not on this page, since they look at outputs, which no file of figures has: verdicts, U-LiRA's figure, "
    "removed classes (a page of the store itself has them)"
)


def _page(source: Source) -> str:
    from deepunlearn_cli.cli.page_verdicts import verdicts
    from deepunlearn_cli.cli.ulira_rows import stored_rows
    from deepunlearn_cli.reporting.pages import report_page

    if source.file:
        return report_page(source.records, [])
    if source.files:
        source.session.console.note(OUTPUTS_ONLY)
        return report_page(source.records, [], {}, _sweeps(source))
    splits = stored_rows(source.store, kept(source.uliras, source.filters, table=True).rows)
    return report_page(source.records, splits, source.removals, _sweeps(source), verdicts(source))


def _sweeps(source: Source) -> Sequence[Row]:
    """The store's searches, which there may be none of."""
    with suppress(NotFound):
        return source.sweeps
    return []


def _runs(session: Session, refs: Sequence[str], control: str | None, only: Only) -> list[Table]:
    from deepunlearn_cli.reporting.one_run import run_table

    if control:
        _admit(session, refs, control, only.model)
    ids = [session.store().find(ref).id for ref in refs]
    source = Source(session, asked=ids)
    return [run_table(source.records, run) for run in ids]


def _admit(session: Session, ids: Sequence[str], ref: str, model: str | None) -> None:
    """Have a retrained model of the user's stand beside these runs."""
    from deepunlearn_cli.checkpoints import control, refs

    with session.runner(create=False) as runner:
        for run in ids:
            control.beside(ref, refs.resolve(run, runner, refs.Wanted(model=model)), runner)
