"""Removed classes: what is left of them, and what their pictures are called now.

Members of the attack are the class's training pictures, non-members its test pictures. The reference is the
retrained model, which keeps its output for the class it never saw.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from deepunlearn_cli.core.errors import NotFound
from deepunlearn_cli.evaluation.removal import Removal, distance
from deepunlearn_cli.reporting.columns import measure_column, method_column, place_columns, place_of, usable
from deepunlearn_cli.reporting.measures import MEASURES, Measure, attacked
from deepunlearn_cli.reporting.pairs import Pair, Runs, common_notes, identity, pairs
from deepunlearn_cli.reporting.records import Record
from deepunlearn_cli.reporting.spreads import measured, noise
from deepunlearn_cli.reporting.table import UNKNOWN, Column, Fields, Row, Table

SHOWN = 3  # labels of the removed pictures that people see, the commonest first
ATTACK, SHARES = "UMIA_class", "TV"

Removals = Mapping[str, Removal]  # by run id


def class_tables(records: Sequence[Record], removals: Removals) -> list[Table]:
    """A table per dataset, model and removed class.

    Raises:
        NotFound: no records, or no run whose forget set is whole classes.
    """
    whole = [pair for pair in pairs(records) if any(run.id in removals for run in pair.runs())]
    if not whole:
        raise NotFound("no whole class was forgotten by any run", "deepunlearn bench class-removal")
    return [_table(pair, removals) for pair in whole]


def _measures(removals: Removals) -> list[Measure]:
    """What the table shows: measures that have a meaning for whole classes only."""
    attack = "accuracy of the attack with the class's test pictures as unseen, %, 50 is guessing"
    return [
        # a class has a few dozen test pictures: no decimals for what is measured on them
        replace(MEASURES["FA"], digits=0),
        Measure(
            "FA_test", "FA test", "accuracy on the class's test pictures, %",
            lambda run, _: removals[run.id].forgotten, 0, 100, alone=True,
        ),
        MEASURES["RA"],
        Measure(
            "TA_kept", "TA kept", "accuracy on all other test pictures, %",
            lambda run, _: removals[run.id].kept, 1, 100, alone=True,
        ),
        Measure(ATTACK, "U-MIA", attack, attacked(("class", "loss")), 0, 100, alone=True),
        Measure("UMIA_class_entropy", "entropy", attack, attacked(("class", "entropy")), 0, 100, alone=True),
        Measure(
            SHARES, "TV", "total variation of what pictures are called from the retrained model's, 0 is best",
            lambda run, ref: distance(removals[run.id].said, removals[ref.id].said), 2, noisy=True,
        ),
    ]  # fmt: skip


def _table(pair: Pair, removals: Removals) -> Table:
    measures = _measures(removals)
    floors = {one.name: noise(pair, one) for one in measures if one.noisy}
    rows = [_row(pair, runs, measures, removals, floors) for runs in pair.methods.values()]
    rows.sort(key=lambda row: (row["control"], row["label"]))
    shown = [one for one in measures if any(not math.isnan(row[f"{one.name}_mean"]) for row in rows)]
    columns = [method_column(), *[measure_column(one.name, one) for one in shown]]
    columns.append(Column("called now, %", _answers))
    title = f"Removed class: {pair.label}"
    notes, keys = _notes(pair, rows, floors[SHARES]), place_columns(rows)
    return Table("deepunlearn.report.classes/1", title, columns, rows, notes, keys, judge=usable)


def _row(
    pair: Pair, runs: Runs, measures: Sequence[Measure], removals: Removals, floors: Mapping[str, float]
) -> Fields:
    good = {seed: run for seed, run in runs.items() if run.usable and run.id in removals}
    row = {"pair": pair.label, **place_of([pair]), **identity(next(iter(runs.values())))}
    row |= {"n": len(good), "failed": len(runs) - len(good)}
    for measure in measures:
        row |= measured(measure, good, pair.retrained).fields(measure.name)
    for name, floor in floors.items():
        row[f"{name}_near"] = not row["control"] and row[f"{name}_mean"] <= floor
    return row | {"removed": _names(good, removals), "said": _said(good, removals)}


def _names(runs: Runs, removals: Removals) -> list[str]:
    one = next((removals[run.id] for run in runs.values()), None)
    return [one.names[label] for label in one.removed] if one else []


def _said(runs: Runs, removals: Removals) -> dict[str, float]:
    """Mean share of the removed classes' test pictures by what they are called, every class in order."""
    ours = [removals[run.id] for run in runs.values()]
    names = ours[0].names if ours else ()
    return {name: math.fsum(one.said[i] for one in ours) / len(ours) for i, name in enumerate(names)}


def _answers(row: Row) -> str:
    common = sorted(row["said"].items(), key=lambda item: -item[1])[:SHOWN]
    return ", ".join(f"{name} {100 * share:.0f}" for name, share in common if share > 0) or UNKNOWN


def _ids(pair: Pair) -> str:
    """The runs that an attack may look at."""
    return " ".join(run.id for run in pair.runs() if run.usable)


def _notes(pair: Pair, rows: Sequence[Row], floor: float) -> list[str]:
    failed = sum(row["failed"] for row in rows)
    bare = [] if pair.retrained else [f"no usable retrained model; {pair.cure()}"]
    near = [] if math.isnan(floor) else [f"≈ TV within 95 % of the pairs of retrained models ({floor:.2f})"]
    known = any(not math.isnan(row[f"{ATTACK}_mean"]) for row in rows)
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
        *(
            []
            if known
            else [f"U-MIA: not attacked yet; `deepunlearn attack umia {_ids(pair)} --against class`"]
        ),
        *common_notes([pair]),
    ]
