"""Columns that several tables share."""

from __future__ import annotations

import math
from collections.abc import Sequence

from deepunlearn_cli.reporting.measures import Measure
from deepunlearn_cli.reporting.pairs import Pair
from deepunlearn_cli.reporting.spreads import Spread
from deepunlearn_cli.reporting.table import (
    OPEN,
    PASSED,
    PLACE,
    UNKNOWN,
    Column,
    Fields,
    Finding,
    Row,
    field_column,
)


def method_column() -> Column:
    """Title and configuration of a method, a line for each hyperparameter."""
    return Column("method", _method)


def _method(row: Row) -> str:
    config: str = row["config"]
    title = row["label"].removesuffix(config).strip()
    return "\n".join((title, *config.split()))


def place_of(every: Sequence[Pair]) -> Fields:
    """Dataset, model and forget set of a row about one pair, or what there is of each in several."""
    names = (*PLACE, "setting")
    told = {name: dict.fromkeys(one.place[name] for one in every if one.place[name]) for name in names}
    return {name: ", ".join(values) for name, values in told.items()}


def place_columns(rows: Sequence[Row]) -> list[Column]:
    """Which pair a row is about: dataset, model, forget set; the setting where these are those of several."""
    names = [*PLACE, *(["setting"] if any(row.get("setting") for row in rows) else [])]
    return [field_column(name) for name in names]


def usable(row: Row) -> Finding | None:
    """Whether a method gave a usable model wherever it was run; controls are not asked."""
    if row["control"]:
        return None
    runs = row["n"] + row["failed"]
    if row["failed"]:
        why = f"{row['failed']} of {runs} runs gave no usable model"
        return Finding(OPEN, row["label"], f"{row['label']}: {why}")
    return Finding(PASSED, row["label"], f"{row['label']}: {runs} usable runs", told=False)


def runs_column() -> Column:
    """How many runs were usable, and of how many if some failed."""
    return Column("runs", _runs, right=True)


def _runs(row: Row) -> str:
    return f"{row['n']}/{row['n'] + row['failed']}" if row["failed"] else str(row["n"])


def spread_text(row: Row, name: str, digits: int, scale: float = 1) -> str:
    """`mean±sd` of what `Spread.fields(name)` put into a row."""
    return Spread(row[f"{name}_mean"], row[f"{name}_sd"], tuple(row[f"{name}_runs"])).text(digits, scale)


def marks(row: Row, name: str) -> str:
    """What to know of a figure: ≈ within the noise of retraining, † no better than doing nothing."""
    return ("≈" if row.get(f"{name}_near") else "") + ("†" if row.get(f"{name}_idle") else "")


def measure_column(name: str, measure: Measure, header: str = "") -> Column:
    """A measure's fields `name_*`: mean and deviation, or a signed mean, with their marks."""

    def text(row: Row) -> str:
        shown = _signed(row, name, measure) if measure.signed else _plain(row, name, measure)
        return shown + marks(row, name)

    return Column(header or measure.title, text, right=True)


def _plain(row: Row, name: str, measure: Measure) -> str:
    return spread_text(row, name, measure.digits, measure.scale)


def _signed(row: Row, name: str, measure: Measure) -> str:
    """Without its deviation, which csv and json have."""
    mean = row[f"{name}_mean"]
    return UNKNOWN if math.isnan(mean) else f"{mean * measure.scale:+.{measure.digits}f}"
