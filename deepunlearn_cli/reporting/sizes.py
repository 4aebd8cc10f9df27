"""Measures against the size of the forget set: a table per measure, a column per fraction.

nabla-tau (Trippa et al. 2024, arXiv 2403.14339) and its code compare methods from 1 to 50 % forgotten. Each
fraction has a retrained model of its own, and the draws of a seed are nested.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from deepunlearn_cli.core.errors import NotFound
from deepunlearn_cli.core.specs import random_share
from deepunlearn_cli.reporting.cells import method_column, spread_cell
from deepunlearn_cli.reporting.cohort import Cohort, cohorts, common_notes, shortened
from deepunlearn_cli.reporting.measures import GAPS, RETDEV, UMIA, UMIA_ENTROPY, WORK, Measure
from deepunlearn_cli.reporting.records import Record
from deepunlearn_cli.reporting.scores import score_rows
from deepunlearn_cli.reporting.table import Column, Table

LEAST = 2  # fractions that make a comparison
MEASURES: Mapping[str, tuple[Measure, str]] = {
    "RetDev": (RETDEV, "RetDev from each fraction's retrained models, 0 is best"),
    "UMIA": (UMIA, "U-MIA accuracy in percent, 50 is guessing"),
    "UMIA_entropy": (UMIA_ENTROPY, "U-MIA on the entropy, accuracy in percent"),
    "dFA": (GAPS["dFA"], "FA less the retrained model's, in points"),
    "dTA": (GAPS["dTA"], "TA less the retrained model's, in points"),
    "work": (WORK, "Cost: work in epochs of training"),
}

Row = dict[str, Any]
Levels = Mapping[float, Cohort]  # by the fraction that is forgotten, ascending


def size_tables(records: Sequence[Record]) -> list[Table]:
    """For every setting with several random fractions a table per measure, a row per method.

    Raises:
        NotFound: no records, or one fraction only everywhere.
    """
    found = {place: levels for place, levels in _settings(records).items() if len(levels) >= LEAST}
    if not found:
        raise NotFound(
            f"no dataset and model with {LEAST} or more random fractions to forget",
            "deepunlearn bench forget-sizes",
        )
    count = Counter(pair for pair, _ in found)
    names = {place: place[0] if count[place[0]] == 1 else f"{place[0]} #{place[1][:4]}" for place in found}
    return [table for place, levels in found.items() for table in _tables(names[place], levels)]


def several_sizes(records: Sequence[Record]) -> bool:
    """Whether `size_tables` has something to show."""
    return bool(records) and any(len(levels) >= LEAST for levels in _settings(records).values())


def _settings(records: Sequence[Record]) -> dict[tuple[str, str], Levels]:
    """Cohorts of random forget sets by dataset, model and setting."""
    held: dict[tuple[str, str], dict[float, list[Cohort]]] = defaultdict(lambda: defaultdict(list))
    for cohort in cohorts(records):
        share, one = random_share(cohort.any.forget_label or ""), cohort.any
        if share and cohort.retrained:
            held[f"{one.dataset} {one.model}", cohort.pair[0]][share].append(cohort)
    # one fraction may have been drawn in several ways: the one with most seeds stands for it
    return {
        place: {share: max(held, key=lambda c: len(c.retrained)) for share, held in sorted(levels.items())}
        for place, levels in held.items()
    }


def _tables(pair: str, levels: Levels) -> list[Table]:
    rows = {share: {_key(row): row for row in score_rows(cohort)} for share, cohort in levels.items()}
    keys = dict.fromkeys(key for held in rows.values() for key in held)
    ordered = sorted(keys, key=lambda key: key[:2])
    tables = [
        _table(pair, name, [_row(pair, name, key, rows) for key in ordered], list(levels))
        for name in MEASURES
    ]
    known = [table for table in tables if any(_known(row, levels) for row in table.rows)]
    return [*known[:-1], _annotated(known[-1], levels)]


def _key(row: Mapping[str, Any]) -> tuple[bool, str, str]:
    return row["control"], row["label"], row["method"]


def _row(pair: str, name: str, key: tuple[bool, str, str], rows: Mapping[float, Mapping[Any, Row]]) -> Row:
    """One method's measure at every fraction: `0.03_mean`, `0.03_sd`, ..., and `0.03_near` within noise."""
    own = {share: held[key] for share, held in rows.items() if key in held}
    first = next(iter(own.values()))
    row = {"pair": pair, "measure": name} | {
        field: first[field] for field in ("label", "method", "config", "control")
    }
    for share in rows:
        of = own.get(share, {})
        row |= {f"{share:g}_{end}": of.get(f"{name}_{end}", math.nan) for end in ("mean", "sd")}
        row |= {f"{share:g}_n": of.get(f"{name}_n", 0), f"{share:g}_runs": of.get(f"{name}_runs", [])}
        row[f"{share:g}_near"] = of.get(f"{name}_near", False)
    return row


def _known(row: Mapping[str, Any], levels: Levels) -> bool:
    return any(math.isfinite(row[f"{share:g}_mean"]) for share in levels)


def _table(pair: str, name: str, rows: Sequence[Row], shares: Sequence[float]) -> Table:
    measure, said = MEASURES[name]
    columns = [method_column(), *[_column(share, measure) for share in shares]]
    return Table("deepunlearn.report.sizes/1", f"{said} ({pair})", columns, rows)


def _column(share: float, measure: Measure) -> Column:
    def cell(row: Mapping[str, Any]) -> str:
        text = spread_cell(row, f"{share:g}", measure.digits, measure.scale)
        return text + ("≈" if row[f"{share:g}_near"] else "")

    return Column(f"{100 * share:g} %", cell, right=True)


def _annotated(table: Table, levels: Levels) -> Table:
    """The last table of a setting, with what a reader must know of all."""
    counts = sorted({len(cohort.retrained) for cohort in levels.values()})
    seeds = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    single = [f"{100 * share:g} %" for share, cohort in levels.items() if len(cohort.retrained) == 1]
    notes = [
        f"columns: share of the training pictures that is forgotten; mean±sd over {seeds} seeds; original "
        "and retrain are controls, each fraction has its own retrained models",
        "≈ within 95 % of the differences between two retrained models of that fraction, of other seeds and "
        "so of other draws",
        *([f"one seed only, so no spread: {', '.join(single)}"] if single else []),
        *shortened(_failures(levels)),
        *common_notes(list(levels.values())),
    ]
    return Table(table.name, table.title, table.columns, table.rows, notes)


def _failures(levels: Levels) -> list[str]:
    return [
        f"{run.label} seed {run.seed} at {100 * share:g} % is left out: {run.reason or 'no finite scores'}"
        for share, cohort in levels.items()
        for runs in cohort.methods.values()
        for run in runs.values()
        if not run.usable
    ]
