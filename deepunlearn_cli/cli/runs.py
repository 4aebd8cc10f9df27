"""`deepunlearn runs`: what is in the store."""

from __future__ import annotations

from typing import Annotated

from deepunlearn_cli.cli.app import app
from deepunlearn_cli.cli.bundles import Only
from deepunlearn_cli.cli.command import Session, register
from deepunlearn_cli.cli.console import Result
from deepunlearn_cli.cli.listing import row_table
from deepunlearn_cli.cli.parameter import option

SHOWN = 50  # rows on a terminal; pipes and --json get all


@register(
    app,
    "runs",
    "deepunlearn runs",
    "deepunlearn runs --kind unlearn --name msg --dataset cifar10",
    "deepunlearn runs --kind train --name original -q | deepunlearn unlearn --method ct --ckpt -",
)
def runs(
    session: Session,
    kind: Annotated[
        str | None,
        option(
            metavar="KIND",
            help="train, unlearn, attack, checkpoint, trial (of a sweep), shadow (of U-LiRA) or "
            "lockstep (of Unrolling SGD).",
        ),
    ] = None,
    name: Annotated[
        str | None, option(metavar="NAME", help="original, retrain, a method or an attack.")
    ] = None,
    status: Annotated[str | None, option(metavar="done|failed", help="Only these.")] = None,
    last: Annotated[int | None, option(metavar="N", help="Only the newest so many.", min=1)] = None,
    *,
    only: Only,
) -> Result:
    """List the runs in the store, newest last; a pipe gets their ids."""
    rows = session.store().rows(kind=kind, name=name, dataset=only.dataset, model=only.model, status=status)
    trials = sum(row["kind"] == "trial" for row in rows) if kind is None else 0
    rows = [row for row in rows if row["kind"] != "trial"] if trials else rows  # hundreds, without models
    rows = rows[-last:] if last else rows
    notes = [f"{len(rows)} runs"]
    notes += [f"and {trials} trials of sweeps; --kind trial lists them"] if trials else []
    if session.console.interactive and last is None and len(rows) > SHOWN:
        notes[0] = f"the newest {SHOWN} of {len(rows)} runs; --last {len(rows)} shows all"
        rows = rows[-SHOWN:]
    return Result(tables=[row_table(rows)], ids=[row["id"] for row in rows], notes=notes)
