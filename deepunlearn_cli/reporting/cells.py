"""Columns and cells that several tables share."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import fill, wrap
from typing import Any

from deepunlearn_cli.reporting.cohort import Spread
from deepunlearn_cli.reporting.measures import Measure
from deepunlearn_cli.reporting.table import Column

LABEL_WIDTH, PAIR_WIDTH = 13, 30  # characters; longer names are wrapped, so that tables fit 100 columns

Row = Mapping[str, Any]


def method_column() -> Column:
    """Title and configuration of a method, a line for each hyperparameter."""
    return Column("method", _method)


def _method(row: Row) -> str:
    config: str = row["config"]
    title = row["label"].removesuffix(config)
    return "\n".join(line for part in (title, *config.split()) for line in wrap(part, LABEL_WIDTH))


def pair_column() -> Column:
    """Dataset, model and forget set."""
    return Column("pair", lambda row: fill(row["pair"], PAIR_WIDTH))


def runs_column() -> Column:
    """How many runs were usable, and of how many if some failed."""
    return Column("runs", _runs, right=True)


def _runs(row: Row) -> str:
    return f"{row['n']}/{row['n'] + row['failed']}" if row["failed"] else str(row["n"])


def spread_cell(row: Row, name: str, digits: int, scale: float = 1) -> str:
    """`mean±sd` of what `Spread.fields(name)` put into a row."""
    return Spread(row[f"{name}_mean"], row[f"{name}_sd"], tuple(row[f"{name}_runs"])).text(digits, scale)


def measure_column(name: str, measure: Measure) -> Column:
    """Mean and deviation of a measure, marked where it lies within the noise (`NAME_near`)."""

    def cell(row: Row) -> str:
        return spread_cell(row, name, measure.digits, measure.scale) + (
            "≈" if row.get(f"{name}_near") else ""
        )

    return Column(measure.title, cell, right=True)
