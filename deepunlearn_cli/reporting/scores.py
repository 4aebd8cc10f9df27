"""Tables of scores: accuracies with their gaps to the retrained models, and retention.

Both have the same rows with every measure (for csv and json); people see the columns that fit a terminal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from deepunlearn_cli.reporting.columns import (
    measure_column,
    method_column,
    place_columns,
    place_of,
    runs_column,
    usable,
)
from deepunlearn_cli.reporting.measures import MEASURES, RETENTION, SCORES, SEEDS, Measure, measures_of
from deepunlearn_cli.reporting.pairs import (
    Pair,
    Runs,
    by_reason,
    common_notes,
    identity,
    pairs,
    shortened,
    unpaired,
)
from deepunlearn_cli.reporting.records import Record
from deepunlearn_cli.reporting.spreads import measured, noise
from deepunlearn_cli.reporting.table import Fields, Table

# every measure of a run that needs no outputs: reading those of a whole store takes minutes
RECORDED = [one for one in MEASURES.values() if one.over == SEEDS and not one.outputs]


def scores_table(records: Sequence[Record]) -> Table:
    """RA, FA, VA, TA in percent, signed gaps to the same-seed retrained model in points, RetDev, U-MIA.

    Raises:
        NotFound: no records.
    """
    return _table(records, "accuracies", measures_of(SCORES))


def retention_table(records: Sequence[Record]) -> Table:
    """RR, FR, TR, RetDev, indiscernibility and run-time efficiency.

    Raises:
        NotFound: no records.
    """
    return _table(records, "retention", measures_of(RETENTION))


def _table(records: Sequence[Record], what: str, shown: Sequence[Measure]) -> Table:
    every = pairs(records)
    rows = [row for pair in every for row in score_rows(pair)]
    where = every[0].label if len(every) == 1 else f"{len(every)} pairs"
    columns = [method_column(), runs_column()]
    columns += [measure_column(measure.name, measure) for measure in shown]
    title = f"Scores ({what}) on {where}"
    notes, keys = _notes(every, shown), place_columns(rows)
    return Table("deepunlearn.report.scores/1", title, columns, rows, notes, keys, judge=usable)


def score_rows(pair: Pair) -> list[Fields]:
    """A row per method with every measure and where it lies within the noise, controls last."""
    floors = {one.name: noise(pair, one) for one in RECORDED if one.noisy}
    rows = [_row(pair, runs, floors) for runs in pair.methods.values()]
    return sorted(rows, key=lambda row: (row["control"], row["label"]))


def _row(pair: Pair, runs: Runs, floors: Mapping[str, float]) -> Fields:
    good = sum(run.usable for run in runs.values())
    row = {"pair": pair.label, **place_of([pair]), **identity(next(iter(runs.values())))}
    row |= {"n": good, "failed": len(runs) - good}
    for measure in RECORDED:
        row |= measured(measure, runs, pair.retrained).fields(measure.name)
    for name, floor in floors.items():
        row[f"{name}_near"] = not row["control"] and abs(row[f"{name}_mean"]) <= floor
    return row


def _notes(every: Sequence[Pair], shown: Sequence[Measure]) -> list[str]:
    bare = [
        f"no usable retrained model for {pair.label}; {pair.cure()}" for pair in every if not pair.retrained
    ]
    gaps = ", ".join(measure.title for measure in RECORDED if measure.signed)
    return [
        f"accuracies and U-MIA in percent, mean±sd over seeds; gaps ({gaps}) in points against the "
        "retrained model of the same seed; ≈ within 95 % of the differences between two retrained models",
        *shortened(bare),
        *unpaired([pair for pair in every if pair.retrained], "every gap and ratio"),
        *_failures(every),
        *(note for measure in shown if measure.absent for note in _absent(every, measure)),
        *common_notes(every),
    ]


def _failures(every: Sequence[Pair]) -> list[str]:
    notes = []
    for pair in every:
        for runs in pair.methods.values():
            failed = {seed: run.fault for seed, run in runs.items() if not run.usable}
            label = next(iter(runs.values())).label
            notes += [f"{label} on {pair.label} is left out for seed {by_reason(failed)}"] if failed else []
    return shortened(notes)


def _absent(every: Sequence[Pair], measure: Measure) -> list[str]:
    """How many usable runs have no figure of a measure that stands alone, and the cure for the first."""
    runs = [run for pair in every for run in pair.runs() if run.usable]
    blank = [run for run in runs if measure.alone and measure.unknown(run)]
    return [f"{measure.title} of {len(blank)} models: {measure.lacking(blank[0])}"] if blank else []
