"""Attacks on the model itself as tables: the figures, the answer, and how it came about."""

from __future__ import annotations

from collections.abc import Sequence

from deepunlearn_cli.core.score import Score
from deepunlearn_cli.reporting.audits import WHICH, figure, finding, of_what, which
from deepunlearn_cli.reporting.meaning import headed
from deepunlearn_cli.reporting.table import Column, Finding, Row, Table

LAYOUT = 1  # of a row


def probe_table(rows: Sequence[Row], attack: str, heading: str, scores: Sequence[Score]) -> Table:
    """One row per attacked model, figures with their 95 % intervals; the gap's is 90 %, as its test's.

    Args:
        attack: its public name.
        heading: what it is, and what its figures mean.
        scores: those of it that are shown.
    """
    columns = [
        *which(),
        *[figure(score) for score in scores],
        Column("verdict", lambda r: str(r["verdict"] or "control")),
    ]
    sizes = sorted({row["n"] for row in rows})
    span = f"{sizes[0]}" if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
    notes = [f"{span} forgotten pictures; intervals: 95 %"]
    return Table(f"deepunlearn.{attack}/{LAYOUT}", heading, columns, rows, notes, of_what(), WHICH, _finding)


def _finding(row: Row) -> Finding | None:
    who = f"{row['method']} seed {row['seed']}"
    return finding(row, who, _answer(row)) if row["verdict"] else None


def answers(rows: Sequence[Row]) -> list[str]:
    """A sentence per verdict."""
    return [_answer(row) for row in rows if row["verdict"]]


def _answer(row: Row) -> str:
    gap = f"{row['gap']:+.3f} (90 %: {row['gap_low']:+.3f} to {row['gap_high']:+.3f})"
    what = f"{row['metric']} less {_reference(row)}, {gap}"
    who = f"{headed(row)}: {row['method']} seed {row['seed']}"
    if row["verdict"] == "FAIL":
        return f"{who}: {what}: p = {row['p']:.2g} for a model that has forgotten"
    if row["verdict"] == "PASS":
        doubt = "; but doing nothing would not fail either, and says as much" if row["uninformative"] else ""
        return f"{who}: nothing found, and {what}, is within ±{row['tolerance']:g}{doubt}"
    needed = f"about {row['needed']} would settle it" if row["needed"] else ""
    few = f"; {needed} (there are {row['n']})" if (row["needed"] or 0) > row["n"] else ""
    return f"{who}: nothing found, but {what}, is not shown to be within ±{row['tolerance']:g}{few}"


def _reference(row: Row) -> str:
    named = {
        "holdout": "that of pictures never seen",
        "null": "guessing",
        "retrained": "the retrained model's",
    }
    return named.get(row["reference"], f"that of {row['reference']}")
