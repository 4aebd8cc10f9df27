"""`deepunlearn runs`: what is in the store."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from deepunlearn_cli.cli import options as o
from deepunlearn_cli.cli.app import app
from deepunlearn_cli.cli.command import Session, register
from deepunlearn_cli.cli.console import Result
from deepunlearn_cli.cli.filters import Filter, equal, kept, values
from deepunlearn_cli.cli.finding import Runs
from deepunlearn_cli.cli.listing import row_table
from deepunlearn_cli.cli.only import Only
from deepunlearn_cli.cli.parameter import option
from deepunlearn_cli.core.plugins import class_of
from deepunlearn_cli.core.rows import IndexRow

SHOWN = 50  # rows on a terminal; pipes and --json get all


@register(
    app,
    "runs",
    "deepunlearn runs",
    "deepunlearn runs --kind unlearn --method msg --dataset cifar10",
    "deepunlearn runs --where 'lr>0.05' --where training.epochs=30 --dataset folder:pictures",
    "deepunlearn runs --kind train --name original -q | deepunlearn unlearn --method ct --ckpt -",
)
def runs(
    session: Session,
    kind: Annotated[
        str | None,
        option(
            metavar="KIND",
            autocompletion=o.complete_kinds,
            help="train, unlearn, attack, checkpoint, trial (of a sweep), shadow (of U-LiRA) or "
            "lockstep (of Unrolling SGD).",
        ),
    ] = None,
    name: Annotated[
        str | None,
        option(metavar="NAME", help="original, retrain, a method or an attack; of a plug-in its class, too."),
    ] = None,
    status: Annotated[str | None, option(metavar="done|failed", help="Only these.")] = None,
    last: Annotated[int | None, option(metavar="N", help="Only the newest so many.", min=1)] = None,
    *,
    only: Only,
) -> Result:
    """List the runs in the store, newest last; a pipe gets their ids."""
    store = session.store()
    every = Runs(store, session.rows(store))
    found = kept(every.rows, [*_asked(kind, name, status), *only.filters(every)])
    rows = found.rows
    trials = sum(row["kind"] == "trial" for row in rows) if kind is None else 0
    rows = [row for row in rows if row["kind"] != "trial"] if trials else rows  # hundreds, without models
    rows = rows[-last:] if last else rows
    notes = (
        [f"0 runs: {found.why}; {found.hint}"] if found.why else [f"{len(rows)} run{'s' * (len(rows) != 1)}"]
    )
    notes += [f"and {trials} trials of sweeps; --kind trial lists them"] if trials else []
    if session.console.interactive and last is None and len(rows) > SHOWN:
        notes[0] = f"the newest {SHOWN} of {len(rows)} runs; --last {len(rows)} shows all"
        rows = rows[-SHOWN:]
    return Result(tables=[row_table(rows)], ids=[row["id"] for row in rows], notes=notes)


def _is_called(name: str, row: IndexRow) -> bool:
    """Whether a run has a name; the class of a plug-in stands for all that its code ever was."""
    return name in (row["name"], class_of(row["name"]))


def _asked(kind: str | None, name: str | None, status: str | None) -> list[Filter]:
    from deepunlearn_cli.execution.makers import MAKERS

    return [
        *equal("--kind", "kind", kind, sorted(MAKERS)),
        *([Filter(f"--name {name}", partial(_is_called, name), values("name"))] if name else []),
        *equal("--status", "status", status, ("done", "failed")),
    ]
