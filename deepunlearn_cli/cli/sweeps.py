"""`deepunlearn sweep list|show|rm`: the searches that there are."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from deepunlearn_cli.cli import options as o
from deepunlearn_cli.cli.app import sweep_app
from deepunlearn_cli.cli.command import Session, register
from deepunlearn_cli.cli.console import Result
from deepunlearn_cli.cli.parameter import argument, option
from deepunlearn_cli.cli.reading import read_refs
from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.reporting.sweeps import candidates_table, studies_table, trials_table

if TYPE_CHECKING:
    from deepunlearn_cli.reporting.table import Row, Table
    from deepunlearn_cli.sweep.catalogue import Catalogue, TrialRow

SHOWN = 20  # trials on a terminal, the best; pipes and --json get all


def _complete_studies(context: typer.Context, incomplete: str) -> list[str]:
    """Keys of the store's studies, from the names of their journals."""
    from deepunlearn_cli.cli.command import DEFAULT_STORE
    from deepunlearn_cli.sweep.storage import journals

    root = context.params.get("store") or DEFAULT_STORE
    return [path.stem for path in journals(root / "studies") if path.stem.startswith(incomplete)]


Study = Annotated[
    list[str],
    argument(
        metavar="STUDY",
        help="Studies by name, by the beginning of it, or by 4 or more digits of its id; - for stdin.",
        autocompletion=_complete_studies,
    ),
]


@register(sweep_app, "list", "deepunlearn sweep list", "deepunlearn sweep list --dataset cifar10 --json")
def list_studies(
    session: Session,
    dataset: Annotated[str | None, option(metavar="NAME", help="Only this dataset.")] = None,
    model: Annotated[str | None, option(metavar="NAME", help="Only this model.")] = None,
    method: Annotated[
        str | None,
        option(metavar="NAME", help="Only this method.", autocompletion=o.complete_methods),
    ] = None,
    database: o.Database = None,
) -> Result:
    """List the searches: how far they are, the best of each, whether it was confirmed; a pipe gets names."""
    wanted = {"dataset": dataset, "model": model, "method": method}
    rows: list[Row] = [
        row
        for row in _catalogue(session, database).listed()
        if all(value in (None, cast("Row", row)[name]) for name, value in wanted.items())
    ]
    notes = [f"{len(rows)} {'study' if len(rows) == 1 else 'studies'}"]
    return Result(tables=[studies_table(rows)], ids=[row["study"] for row in rows], notes=notes)


@register(
    sweep_app,
    "show",
    "deepunlearn sweep show msg-3f9c",
    "deepunlearn sweep show 3f9c -q | deepunlearn show -",
)
def show_study(session: Session, studies: Study, database: o.Database = None) -> Result:
    """Show searches: every trial, and what was chosen when; a pipe gets the ids of the trials' runs."""
    from deepunlearn_cli.sweep import catalogue, summary

    store, known = session.store(), _catalogue(session, database)
    tables: list[Table] = []
    ids: list[str] = []
    for study in [known.find(ref) for ref in read_refs(studies)]:
        about, trials = summary.standing(study), catalogue.trials_of(study)
        tables += [_trials(session, about, trials), *_choices(about, catalogue.choices_of(study))]
        ids += [run for trial in trials for run in trial["runs"] if store.get(run)]
    return Result(tables=tables, ids=ids)


@register(
    sweep_app,
    "rm",
    "deepunlearn sweep rm msg-3f9c --dry-run",
    "deepunlearn sweep list | deepunlearn sweep rm - --yes",
)
def remove_studies(
    session: Session,
    studies: Study,
    database: o.Database = None,
    dry_run: Annotated[bool, option("--dry-run", help="List, remove nothing.")] = False,
    yes: Annotated[bool, option("--yes", help="Do not ask.")] = False,
) -> Result:
    """Remove searches and their presets, but none that goes on; the runs of their trials stay."""
    known = _catalogue(session, database)
    found = [known.find(ref) for ref in read_refs(studies)]
    rows = [row for row in known.listed() if row["study"] in {known.key(study) for study in found}]
    ids = [row["study"] for row in rows]
    notes = [f"{len(ids)} studies, {sum(row['trials'] for row in rows)} trials"]
    known.check(found)
    if not dry_run and _agreed(len(ids), yes):
        known.remove(found)
        notes = [f"removed {len(ids)} studies; `deepunlearn runs --kind trial` lists the runs of trials"]
    return Result(tables=[studies_table(rows)], ids=ids, notes=notes)


def _catalogue(session: Session, database: str | None) -> Catalogue:
    from deepunlearn_cli.sweep.catalogue import Catalogue

    return Catalogue(session.store().studies, database)


def _trials(session: Session, about: Mapping[str, Any], trials: Sequence[TrialRow]) -> Table:
    best = sorted(trials, key=lambda one: (one["norm"] is None, one["norm"] or 0.0, one["trial"]))
    some = session.console.interactive and len(trials) > SHOWN
    table = trials_table(about, best[:SHOWN] if some else trials)
    note = f"the best {SHOWN} of {len(trials)} trials; a pipe or --json gets all"
    return replace(table, notes=[*table.notes, note]) if some else table


def _choices(about: Mapping[str, Any], choices: Sequence[Sequence[Mapping[str, Any]]]) -> list[Table]:
    """The outcome of each choice, the newest last."""
    tables = []
    for number, candidates in enumerate(choices, start=1):
        told = {name: about[name] for name in ("study", "method", "tuned")} | {"choice": number}
        table = candidates_table([{**told, **candidate} for candidate in candidates])
        title = "Choice" if len(choices) == 1 else f"Choice {number} of {len(choices)}"
        tables.append(replace(table, title=title))
    return tables


def _agreed(count: int, yes: bool) -> bool:
    if yes or not count:
        return True
    if not sys.stdin.isatty():
        raise UsageFailure(f"{count} studies would be removed", "--yes to agree, --dry-run to look")
    return typer.confirm(f"remove {count} studies?", err=True)
