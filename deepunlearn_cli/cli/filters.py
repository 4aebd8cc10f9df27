"""Filters of runs, one after the other, and why nothing is left."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from deepunlearn_cli.core.errors import NotFound, UsageFailure, unknown
from deepunlearn_cli.core.recipe import CONTROLS
from deepunlearn_cli.core.rows import IndexRow

SHOWN = 8  # of what there is instead


@dataclass(frozen=True)
class Filter:
    """One condition on runs.

    Attributes:
        said: as somebody typed it.
        keeps: whether it keeps a run.
        there: what it could have been instead, among these runs.
        controls: whether tables leave out controls too that it does not keep.
    """

    said: str
    keeps: Callable[[IndexRow], bool]
    there: Callable[[Sequence[IndexRow]], str]
    controls: bool = True


@dataclass(frozen=True)
class Kept:
    """The rows that every filter kept; or `why` there is none, with the hint to what there is."""

    rows: list[IndexRow]
    why: str = ""
    hint: str = ""


def kept(rows: Sequence[IndexRow], filters: Iterable[Filter], *, table: bool = False) -> Kept:
    """What filters leave of rows; in a `table` controls stay beside the methods that are held to them."""
    left, before = list(rows), "there are"
    for one in filters:
        chosen = [row for row in left if one.keeps(row)]
        if not chosen:
            return Kept([], f"{one.said} leaves none of the {len(left)} runs that {before}", one.there(left))
        spared = table and not one.controls
        ids = {row["id"] for row in chosen}
        left = [row for row in left if row["id"] in ids or (spared and row["name"] in CONTROLS)]
        before = f"{one.said} leaves"
    return Kept(left)


def equal(option: str, field: str, value: str | None, known: Sequence[str] = ()) -> list[Filter]:
    """A filter by a field of rows, if a value was given.

    Raises:
        UsageFailure: none of the values that the field may have.
    """
    if value is None:
        return []
    if known and value not in known:
        failure = unknown(option, value, known, f"{option} takes {', '.join(known)}")
        raise UsageFailure(failure.message, failure.hint)
    return [Filter(f"{option} {value}", lambda row: row.get(field) == value, values(field))]


def values(field: str) -> Callable[[Sequence[IndexRow]], str]:
    """The values of a field, in words."""
    return lambda rows: listed(f"{field} there", {row.get(field) for row in rows})


def listed(what: str, values: set[Any]) -> str:
    """What there is, in words: the first few, and how many in all."""
    known = sorted((one for one in values if one not in (None, "")), key=lambda one: (str(type(one)), one))
    more = f", ... {len(known)} in all" if len(known) > SHOWN else ""
    return f"{what}: {', '.join(map(str, known[:SHOWN]))}{more}" if known else f"none has a {what.split()[0]}"


def nothing(found: Kept) -> NotFound:
    """What to say where filters left no run that a table could be made of."""
    return NotFound(found.why, f"{found.hint}; `deepunlearn runs` lists the store")
