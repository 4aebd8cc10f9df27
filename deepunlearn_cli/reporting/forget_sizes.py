"""Measures against the size of the forget set: a table per measure, a column per fraction.

nabla-tau (Trippa et al. 2024, arXiv 2403.14339) and its code compare methods from 1 to 50 % forgotten. Each
fraction has a retrained model of its own, and the draws of a seed are nested.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from deepunlearn_cli.core.errors import NotFound
from deepunlearn_cli.core.specs import random_share
from deepunlearn_cli.reporting.columns import measure_column, method_column
from deepunlearn_cli.reporting.measures import SIZES, Measure, measures_of
from deepunlearn_cli.reporting.pairs import Pair, common_notes, pairs, shortened
from deepunlearn_cli.reporting.records import Record
from deepunlearn_cli.reporting.scores import score_rows
from deepunlearn_cli.reporting.table import Column, Fields, Row, Table, field_column

LEAST = 2  # fractions that make a comparison

Levels = Mapping[float, Pair]  # by the fraction that is forgotten, ascending
RowKey = tuple[bool, str, str]  # whether a control, label and public name of a method


def size_tables(records: Sequence[Record]) -> list[Table]:
    """For every setting with several random fractions a table per measure, a row per method.

    Raises:
        NotFound: no records, or one fraction only everywhere.
    """
    several = {place: levels for place, levels in _settings(records).items() if len(levels) >= LEAST}
    if not several:
        raise NotFound(
            f"no dataset and model with {LEAST} or more random fractions to forget",
            "deepunlearn bench forget-sizes",
        )
    count = Counter(name for name, _ in several)
    labels = {place: place[0] if count[place[0]] == 1 else f"{place[0]} #{place[1][:4]}" for place in several}
    return [table for place, levels in several.items() for table in _tables(labels[place], levels)]


def several_sizes(records: Sequence[Record]) -> bool:
    """Whether `size_tables` has something to show."""
    return bool(records) and any(len(levels) >= LEAST for levels in _settings(records).values())


def _settings(records: Sequence[Record]) -> dict[tuple[str, str], Levels]:
    """Pairs of random forget sets by dataset and model, and setting."""
    drawn: dict[tuple[str, str], dict[float, list[Pair]]] = defaultdict(lambda: defaultdict(list))
    for pair in pairs(records):
        share, one = random_share(pair.any.forget_label), pair.any
        if share and pair.retrained:
            drawn[f"{one.dataset} {one.model}", pair.key[0]][share].append(pair)
    # one fraction may have been drawn in several ways: the one with most seeds stands for it
    return {
        place: {share: max(ways, key=lambda p: len(p.retrained)) for share, ways in sorted(levels.items())}
        for place, levels in drawn.items()
    }


def _tables(label: str, levels: Levels) -> list[Table]:
    rows = {share: {_key(row): row for row in score_rows(pair)} for share, pair in levels.items()}
    keys = sorted({key for by_key in rows.values() for key in by_key})
    tables = [
        _table(label, measure, [_row(label, measure, key, rows) for key in keys], list(levels))
        for measure in measures_of(SIZES)
    ]
    known = [table for table in tables if any(_known(row, levels) for row in table.rows)]
    return [*known[:-1], replace(known[-1], notes=_notes(levels))]


def _key(row: Row) -> RowKey:
    return row["control"], row["label"], row["method"]


def _row(label: str, measure: Measure, key: RowKey, rows: Mapping[float, Mapping[RowKey, Row]]) -> Fields:
    """One method's measure at every fraction: `0.03_mean`, `0.03_sd`, ..., and `0.03_near` within noise."""
    own = {share: by_key[key] for share, by_key in rows.items() if key in by_key}
    first, name = next(iter(own.values())), measure.name
    row: Fields = {"pair": label, "measure": name}
    row |= {field: first[field] for field in ("dataset", "model", "label", "method", "config", "control")}
    for share in rows:
        of = own.get(share, {})
        row |= {f"{share:g}_{end}": of.get(f"{name}_{end}", math.nan) for end in ("mean", "sd")}
        row |= {f"{share:g}_n": of.get(f"{name}_n", 0), f"{share:g}_runs": of.get(f"{name}_runs", [])}
        row[f"{share:g}_near"] = of.get(f"{name}_near", False)
    return row


def _known(row: Row, levels: Levels) -> bool:
    return any(math.isfinite(row[f"{share:g}_mean"]) for share in levels)


def _table(label: str, measure: Measure, rows: Sequence[Row], shares: Sequence[float]) -> Table:
    columns = [method_column(), *[_column(share, measure) for share in shares]]
    keys = [field_column(name) for name in ("dataset", "model", "measure")]
    return Table("deepunlearn.report.sizes/1", f"{measure.heading} ({label})", columns, rows, (), keys)


def _column(share: float, measure: Measure) -> Column:
    return measure_column(f"{share:g}", replace(measure, signed=False), f"{100 * share:g} %")


def _notes(levels: Levels) -> list[str]:
    """What a reader must know of all tables of a setting, below the last."""
    counts = sorted({len(pair.retrained) for pair in levels.values()})
    seeds = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    single = [f"{100 * share:g} %" for share, pair in levels.items() if len(pair.retrained) == 1]
    return [
        f"columns: share of the training pictures that is forgotten; mean±sd over {seeds} seeds; do nothing "
        "and retrained are controls, each fraction has its own retrained models",
        "≈ within 95 % of the differences between two retrained models of that fraction, of other seeds and "
        "so of other draws",
        *([f"one seed only, so no spread: {', '.join(single)}"] if single else []),
        *shortened(_failures(levels)),
        *common_notes(list(levels.values())),
    ]


def _failures(levels: Levels) -> list[str]:
    return [
        f"{run.label} seed {run.seed} at {100 * share:g} % is left out: {run.fault}"
        for share, pair in levels.items()
        for run in pair.runs()
        if not run.usable
    ]
