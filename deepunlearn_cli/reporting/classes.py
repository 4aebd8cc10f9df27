"""Removed classes: what is left of them, and what their pictures are called now.

Members of the attack are the class's training pictures, non-members its test pictures. The reference is the
retrained model, which keeps its output for the class it never saw.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from deepunlearn_cli.core.errors import NotFound
from deepunlearn_cli.evaluation.removal import Removal, distance
from deepunlearn_cli.reporting.cells import measure_column, method_column
from deepunlearn_cli.reporting.cohort import UNKNOWN, Cohort, Runs, cohorts, common_notes, identity
from deepunlearn_cli.reporting.measures import ACCURACIES, Measure, attacked, noise
from deepunlearn_cli.reporting.records import Record
from deepunlearn_cli.reporting.table import Column, Table

SHOWN = 3  # labels of the removed pictures that people see, the commonest first

Row = dict[str, Any]
Removals = Mapping[str, Removal]  # by run id


def class_tables(records: Sequence[Record], removals: Removals) -> list[Table]:
    """A table per dataset, model and removed class.

    Raises:
        NotFound: no records, or no run whose forget set is whole classes.
    """
    found = [cohort for cohort in cohorts(records) if _any(cohort, removals)]
    if not found:
        raise NotFound("no whole class was forgotten by any run", "deepunlearn bench class-removal")
    return [_table(cohort, removals) for cohort in found]


def _any(cohort: Cohort, removals: Removals) -> bool:
    return any(run.id in removals for runs in cohort.methods.values() for run in runs.values())


def _measures(removals: Removals) -> dict[str, Measure]:
    """What the table shows, by the name that machines read."""
    return {
        # a class has a few dozen test pictures: no decimals for what is measured on them
        "FA": replace(ACCURACIES["FA"], digits=0),
        "FA_test": Measure("FA test", lambda run, _: removals[run.id].forgotten, 0, 100, alone=True),
        "RA": ACCURACIES["RA"],
        "TA_kept": Measure("TA kept", lambda run, _: removals[run.id].kept, 1, 100, alone=True),
        "UMIA_class": Measure("U-MIA", lambda run, _: attacked(run, ("class", "loss")), 0, 100, alone=True),
        "UMIA_class_entropy": Measure(
            "entropy", lambda run, _: attacked(run, ("class", "entropy")), 0, 100, alone=True
        ),
        "TV": Measure("TV", lambda run, ref: distance(removals[run.id].said, removals[ref.id].said), 2),
    }


def _table(cohort: Cohort, removals: Removals) -> Table:
    measures = _measures(removals)
    floor = noise(cohort, measures["TV"])
    rows = [_row(cohort, runs, measures, removals, floor) for runs in cohort.methods.values()]
    rows.sort(key=lambda row: (row["control"], row["label"]))
    shown = [name for name in measures if any(not math.isnan(row[f"{name}_mean"]) for row in rows)]
    columns = [method_column(), *[measure_column(name, measures[name]) for name in shown]]
    columns.append(Column("called now, %", _answers))
    title = f"Removed class: {cohort.label}"
    return Table("deepunlearn.report.classes/1", title, columns, rows, _notes(cohort, rows, floor))


def _row(
    cohort: Cohort, runs: Runs, measures: Mapping[str, Measure], removals: Removals, floor: float
) -> Row:
    good = {seed: run for seed, run in runs.items() if run.usable and run.id in removals}
    row = {"pair": cohort.label, **identity(next(iter(runs.values()))), "n": len(good)}
    row["failed"] = len(runs) - len(good)
    for name, measure in measures.items():
        row |= measure.spread(good, cohort.retrained).fields(name)
    return row | {
        "TV_near": not row["control"] and row["TV_mean"] <= floor,
        "removed": _names(good, removals),
        "said": _said(good, removals),
    }


def _names(runs: Runs, removals: Removals) -> list[str]:
    one = next((removals[run.id] for run in runs.values()), None)
    return [one.names[label] for label in one.removed] if one else []


def _said(runs: Runs, removals: Removals) -> dict[str, float]:
    """Mean share of the removed classes' test pictures by what they are called, every class in order."""
    found = [removals[run.id] for run in runs.values()]
    names = found[0].names if found else ()
    return {name: math.fsum(one.said[i] for one in found) / len(found) for i, name in enumerate(names)}


def _answers(row: Mapping[str, Any]) -> str:
    common = sorted(row["said"].items(), key=lambda item: -item[1])[:SHOWN]
    return ", ".join(f"{name} {100 * share:.0f}" for name, share in common if share > 0) or UNKNOWN


def _notes(cohort: Cohort, rows: Sequence[Row], floor: float) -> list[str]:
    failed = sum(row["failed"] for row in rows)
    bare = [] if cohort.retrained else [f"no usable retrained model; {cohort.retrain_command()}"]
    near = [] if math.isnan(floor) else [f"≈ TV within 95 % of the pairs of retrained models ({floor:.2f})"]
    attacks = [name for name in ("UMIA_class",) if all(math.isnan(row[f"{name}_mean"]) for row in rows)]
    return [
        "in percent, mean±sd over seeds; FA: accuracy on the class's training pictures, FA test: on its test "
        "pictures, TA kept: on all other test pictures",
        "U-MIA, on the loss and on the entropy: the class's training pictures against its test pictures; 50 "
        "is guessing",
        "called now: what the class's test pictures are taken for; TV: total variation distance of those "
        "shares from the retrained model's of the same seed, 0 for equal, 1 for disjoint",
        *near,
        *bare,
        *([f"{failed} failed runs are left out"] if failed else []),
        *(["U-MIA: not attacked yet; deepunlearn attack umia REF --against class"] if attacks else []),
        *common_notes([cohort]),
    ]
