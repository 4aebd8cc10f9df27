"""`deepunlearn prune`: remove runs and leftovers."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from deepunlearn_cli.cli.app import app
from deepunlearn_cli.cli.command import Session, register
from deepunlearn_cli.cli.console import Result
from deepunlearn_cli.cli.listing import row_table
from deepunlearn_cli.cli.options import complete_refs
from deepunlearn_cli.cli.parameter import argument, option
from deepunlearn_cli.cli.reading import read_refs
from deepunlearn_cli.core.errors import StoreCorrupt, UsageFailure

if TYPE_CHECKING:
    from deepunlearn_cli.core.rows import IndexRow
    from deepunlearn_cli.store import Run, Store

# The row of a run that cannot be read.
DAMAGED: dict[str, Any] = {
    **dict.fromkeys(("dataset", "model", "seed", "kind", "forget_label", "method", "forget"), ""),
    "name": "damaged",
    "status": "failed",
    "reason": "damaged",
    "seconds": None,
    "scores": {},
    "params": {},
    "attempt": 0,
    "target": "",
    "created": 0.0,
    "chosen": None,
}


@register(
    app,
    "prune",
    "deepunlearn prune --failed --leftovers --yes",
    "deepunlearn prune 3f9c 77ab --dry-run",
    "deepunlearn runs --name ga -q | deepunlearn prune - --yes",
)
def prune(
    session: Session,
    refs: Annotated[
        list[str] | None,
        argument(metavar="RUN", help="Run ids, or - for ids on stdin.", autocompletion=complete_refs),
    ] = None,
    failed: Annotated[bool, option("--failed", help="Every failed run.")] = False,
    leftovers: Annotated[bool, option("--leftovers", help="What killed processes left.")] = False,
    dry_run: Annotated[bool, option("--dry-run", help="List, remove nothing.")] = False,
    yes: Annotated[bool, option("--yes", help="Do not ask.")] = False,
    requested: Annotated[
        bool, option("--requested", help="Runs too that the ledger of requests names.")
    ] = False,
) -> Result:
    """Remove runs from the store; runs that others were made from are kept unless those go too.

    Runs that answer a deletion request, and attacks that audited them, are evidence: they go with --requested
    alone. What the ledger says of them stays.
    """
    if not (refs or failed or leftovers):
        raise UsageFailure("nothing to prune was named", "give run ids, --failed or --leftovers")
    from deepunlearn_cli.store import Run

    store = session.store()
    ids = [_named(store, ref) for ref in read_refs(refs)] if refs else []
    ids += [row["id"] for row in store.rows(status="failed")] if failed else []
    ids = list(dict.fromkeys(ids))
    _check_living(store, ids)
    _check_dependents(store.dependents(ids))
    if not requested:
        _check_requests(store, ids)
    runs = [Run(run_id, store.place(run_id)) for run_id in ids]
    notes = [f"{len(ids)} runs, {sum(map(_size, runs)):,} bytes"]
    table = row_table([_row(run) for run in runs])
    if not dry_run and _agreed(len(ids), yes):
        store.remove(ids)
        gone = store.remove_leftovers() if leftovers else []
        notes = [f"removed {len(ids)} runs and {len(gone)} leftovers"]
    return Result(tables=[table] if runs else [], ids=ids, notes=notes)


def _named(store: Store, ref: str) -> str:
    """The id of a run, and of one too whose folder is gone: `verify` misses it until it is pruned."""
    try:
        return store.find(ref).id
    except StoreCorrupt:
        gone = store.sealed.gone(ref.lower(), store.has)
        if len(gone) != 1:
            raise
        return gone[0]


def _check_living(store: Store, ids: list[str]) -> None:
    """Refuse to remove trials of a search that goes on: it would make them again."""
    from deepunlearn_cli.store import Run
    from deepunlearn_cli.sweep.presence import living

    at_work = living(store.studies)
    for run_id in ids if at_work else ():
        run = Run(run_id, store.place(run_id))
        if _row(run)["kind"] == "trial" and (study := _study(run)) in at_work:
            raise UsageFailure(
                f"{run_id} is a trial of {study}, which is being searched",
                "leave it out, or wait for the end of that search: deepunlearn sweep list",
            )


def _check_requests(store: Store, ids: list[str]) -> None:
    """Refuse to remove what the ledger names, unless it was purged; of a damaged ledger what can be read."""
    from deepunlearn_cli.store.ledger import PURGED, Ledger
    from deepunlearn_cli.store.requests import requests_of

    for request in requests_of(Ledger(store.root).read().entries).values() if ids else ():
        named = [key for key in ids if key in request.evidence]
        if named and request.state != PURGED:
            raise UsageFailure(
                f"{named[0]} is evidence of request {request.id}",
                "leave it out, or add --requested: the ledger keeps what it says of it",
            )


def _study(run: Run) -> str:
    return str(run.recipe.labels.get("study"))


def _row(run: Run) -> IndexRow:
    """The run's row; of a damaged one, whatever the damage, that it is one."""
    from deepunlearn_cli.store.index import row

    try:
        made = row(run.recipe, run.scores, run.facts)
        list(row_table([made]).cells())
    except Exception:  # noqa: BLE001 - anything may be in the files of a damaged run
        return cast("IndexRow", DAMAGED | {"id": run.id})
    return made | {"id": run.id}


def _size(run: Run) -> int:
    """Bytes on disk, of whatever is there."""
    there = [run.path, *run.path.rglob("*")] if os.path.lexists(run.path) else []
    return sum(path.lstat().st_size for path in there if not path.is_dir())


def _check_dependents(dependents: dict[str, list[str]]) -> None:
    for run_id, others in dependents.items():
        kept = [other for other in others if other not in dependents]
        if kept:
            raise UsageFailure(
                f"{run_id} is an input of {len(kept)} runs ({', '.join(kept[:3])})",
                "name them too, or keep it",
            )


def _agreed(count: int, yes: bool) -> bool:
    if yes or not count:
        return True
    if not sys.stdin.isatty():
        raise UsageFailure(f"{count} runs would be removed", "--yes to agree, --dry-run to look")
    return typer.confirm(f"remove {count} runs?", err=True)
