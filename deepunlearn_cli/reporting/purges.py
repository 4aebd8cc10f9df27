"""What a purge removes from a store, what remains of the pictures and why, what it cannot reach."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from deepunlearn_cli.reporting.table import UNKNOWN, Column, Table

REMOVED, PLANNED, REMAINS = "removed", "to remove", "remains"
LOST, BEYOND = "not reproducible", "out of reach"


class PurgeRow(TypedDict):
    """One thing that holds, or held, something of the pictures.

    Attributes:
        state: one of the words above.
        what: kind of thing.
        where: a path below the store, the id of a run, or words.
        pictures: how many of them it is about; None where that has no number.
        bytes: that go, or went.
        why: for people.
        runs: ids, where it is about runs.
    """

    state: str
    what: str
    where: str
    pictures: int | None
    bytes: int | None
    why: str
    runs: Sequence[str]


def line(
    state: str,
    what: str,
    where: str,
    why: str = "",
    *,
    pictures: int | None = None,
    size: int | None = None,
    runs: Sequence[str] = (),
) -> PurgeRow:
    """A row."""
    return {
        "state": state, "what": what, "where": where, "pictures": pictures, "bytes": size, "why": why,
        "runs": list(runs),
    }  # fmt: skip


def purge_table(rows: Sequence[PurgeRow]) -> Table:
    """A line for each."""
    columns = [
        Column("state", lambda r: str(r["state"])),
        Column("what", lambda r: str(r["what"])),
        Column("where", lambda r: str(r["where"])),
        Column("pictures", lambda r: _number(r["pictures"]), right=True),
        Column("bytes", lambda r: _number(r["bytes"]), right=True),
        Column("why", lambda r: str(r["why"])),
    ]
    return Table("deepunlearn.purge/1", "", columns, rows)


def _number(value: int | None) -> str:
    return UNKNOWN if value is None else f"{value:,}"
