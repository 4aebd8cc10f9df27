"""One model run on a page: every measure beside the retrained model and the original of the same seed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from deepunlearn_cli.core.errors import NotFound
from deepunlearn_cli.core.recipe import DO_NOTHING
from deepunlearn_cli.reporting.cohort import UNKNOWN, Cohort, cohorts
from deepunlearn_cli.reporting.measures import SCORES, Measure, noise
from deepunlearn_cli.reporting.records import Record
from deepunlearn_cli.reporting.table import Column, Table

TITLES = {
    "RA": "RA, accuracy on retain, %",
    "FA": "FA, accuracy on forget, %",
    "VA": "VA, accuracy on validation, %",
    "TA": "TA, accuracy on test, %",
    "RetDev": "RetDev, 0 is best",
    "ToW": "ToW, 1 is best",
    "UMIA": "U-MIA accuracy, %, 50 is guessing",
    "Indisc": "Indiscernibility, 1 is best",
    "RTE": "RTE, seconds of retraining by its own",
    "RTE_work": "RTE work, the same in work",
}
CONTROLS = ("retrained", "original")
RATIOS = ("RTE", "RTE_work")  # to the retrained model already

Row = dict[str, Any]


def run_table(records: Sequence[Record], run_id: str) -> Table:
    """A row per measure: the run, its controls, the gap to the retrained model, and the noise of retraining.

    Raises:
        NotFound: the run made no unlearned or retrained model.
    """
    here = [cohort for cohort in cohorts(records) if _own(cohort, run_id)]
    if not here:
        raise NotFound(
            f"run {run_id} is no unlearned or retrained model", f"deepunlearn show {run_id} tells what it is"
        )
    cohort, run = here[0], _own(here[0], run_id)
    assert run
    columns = [
        Column("measure", lambda row: str(row["title"])),
        *[_column(name) for name in ("run", *CONTROLS)],
        Column("gap", _gap, right=True),
        Column("noise", lambda row: _number(row, "noise"), right=True),
    ]
    rows = [_row(name, cohort, run) for name in TITLES]
    title = f"{run.label} on {cohort.label}, seed {run.seed} (run {run.id})"
    return Table("deepunlearn.report.run/1", title, columns, rows, _notes(cohort, run))


def _own(cohort: Cohort, run_id: str) -> Record | None:
    every = (run for runs in cohort.methods.values() for run in runs.values())
    return next((run for run in every if run.id == run_id), None)


def _row(name: str, cohort: Cohort, run: Record) -> Row:
    measure = SCORES[name]
    retrained = cohort.retrained.get(run.seed)
    original = cohort.methods.get((DO_NOTHING, ""), {}).get(run.seed)
    values = {
        "run": _value(measure, run, retrained),
        "retrained": _value(measure, retrained, retrained),
        "original": _value(measure, original, retrained),
    }
    return {
        "measure": name,
        "title": TITLES[name],
        "id": run.id,
        **values,
        "gap": math.nan if name in RATIOS else values["run"] - values["retrained"],
        "noise": _noise(cohort, name),
        "digits": measure.digits,
        "scale": measure.scale,
    }


def _value(measure: Measure, run: Record | None, retrained: Record | None) -> float:
    if run is None or not run.usable or not (measure.alone or retrained):
        return math.nan
    return measure.of(run, run if measure.alone else retrained or run)


def _noise(cohort: Cohort, name: str) -> float:
    """How far two retrained models are apart in 95 % of the pairs; for accuracies, the noise of their gap."""
    measure = SCORES[name]
    if measure.alone:
        gap = Measure(name, lambda one, other: measure.of(one, one) - measure.of(other, other), 3)
        return noise(cohort, gap)
    return noise(cohort, measure) if name == "RetDev" else math.nan


def _column(name: str) -> Column:
    return Column(name, lambda row: _number(row, name), right=True)


def _number(row: Mapping[str, Any], name: str) -> str:
    value = row[name]
    return UNKNOWN if math.isnan(value) else f"{value * row['scale']:.{row['digits']}f}"


def _gap(row: Mapping[str, Any]) -> str:
    if math.isnan(row["gap"]):
        return UNKNOWN
    near = "≈" if abs(row["gap"]) <= row["noise"] else ""
    return f"{row['gap'] * row['scale']:+.{row['digits']}f}{near}"


def _notes(cohort: Cohort, run: Record) -> list[str]:
    missing = [] if run.seed in cohort.retrained else [f"no retrained model: {cohort.retrain_command()}"]
    attacked = [] if run.umia is not None else [f"not attacked yet: deepunlearn attack umia {run.id}"]
    failed = [] if run.usable else [f"the run failed: {run.reason or 'no finite scores'}"]
    interval = (
        [f"U-MIA between {100 * run.umia_low:.1f} and {100 * run.umia_high:.1f} % at 95 %"]
        if run.umia_low is not None and run.umia_high is not None
        else []
    )
    return [
        *failed,
        *missing,
        *attacked,
        *interval,
        "gap: the run less the retrained model of its seed; noise: what two retrained models of different "
        "seeds stay within, in 95 % of the pairs; ≈ the gap is within it",
        f"deepunlearn show {run.id}: everything on record; deepunlearn attack umia {run.id}: a verdict",
    ]
