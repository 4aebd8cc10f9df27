"""What runs were made from, told by their recipes; one whose recipe cannot be read was made from nothing."""

from __future__ import annotations

from collections.abc import Iterable

from deepunlearn_cli.core.rows import IndexRow
from deepunlearn_cli.store.run import Run, inputs_of


def dependents(runs: Iterable[Run], rows: Iterable[IndexRow], keys: Iterable[str]) -> dict[str, list[str]]:
    """For each of these keys the ids of the runs that have it among their inputs, whatever they call it.

    Args:
        rows: of the index; the recipe is read of a run without one, or whose row is of an earlier version.
    """
    found: dict[str, list[str]] = {key: [] for key in keys}
    known = {row["id"]: row["inputs"] for row in rows if "inputs" in row} if found else {}
    for run in runs if found else ():
        for key in {*(known[run.id] if run.id in known else inputs_of(run))} & found.keys():
            found[key].append(run.id)
    return found


def consumers_first(runs: Iterable[Run]) -> list[Run]:
    """Runs, each before its inputs: removed in this order, none is ever without what it needs."""
    wanted = {run.id: run for run in runs}
    needs = {key: inputs_of(run) for key, run in wanted.items()}
    ordered: dict[str, None] = {}  # inputs first
    open_ = [(key, False) for key in wanted]
    while open_:
        key, seen = open_.pop()
        if seen:
            ordered[key] = None
        elif key not in ordered:
            open_ += [(key, True), *((one, False) for one in needs[key] if one in wanted)]
    return [wanted[key] for key in reversed(ordered)]
