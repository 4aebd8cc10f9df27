"""Columns that several tables share."""

from __future__ import annotations

import math
from collections.abc import Sequence

from deepunlearn_cli.reporting.measures import Measure
from deepunlearn_cli.reporting.pairs import Pair
from deepunlearn_cli.reporting.spreads import Spread
from deepunlearn_cli.reporting.table import UNKNOWN, Column, Row

LABEL_WIDTH, PAIR_WIDTH = 13, 24  # characters on a terminal, so that tables fit 100 columns


def method_column() -> Column:
    """Title and configuration of a method, a line for each hyperparameter."""
    return Column("method", _method, width=LABEL_WIDTH)


def _method(row: Row) -> str:
    config: str = row["config"]
    title = row["label"].removesuffix(config).strip()
    return "\n".join((title, *config.split()))


def lettered_method_column(every: Sequence[Pair]) -> Column:
    """The method; with several pairs behind the pair's letter, which `letter_notes` explains."""
    if len(every) == 1:
        return method_column()
    letters = {pair.label: _letter(i) for i, pair in enumerate(every)}
    return Column("method", lambda row: f"{letters[row['pair']]} {_method(row)}", width=LABEL_WIDTH + 2)


def letter_notes(every: Sequence[Pair]) -> list[str]:
    """What the letters of `lettered_method_column` mean."""
    return [f"{_letter(i)}: {pair.label}" for i, pair in enumerate(every)] if len(every) > 1 else []


def _letter(index: int) -> str:
    return chr(ord("A") + index) if index < 26 else str(index + 1)


def pair_column() -> Column:
    """Dataset, model and forget set."""
    return Column("pair", lambda row: str(row["pair"]), width=PAIR_WIDTH)


def runs_column() -> Column:
    """How many runs were usable, and of how many if some failed."""
    return Column("runs", _runs, right=True)


def _runs(row: Row) -> str:
    return f"{row['n']}/{row['n'] + row['failed']}" if row["failed"] else str(row["n"])


def spread_text(row: Row, name: str, digits: int, scale: float = 1) -> str:
    """`mean±sd` of what `Spread.fields(name)` put into a row."""
    return Spread(row[f"{name}_mean"], row[f"{name}_sd"], tuple(row[f"{name}_runs"])).text(digits, scale)


def measure_column(name: str, measure: Measure, header: str = "") -> Column:
    """A measure's fields `name_*`: mean and deviation, or a signed mean; ≈ where it lies within the noise."""

    def text(row: Row) -> str:
        shown = _signed(row, name, measure) if measure.signed else _plain(row, name, measure)
        return shown + ("≈" if row.get(f"{name}_near") else "")

    return Column(header or measure.title, text, right=True)


def _plain(row: Row, name: str, measure: Measure) -> str:
    return spread_text(row, name, measure.digits, measure.scale)


def _signed(row: Row, name: str, measure: Measure) -> str:
    """Without its deviation, which csv and json have."""
    mean = row[f"{name}_mean"]
    return UNKNOWN if math.isnan(mean) else f"{mean * measure.scale:+.{measure.digits}f}"
