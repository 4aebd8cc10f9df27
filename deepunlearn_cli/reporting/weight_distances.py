"""Weight distances: verification error beside what doing nothing and other seeds give, and unlearning error.

Source: Thudi et al. 2022, Unrolling SGD (arXiv 2109.13398).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from deepunlearn_cli.core.recipe import RETRAIN
from deepunlearn_cli.reporting.columns import (
    method_column,
    place_columns,
    place_of,
    runs_column,
    spread_text,
    usable,
)
from deepunlearn_cli.reporting.pairs import (
    Pair,
    Runs,
    common_notes,
    identity,
    left_out,
    pairs,
    with_retrained,
)
from deepunlearn_cli.reporting.records import PairKey, Record
from deepunlearn_cli.reporting.spreads import NO_SPREAD, spread
from deepunlearn_cli.reporting.table import Column, Fields, Table

PROXIED = "singlegradient"  # the method whose v the unlearning error stands for

Figures = Mapping[str, Mapping[str, float]]  # by run: `v`, `v_original`, variants of `e`
Floors = Mapping[PairKey, Sequence[tuple[str, float]]]  # by pair: |w_retrained - w_retrained'| of two seeds


def weights_table(records: Sequence[Record], figures: Figures, floors: Floors) -> Table:
    """A row per method: v, |w_original - w_retrained|, their ratio, other seeds' retrained models, e.

    Raises:
        NotFound: no records, or no pair with a retrained model.
    """
    every = pairs(records)
    compared = with_retrained(every)
    rows = [row for pair in compared for row in _rows(pair, figures, floors)]
    where = compared[0].label if len(compared) == 1 else f"{len(compared)} pairs"
    columns = [
        method_column(),
        runs_column(),
        *(_column(name, title) for name, title in COLUMNS.items()),
    ]
    title, notes = f"Weight distances on {where}", _notes(every, compared)
    return Table(
        "deepunlearn.report.weights/1", title, columns, rows, notes, place_columns(rows), judge=usable
    )


COLUMNS = {"v": "v", "v_original": "v original", "ratio": "ratio", "floor": "other seeds", "e": "e"}


def _column(name: str, title: str) -> Column:
    digits = 2 if name in ("ratio", "floor") else 4
    return Column(title, lambda row: spread_text(row, name, digits), right=True)


def _rows(pair: Pair, figures: Figures, floors: Floors) -> list[Fields]:
    floor = spread(floors.get(pair.key, ()))
    rows = [_row(pair, runs, figures) | floor.fields("floor") for runs in pair.methods.values()]
    return sorted(rows, key=lambda row: (row["control"], row["label"]))


def _row(pair: Pair, runs: Runs, figures: Figures) -> Fields:
    good = [run for run in runs.values() if run.usable]
    by_run = {run.id: dict(figures[run.id]) for run in good if run.id in figures}
    for one in by_run.values():
        one["ratio"] = one["v"] / one["v_original"] if one["v_original"] else math.nan
    if good and good[0].method == RETRAIN:
        by_run = {run.id: {"v": 0.0} for run in good}
    record = next(iter(runs.values()))
    names = dict.fromkeys(["v", "v_original", "ratio", *_errors(record, by_run)])
    spreads = {name: spread((key, one.get(name, math.nan)) for key, one in by_run.items()) for name in names}
    return {
        "pair": pair.label,
        **place_of([pair]),
        **identity(record),
        "n": len(good),
        "failed": len(runs) - len(good),
        **NO_SPREAD.fields("e"),
        **{key: value for name, one in spreads.items() for key, value in one.fields(name).items()},
    }


def _errors(record: Record, by_run: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    """Variants of e; they are of the training, and stand for one method's v."""
    if record.method == PROXIED:
        for one in by_run.values():
            yield from (name for name in one if name.startswith("e"))


def _notes(every: Sequence[Pair], compared: Sequence[Pair]) -> list[str]:
    return [
        "v: L2 distance from the retrained model of the same seed over trainable weights, mean±sd; "
        "v original: the same of the original, which a method must beat (ratio below 1)",
        "other seeds: between retrained models of two seeds, which start elsewhere",
        "e: unlearning error, the proxy of Single-grad's v, of tracked originals (--json: all variants)",
        *left_out(every),
        *common_notes(every),
    ]
