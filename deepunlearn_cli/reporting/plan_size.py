"""A plan as a table: how many runs of each kind, how many are there, how long the rest may take."""

from __future__ import annotations

from collections.abc import Sequence

from deepunlearn_cli.core.facts import FACTS, Fact
from deepunlearn_cli.reporting.table import UNKNOWN, Column, Row, Table

PEAKS = ("peak_memory", "peak_device_memory")
MODEL_KINDS = ("search trials", "models")  # what the paper counts as its unlearned models


def plan_size(rows: Sequence[Row], jobs: int = 1) -> Table:
    """Rows: `dataset`, `model`, `kind`, `runs`, `there`, `epochs` (each), `seconds` (of the missing), peaks.

    A peak of memory, in bytes, is a fact's (`core.facts`); it has a column where any is known. `jobs` are the
    runs at a time that `seconds` is for.
    """
    peaks = [FACTS[name] for name in PEAKS if any(row[name] for row in rows)]
    columns = [
        Column("dataset", lambda r: str(r["dataset"])),
        Column("model", lambda r: str(r["model"])),
        Column("kind", lambda r: str(r["kind"])),
        Column("runs", lambda r: f"{r['runs']:,}", right=True),
        Column("there", lambda r: f"{r['there']:,}", right=True),
        Column("epochs each", lambda r: f"{r['epochs']:.1f}" if r["epochs"] else UNKNOWN, right=True),
        Column("hours to go", lambda r: _hours(r["seconds"]), right=True),
        *map(_peak, peaks),
    ]
    return Table("deepunlearn.plan-size/1", "", columns, rows, _notes(rows, jobs))


def _peak(fact: Fact) -> Column:
    def text(row: Row) -> str:
        value = row[fact.name]
        return UNKNOWN if value is None else f"{value * fact.scale:,.0f}"

    return Column(fact.title, text, right=True)


def _hours(seconds: float | None) -> str:
    return UNKNOWN if seconds is None else f"{seconds / 3600:,.2f}"


def _notes(rows: Sequence[Row], jobs: int) -> list[str]:
    pairs = len({(row["dataset"], row["model"]) for row in rows})
    kinds = dict.fromkeys(row["kind"] for row in rows)
    totals = {kind: sum(row["runs"] for row in rows if row["kind"] == kind) for kind in kinds}
    unlearned = sum(totals.get(kind, 0) for kind in MODEL_KINDS)
    counts = ", ".join(f"{count:,} {kind}" for kind, count in totals.items())
    said = f"{unlearned:,} unlearned models (search trials and models)"
    runs, there = (sum(row[name] for row in rows) for name in ("runs", "there"))
    return [
        f"{pairs} pair{'s' * (pairs > 1)}: {counts}; {said}",
        f"{runs:,} runs in all: {there:,} there already, {runs - there:,} to make; failed trials, and what "
        "is made again because other work shared the machine, come on top",
        _time(rows, jobs),
    ]


def _time(rows: Sequence[Row], jobs: int) -> str:
    missing = [row for row in rows if row["there"] < row["runs"]]
    known = [row["seconds"] for row in missing if row["seconds"] is not None]
    if missing and not known:
        return "hours to go are unknown: no run of these pairs is in this store to go by"
    company = "one run at a time" if jobs == 1 else f"{jobs} runs at a time"
    lacking = ", ".join(dict.fromkeys(str(row["kind"]) for row in missing if row["seconds"] is None))
    rest = f"; more for {lacking}, of which no run is in this store" if lacking else ""
    return (
        f"about {sum(known) / 3600:,.2f} hours to go, by what such runs took in this store, {company}{rest}"
    )
