"""Table 1: methods in three groups per measure and pair, and their ranks over all pairs.

Deep Unlearn (arXiv 2410.01276), section 2 and table 1. It does not state its linkage; ours is an option.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from deepunlearn_cli.core.errors import unknown
from deepunlearn_cli.reporting.cells import measure_column, method_column, runs_column
from deepunlearn_cli.reporting.certainty import Firmness, firmness
from deepunlearn_cli.reporting.clustering import LINKAGES, check_linkage
from deepunlearn_cli.reporting.cohort import (
    UNKNOWN,
    Cohort,
    Key,
    Spread,
    cohorts,
    identity,
    referenced,
)
from deepunlearn_cli.reporting.measures import INDISC, RETDEV, TOW, ULIRA, Measure
from deepunlearn_cli.reporting.rank_notes import firm_notes, rank_notes
from deepunlearn_cli.reporting.records import Record
from deepunlearn_cli.reporting.standings import GROUP_NAMES, Board, Standing, dense_ranks, standings
from deepunlearn_cli.reporting.table import Column, Table

__all__ = ["dense_ranks", "rank"]

MEASURES: Mapping[str, Measure] = {"retdev": RETDEV, "indisc": INDISC, "tow": TOW, "ulira": ULIRA}
BOTH = ("retdev", "indisc")  # the paper's two

Row = dict[str, Any]


def rank(records: Sequence[Record], metrics: Sequence[str] = BOTH, linkage: str = LINKAGES[0]) -> Table:
    """Methods by how often each measure puts them into the best group, over all pairs in `records`.

    F: no usable model for some seed that has a retrained model. The original and the retrained models are
    shown as controls, without a rank.

    Raises:
        NotFound: no records, no pair with a retrained model, or an unknown measure.
        UsageFailure: an unknown linkage.
    """
    measures = {name: _measure(name) for name in metrics}
    check_linkage(linkage)
    found = cohorts(records)
    compared = referenced(found)
    boards = {
        name: [standings(cohort, one, linkage) for cohort in compared] for name, one in measures.items()
    }
    firm = {name: firmness(compared, one, boards[name], linkage) for name, one in measures.items()}
    rows = _rows(compared, boards, firm)
    notes = [*rank_notes(found, compared, boards, linkage), *firm_notes(rows, measures)]
    return Table("deepunlearn.rank/1", _title(compared), _columns(measures, len(compared) == 1), rows, notes)


def _measure(name: str) -> Measure:
    if name not in MEASURES:
        raise unknown("metric", name, MEASURES, f"metrics: {', '.join(MEASURES)}")
    return MEASURES[name]


def _rows(
    compared: Sequence[Cohort],
    boards: Mapping[str, Sequence[Board]],
    firm: Mapping[str, Mapping[Key, Firmness]],
) -> list[Row]:
    samples = {key: next(iter(runs.values())) for cohort in compared for key, runs in cohort.methods.items()}
    counts = {name: _counts(samples, held) for name, held in boards.items()}
    ranks = {
        name: dense_ranks({key: count[:3] for key, count in held.items() if any(count)})
        for name, held in counts.items()
    }
    rows = []
    for key, record in samples.items():
        row = identity(record) | _facts(key, compared)
        for name, held in boards.items():
            row |= _measured(
                name, [board.get(key) for board in held], counts[name][key], ranks[name].get(key)
            )
            row |= _firm(name, firm[name].get(key))
        rows.append(row | {"pairs": _pairs(key, compared, boards)})
    return sorted(rows, key=_order(tuple(boards)))


def _counts(keys: Mapping[Key, Record], held: Sequence[Board]) -> dict[Key, tuple[int, int, int, int]]:
    counts = {key: [0, 0, 0, 0] for key in keys}
    for board in held:
        for key, standing in board.items():
            if standing.group:
                counts[key][GROUP_NAMES.index(standing.group)] += 1
    return {key: (g1, g2, g3, failed) for key, (g1, g2, g3, failed) in counts.items()}


def _facts(key: Key, compared: Sequence[Cohort]) -> Row:
    runs = [cohort.methods[key] for cohort in compared if key in cohort.methods]
    good = sum(run.usable for by_seed in runs for run in by_seed.values())
    return {"n": good, "failed": sum(map(len, runs)) - good, "n_pairs": len(runs)}


def _measured(
    name: str, held: Sequence[Standing | None], count: tuple[int, int, int, int], place: int | None
) -> Row:
    """One measure's part of a row; mean and deviation for a single pair only, as datasets do not add up."""
    known = [standing for standing in held if standing]
    one = known[0].spread if len(held) == 1 else Spread(math.nan, math.nan, ())
    return {
        f"{name}_rank": place,
        **{f"{name}_{group}": n for group, n in zip(GROUP_NAMES, count, strict=True)},
        **one.fields(name),
        f"{name}_near": all(standing.near for standing in known),
    }


def _firm(name: str, found: Firmness | None) -> Row:
    known = found or Firmness(None, None, None, "")
    return {
        f"{name}_rank_low": known.low,
        f"{name}_rank_high": known.high,
        f"{name}_kept": known.kept,
        f"{name}_letters": known.letters,
    }


def _pairs(key: Key, compared: Sequence[Cohort], boards: Mapping[str, Sequence[Board]]) -> list[Row]:
    return [
        {"pair": cohort.label}
        | {f"{name}_group": held[i][key].group for name, held in boards.items()}
        | {
            field: value
            for name, held in boards.items()
            for field, value in held[i][key].spread.fields(name).items()
        }
        for i, cohort in enumerate(compared)
        if key in cohort.methods
    ]


def _order(names: Sequence[str]) -> Callable[[Row], tuple[Any, ...]]:
    def place(row: Row) -> tuple[Any, ...]:
        if row["control"]:
            return True, row["label"]
        means = [row[f"{name}_mean"] * (1 if MEASURES[name].lower else -1) for name in names]
        return (
            False,
            *(row[f"{name}_rank"] or math.inf for name in names),
            *(math.inf if math.isnan(mean) else mean for mean in means),
            row["label"],
            row["method"],
        )

    return place


def _title(compared: Sequence[Cohort]) -> str:
    where = compared[0].label if len(compared) == 1 else f"{len(compared)} pairs"
    return f"Table 1: ranking on {where}"


def _columns(measures: Mapping[str, Measure], single: bool) -> list[Column]:
    columns = [method_column(), runs_column()]
    for name, measure in measures.items():
        shown = [measure_column(name, measure), _group(name, measure)] if single else [_count(name, measure)]
        columns += [*shown, _place(name, measure)]
    return columns


def _place(name: str, measure: Measure) -> Column:
    def cell(row: Mapping[str, Any]) -> str:
        place, low, high = (row[f"{name}_rank{end}"] for end in ("", "_low", "_high"))
        spread = f" ({low}\u2013{high})" if low is not None and low != high else ""
        return f"{place}{spread} {row[f'{name}_letters']}".rstrip() if place else UNKNOWN

    return Column(f"{measure.title} rank", cell)


def _group(name: str, measure: Measure) -> Column:
    def cell(row: Mapping[str, Any]) -> str:
        return next((group for group in GROUP_NAMES if row[f"{name}_{group}"]), UNKNOWN)

    return Column(f"{measure.title} group", cell)


def _count(name: str, measure: Measure) -> Column:
    def cell(row: Mapping[str, Any]) -> str:
        counts = [row[f"{name}_{group}"] for group in GROUP_NAMES]
        return ("/".join(map(str, counts)) + ("≈" if row[f"{name}_near"] else "")) if any(counts) else UNKNOWN

    return Column(f"{measure.title} {'/'.join(GROUP_NAMES)}", cell)
