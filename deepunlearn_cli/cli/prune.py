"""`deepunlearn prune`: remove runs and leftovers."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from deepunlearn_cli.cli.app import app
from deepunlearn_cli.cli.command import Session, register
from deepunlearn_cli.cli.console import Result
from deepunlearn_cli.cli.listing import run_table
from deepunlearn_cli.cli.options import complete_refs
from deepunlearn_cli.cli.parameter import argument, option
from deepunlearn_cli.cli.reading import read_refs
from deepunlearn_cli.core.errors import UsageFailure

if TYPE_CHECKING:
    from deepunlearn_cli.store import Store


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
) -> Result:
    """Remove runs from the store; runs that others were made from are kept unless those go too."""
    if not (refs or failed or leftovers):
        raise UsageFailure("nothing to prune was named", "give run ids, --failed or --leftovers")
    store = session.store()
    ids = [store.find(ref).id for ref in read_refs(refs)] if refs else []
    ids += [row["id"] for row in store.rows(status="failed")] if failed else []
    ids = list(dict.fromkeys(ids))
    _check_living(store, ids)
    _check_dependents({run_id: store.dependents(run_id) for run_id in ids})
    runs = [store.find(run_id) for run_id in ids]
    notes = [f"{len(ids)} runs, {sum(run.size for run in runs):,} bytes"]
    table = run_table(runs)
    if not dry_run and _agreed(len(ids), yes):
        store.remove(ids)
        gone = store.remove_leftovers() if leftovers else []
        notes = [f"removed {len(ids)} runs and {len(gone)} leftovers"]
    return Result(tables=[table] if runs else [], ids=ids, notes=notes)


def _check_living(store: Store, ids: list[str]) -> None:
    """Refuse to remove trials of a search that goes on: it would make them again."""
    from deepunlearn_cli.sweep.presence import living

    at_work = living(store.studies)
    for run_id in ids if at_work else ():
        recipe = store.find(run_id).recipe
        if recipe.kind == "trial" and (study := recipe.labels.get("study")) in at_work:
            raise UsageFailure(
                f"{run_id} is a trial of {study}, which is being searched",
                "leave it out, or wait for the end of that search: deepunlearn sweep list",
            )


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
