"""Weight distances: verification error beside what doing nothing and other seeds give, and unlearning error.

Source: Thudi et al. 2022, Unrolling SGD (arXiv 2109.13398).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from deepunlearn_cli.core.recipe import RETRAIN
from deepunlearn_cli.reporting.cells import runs_column, spread_cell
from deepunlearn_cli.reporting.cohort import (
    Cohort,
    Runs,
    cohorts,
    common_notes,
    identity,
    left_out,
    referenced,
    spread,
)
from deepunlearn_cli.reporting.records import Pair, Record
from deepunlearn_cli.reporting.scores import first_columns, letter_notes
from deepunlearn_cli.reporting.table import Column, Table

PROXIED = "singlegradient"  # the method whose v the unlearning error stands for

Row = dict[str, Any]
Figures = Mapping[str, Mapping[str, float]]  # by run: `v`, `v_original`, variants of `e`
Floors = Mapping[Pair, Sequence[tuple[str, float]]]  # by pair: |w_retrained - w_retrained'| of two seeds


def weights_table(records: Sequence[Record], figures: Figures, floors: Floors) -> Table:
    """A row per method: v, |w_original - w_retrained|, their ratio, other seeds' retrained models, e.

    Raises:
        NotFound: no records, or no pair with a retrained model.
    """
    found = cohorts(records)
    compared = referenced(found)
    rows = [row for cohort in compared for row in _rows(cohort, figures, floors)]
    where = compared[0].label if len(compared) == 1 else f"{len(compared)} pairs"
    columns = [
        *first_columns(compared),
        runs_column(),
        *(Column(title, _cell(name), right=True) for name, title in COLUMNS.items()),
    ]
    return Table(
        "deepunlearn.report.weights/1", f"Weight distances on {where}", columns, rows, _notes(found, compared)
    )


COLUMNS = {"v": "v", "v_original": "v original", "ratio": "ratio", "floor": "other seeds", "e": "e"}


def _cell(name: str) -> Any:
    digits = 2 if name in ("ratio", "floor") else 4
    return lambda row: spread_cell(row, name, digits)


def _rows(cohort: Cohort, figures: Figures, floors: Floors) -> list[Row]:
    floor = spread(floors.get(cohort.pair, ()))
    rows = [_row(cohort, runs, figures) | floor.fields("floor") for runs in cohort.methods.values()]
    return sorted(rows, key=lambda row: (row["control"], row["label"]))


def _row(cohort: Cohort, runs: Runs, figures: Figures) -> Row:
    good = [run for run in runs.values() if run.usable]
    told = {run.id: dict(figures[run.id]) for run in good if run.id in figures}
    for one in told.values():
        one["ratio"] = one["v"] / one["v_original"] if one["v_original"] else math.nan
    if good and good[0].method == RETRAIN:
        told = {run.id: {"v": 0.0} for run in good}
    record = next(iter(runs.values()))
    names = dict.fromkeys(["v", "v_original", "ratio", *_errors(record, told)])
    columns = {name: spread((key, one.get(name, math.nan)) for key, one in told.items()) for name in names}
    return {
        "pair": cohort.label,
        **identity(record),
        "n": len(good),
        "failed": len(runs) - len(good),
        **spread(()).fields("e"),
        **{key: value for name, one in columns.items() for key, value in one.fields(name).items()},
    }


def _errors(record: Record, told: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    """Variants of e; they are of the training, and stand for one method's v."""
    if record.method == PROXIED:
        for one in told.values():
            yield from (name for name in one if name.startswith("e"))


def _notes(found: Sequence[Cohort], compared: Sequence[Cohort]) -> list[str]:
    return [
        *letter_notes(compared),
        "v: L2 distance from the retrained model of the same seed over trainable weights, mean±sd; "
        "v original: the same of the original, which a method must beat (ratio below 1)",
        "other seeds: between retrained models of two seeds, which start elsewhere",
        "e: unlearning error, the proxy of Single-grad's v, of tracked originals (--json: all variants)",
        *left_out(found),
        *common_notes(found),
    ]
