"""Tables of scores: accuracies with their gaps to the retrained models, and retention.

Both have the same rows with every measure (for csv and json); people see the columns that fit a terminal.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from deepunlearn_cli.reporting.cells import measure_column, method_column, runs_column
from deepunlearn_cli.reporting.cohort import (
    UNKNOWN,
    Cohort,
    Runs,
    cohorts,
    common_notes,
    identity,
    shortened,
)
from deepunlearn_cli.reporting.measures import GAPS, RETDEV, SCORES, Measure, noise
from deepunlearn_cli.reporting.records import Record
from deepunlearn_cli.reporting.table import Column, Table

NOISY: Mapping[str, Measure] = {
    **GAPS,
    "RetDev": RETDEV,
}  # measures that retrained models have among themselves

Row = dict[str, Any]


def scores_table(records: Sequence[Record]) -> Table:
    """RA, FA, VA, TA in percent, signed gaps to the same-seed retrained model in points, RetDev, U-MIA.

    Raises:
        NotFound: no records.
    """
    columns = [measure_column(name, SCORES[name]) for name in ("RA", "FA", "VA", "TA")]
    columns += [_gap_column(name) for name in GAPS]
    columns += [measure_column(name, SCORES[name]) for name in ("RetDev", "UMIA")]
    return _table(records, "accuracies", columns)


def retention_table(records: Sequence[Record]) -> Table:
    """RR, FR, TR, RetDev, indiscernibility and run-time efficiency.

    Raises:
        NotFound: no records.
    """
    names = ("RR", "FR", "TR", "RetDev", "Indisc", "RTE")
    return _table(records, "retention", [measure_column(name, SCORES[name]) for name in names])


def _table(records: Sequence[Record], what: str, measured: Sequence[Column]) -> Table:
    found = cohorts(records)
    rows = [row for cohort in found for row in score_rows(cohort)]
    where = found[0].label if len(found) == 1 else f"{len(found)} pairs"
    columns = [*first_columns(found), runs_column(), *measured]
    return Table("deepunlearn.report.scores/1", f"Scores ({what}) on {where}", columns, rows, _notes(found))


def first_columns(found: Sequence[Cohort]) -> list[Column]:
    """The method; with several pairs their letter stands before it, and the notes tell what it means."""
    if len(found) == 1:
        return [method_column()]
    letters = {cohort.label: _letter(i) for i, cohort in enumerate(found)}
    named = method_column()
    return [Column(named.header, lambda row: f"{letters[row['pair']]} {named.cell(row)}")]


def letter_notes(found: Sequence[Cohort]) -> list[str]:
    """What the letters of `first_columns` mean."""
    return [f"{_letter(i)}: {cohort.label}" for i, cohort in enumerate(found)] if len(found) > 1 else []


def _letter(index: int) -> str:
    return chr(ord("A") + index) if index < 26 else str(index + 1)


def score_rows(cohort: Cohort) -> list[Row]:
    """A row per method with every measure and where it lies within the noise, controls last."""
    floors = {name: noise(cohort, measure) for name, measure in NOISY.items()}
    rows = [_row(cohort, runs, floors) for runs in cohort.methods.values()]
    return sorted(rows, key=lambda row: (row["control"], row["label"]))


def _row(cohort: Cohort, runs: Runs, floors: Mapping[str, float]) -> Row:
    good = sum(run.usable for run in runs.values())
    row = {"pair": cohort.label, **identity(next(iter(runs.values()))), "n": good, "failed": len(runs) - good}
    for name, measure in SCORES.items():
        row |= measure.spread(runs, cohort.retrained).fields(name)
    near = {f"{name}_near": not row["control"] and abs(row[f"{name}_mean"]) <= floors[name] for name in NOISY}
    return row | near


def _gap_column(name: str) -> Column:
    """A signed mean in percentage points, without its deviation (csv and json have it)."""

    def cell(row: Mapping[str, Any]) -> str:
        mean = row[f"{name}_mean"]
        return UNKNOWN if math.isnan(mean) else f"{100 * mean:+.1f}" + ("≈" if row[f"{name}_near"] else "")

    return Column(name, cell, right=True)


def _notes(found: Sequence[Cohort]) -> list[str]:
    bare = [
        f"no usable retrained model for {c.label}; {c.retrain_command()}" for c in found if not c.retrained
    ]
    return [
        *letter_notes(found),
        "accuracies and U-MIA in percent, mean±sd over seeds; gaps (dFA, dTA) in points against the "
        "retrained model of the same seed; ≈ within 95 % of the differences between two retrained models",
        *shortened(bare),
        *_failures(found),
        *_unattacked(found),
        *common_notes(found),
    ]


def _failures(found: Sequence[Cohort]) -> list[str]:
    failed = [
        f"{run.label} seed {run.seed} on {cohort.label} is left out: {run.reason or 'no finite scores'}"
        for cohort in found
        for runs in cohort.methods.values()
        for run in runs.values()
        if not run.usable
    ]
    return shortened(failed)


def _unattacked(found: Sequence[Cohort]) -> list[str]:
    runs = [run for cohort in found for by_seed in cohort.methods.values() for run in by_seed.values()]
    ids = [run.id for run in runs if run.usable and run.umia is None]
    return [f"{len(ids)} models not attacked yet; deepunlearn attack umia {ids[0]}"] if ids else []
