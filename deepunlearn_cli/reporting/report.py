"""Reports: Table 2 (run-time efficiency), the scores behind every ranking, and Table 1 by its number.

Deep Unlearn (arXiv 2410.01276): RTE = T(retrain) / T(method), table 2. Here each seed is held against the
retrained model of the same seed, in seconds and in work (epochs of training), which is the same everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from deepunlearn_cli.core.errors import unknown
from deepunlearn_cli.reporting.cells import method_column, pair_column, runs_column, spread_cell
from deepunlearn_cli.reporting.cohort import (
    UNKNOWN,
    Cohort,
    Runs,
    cohorts,
    common_notes,
    identity,
    left_out,
    referenced,
    spread,
)
from deepunlearn_cli.reporting.measures import RTE, RTE_WORK, comparable
from deepunlearn_cli.reporting.rank import rank
from deepunlearn_cli.reporting.records import Record
from deepunlearn_cli.reporting.scores import retention_table, scores_table
from deepunlearn_cli.reporting.table import Column, Table

AVERAGE = "average over pairs"

Row = dict[str, Any]


def report(records: Sequence[Record], table: str = "2") -> Table:
    """One of the reports: `1` (ranking), `2` (run-time efficiency), `scores`, `retention`.

    Raises:
        NotFound: no records, an unknown table, or (tables 1 and 2) no retrained model to compare with.
    """
    if table not in TABLES:
        raise unknown("table", table, TABLES, f"tables: {', '.join(TABLES)}")
    return TABLES[table](records)


def efficiency_table(records: Sequence[Record]) -> Table:
    """Table 2: how many times faster than retraining, per pair and on average over the pairs.

    Raises:
        NotFound: no records, or no pair with a retrained model.
    """
    found = cohorts(records)
    compared = referenced(found)
    rows = [row for cohort in compared for row in _rows(cohort)]
    averages = _averages(rows) if len(compared) > 1 else []
    notes = [*_notes(found, compared, rows), *common_notes(found)]
    where = f" on {compared[0].label}" if len(compared) == 1 else ""
    title = f"Table 2: run-time efficiency{where}, T(retrain) / T(method)"
    columns = _columns() if where else [pair_column(), *_columns()]
    return Table("deepunlearn.report.rte/1", title, columns, [*rows, *averages], notes)


def _rows(cohort: Cohort) -> list[Row]:
    rows = [_row(cohort, runs) for runs in cohort.methods.values()]
    return sorted(rows, key=lambda row: (row["control"], row["label"]))


def _row(cohort: Cohort, runs: Runs) -> Row:
    good = [run for run in runs.values() if run.usable]
    seconds = spread((run.id, math.nan if run.seconds is None else run.seconds) for run in good)
    return {
        "pair": cohort.label,
        **identity(next(iter(runs.values()))),
        "n": len(good),
        "failed": len(runs) - len(good),
        **RTE.spread(runs, cohort.retrained).fields("rte"),
        "incomparable": list(_incomparable(cohort, runs)),
        **RTE_WORK.spread(runs, cohort.retrained).fields("rte_work"),
        **seconds.fields("seconds"),
    }


def _incomparable(cohort: Cohort, runs: Runs) -> Iterator[str]:
    """Runs whose seconds say nothing against their retrained model's (the original's are never compared)."""
    for seed, run in runs.items():
        reference = cohort.retrained.get(seed)
        if run.usable and reference and run.work and not comparable(run, reference):
            yield run.id


def _averages(rows: Sequence[Row]) -> list[Row]:
    """Plain means over the pairs that have the figure, in the order of the first appearance."""
    held: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        held.setdefault((row["method"], row["config"]), []).append(row)
    ordered = sorted(held.values(), key=lambda group: (group[0]["control"], group[0]["label"]))
    return [_average(group) for group in ordered]


def _average(group: Sequence[Row]) -> Row:
    totals = {name: sum(row[name] for row in group) for name in ("n", "failed")}
    kept = {name: group[0][name] for name in ("label", "method", "config", "control")}
    odd = [run for row in group for run in row["incomparable"]]
    speeds = _over_pairs(group, "rte") | {"incomparable": odd} | _over_pairs(group, "rte_work")
    # seconds on different data do not add up
    return {"pair": AVERAGE, **kept, **totals, **speeds, **spread(()).fields("seconds")}


def _over_pairs(group: Sequence[Row], name: str) -> Row:
    """The mean of the pairs' means, with their deviation; `n` counts pairs, `runs` names every run."""
    known = [row for row in group if not math.isnan(row[f"{name}_mean"])]
    means = spread((row["pair"], row[f"{name}_mean"]) for row in known)
    return means.fields(name) | {f"{name}_runs": [run for row in known for run in row[f"{name}_runs"]]}


def _columns() -> list[Column]:
    return [
        method_column(),
        runs_column(),
        Column("RTE", _speed_cell, right=True),
        Column("RTE work", lambda row: spread_cell(row, "rte_work", RTE_WORK.digits), right=True),
        Column("seconds", lambda row: spread_cell(row, "seconds", 1), right=True),
    ]


def _speed_cell(row: Mapping[str, Any]) -> str:
    text = spread_cell(row, "rte", RTE.digits)
    return (text.replace(UNKNOWN, "") + "*") if row["incomparable"] else text


def _notes(found: Sequence[Cohort], compared: Sequence[Cohort], rows: Sequence[Row]) -> list[str]:
    odd = sum(len(row["incomparable"]) for row in rows)
    starred = f"* {odd} runs are left out of RTE: another device than retraining, or other runs shared it"
    return [
        *left_out(found),
        *([starred] if odd else []),
        "RTE: in seconds; RTE work: in epochs of training, the same on every machine; mean±sd over seeds"
        + (", averages: over pairs" if len(compared) > 1 else ""),
    ]


TABLES: Mapping[str, Callable[[Sequence[Record]], Table]] = {
    "1": rank,
    "2": efficiency_table,
    "scores": scores_table,
    "retention": retention_table,
}
