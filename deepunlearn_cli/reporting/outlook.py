"""The table of what methods are likely to cost and to give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from deepunlearn_cli.reporting.table import Column, Row, Table

SCHEMA = "deepunlearn.forecast/1"
FIGURES = {  # name: what people read, times, digits
    "seconds": ("seconds", 1, 1),
    "RetDev": ("RetDev", 1, 3),
    "UMIA": ("U-MIA", 100, 1),
    "TA": ("TA", 100, 1),
}


def outlook_table(rows: Sequence[Row], notes: Sequence[str]) -> Table:
    """Methods as rows; a figure as `middle (low to high)`, a dash where nothing is known."""
    columns = [
        Column("method", lambda row: str(row["title"])),
        Column("by", _by),
        Column("work", lambda row: f"{row['work']:.2f}", right=True),
        *(_column(name, *how) for name, how in FIGURES.items()),
        Column("advice", lambda row: str(row["advice"])),
    ]
    return Table(SCHEMA, "What to expect", columns, rows, list(notes))


def flat(name: str, figure: Mapping[str, float] | None) -> dict[str, float | None]:
    """A figure in the fields of a row: `NAME`, `NAME_low`, `NAME_high`."""
    ends = {"": "middle", "_low": "low", "_high": "high"}
    return {f"{name}{end}": figure[key] if figure else None for end, key in ends.items()}


def _by(row: Row) -> str:
    """From how many runs on how many forget sets."""
    if not row["runs"]:
        return "no runs"
    counts = ", ".join(
        f"{row[name]} {name.removesuffix('s') if row[name] == 1 else name}" for name in ("runs", "sets")
    )
    return counts + (" *" if row["others"] else "")


def _column(name: str, title: str, scale: float, digits: int) -> Column:
    def cell(row: Row) -> str:
        values = [row[f"{name}{end}"] for end in ("", "_low", "_high")]
        if any(value is None for value in values):
            return "–"
        middle, low, high = (f"{value * scale:.{digits}f}" for value in values)
        return middle if low == high else f"{middle} ({low} to {high})"

    return Column(title, cell, right=True)
