"""Table 1: methods in three groups per measure and pair, and their ranks over all pairs.

Deep Unlearn (arXiv 2410.01276), section 2 and table 1. It does not state its linkage; ours is an option.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from deepunlearn_cli.reporting.certainty import UNKNOWN_FIRMNESS, Firmness, firmness
from deepunlearn_cli.reporting.clustering import LINKAGES, check_linkage
from deepunlearn_cli.reporting.columns import (
    marks,
    measure_column,
    method_column,
    place_columns,
    place_of,
    runs_column,
    usable,
)
from deepunlearn_cli.reporting.groups import GROUP_NAMES, Counts, Groups, are_grouped, dense_ranks, groups
from deepunlearn_cli.reporting.idle import idle, idle_notes
from deepunlearn_cli.reporting.letters import abridged
from deepunlearn_cli.reporting.measures import PAPERS, Measure, find_metric
from deepunlearn_cli.reporting.pairs import MethodKey, Pair, identity, pairs, with_retrained
from deepunlearn_cli.reporting.rank_notes import firm_notes, rank_notes
from deepunlearn_cli.reporting.records import Record
from deepunlearn_cli.reporting.spreads import NO_SPREAD
from deepunlearn_cli.reporting.table import UNKNOWN, Column, Fields, Row, Table


@dataclass(frozen=True)
class Ranking:
    """What one measure says of every method: groups by pair, their counts, the rank, and how firm it is.

    `idle` has the methods that do-nothing models can be compared with: whether it is no better than those.
    """

    measure: Measure
    groups: Sequence[Groups]
    counts: dict[MethodKey, Counts]
    ranks: dict[MethodKey, int]
    firmness: dict[MethodKey, Firmness]
    idle: Mapping[MethodKey, bool]


def rank(records: Sequence[Record], metrics: Sequence[str] = PAPERS, linkage: str = LINKAGES[0]) -> Table:
    """Methods by how often each measure puts them into the best group, over all pairs in `records`.

    F: no usable model for some seed that has a retrained model. The do-nothing and the retrained models are
    shown as controls, without a rank; what is no better than doing nothing is marked. Fewer than five methods
    get no groups, and so no ranks.

    Raises:
        NotFound: no records, no pair with a retrained model, or an unknown measure.
        UsageFailure: an unknown linkage.
    """
    measures = [find_metric(name) for name in metrics]
    check_linkage(linkage)
    every = pairs(records)
    compared = with_retrained(every)
    rankings = [_ranking(measure, compared, linkage) for measure in measures]
    methods = {key: next(iter(runs.values())) for pair in compared for key, runs in pair.methods.items()}
    rows = [_row(key, sample, compared, rankings) for key, sample in methods.items()]
    rows.sort(key=lambda row: _order(row, measures))
    grouped = {ranking.measure.name: ranking.groups for ranking in rankings}
    idle_ones = any(row[f"{measure.key}_idle"] for row in rows for measure in measures)
    notes = [
        *rank_notes(every, compared, measures, grouped, linkage),
        *firm_notes(rows, measures),
        *idle_notes(compared, measures, marked=idle_ones),
    ]
    where = compared[0].label if len(compared) == 1 else f"{len(compared)} pairs"
    columns = _columns(measures, single=len(compared) == 1)
    title, keys = f"Table 1: ranking on {where}", place_columns(rows)
    return Table("deepunlearn.rank/1", title, columns, rows, notes, keys, judge=usable)


def _ranking(measure: Measure, compared: Sequence[Pair], linkage: str) -> Ranking:
    grouped = [groups(pair, measure, linkage) for pair in compared]
    counts = _counts(grouped)
    ranks = dense_ranks({key: count[:3] for key, count in counts.items()})
    ranks = ranks if any(map(are_grouped, grouped)) else {}
    firm = firmness(compared, measure, grouped, linkage)
    return Ranking(measure, grouped, counts, ranks, firm, idle(compared, measure))


def _counts(grouped: Sequence[Groups]) -> dict[MethodKey, Counts]:
    """Of every method that is in a group somewhere."""
    counts: dict[MethodKey, list[int]] = {}
    for one in grouped:
        for key, method in one.items():
            if method.group:
                counts.setdefault(key, [0, 0, 0, 0])[GROUP_NAMES.index(method.group)] += 1
    return {key: (g1, g2, g3, failed) for key, (g1, g2, g3, failed) in counts.items()}


def _row(key: MethodKey, sample: Record, compared: Sequence[Pair], rankings: Sequence[Ranking]) -> Fields:
    runs = [run for pair in compared for run in pair.methods.get(key, {}).values()]
    good = sum(run.usable for run in runs)
    n_pairs = sum(key in pair.methods for pair in compared)
    row = identity(sample) | place_of(compared) | {"n": good, "failed": len(runs) - good, "n_pairs": n_pairs}
    for ranking in rankings:
        row |= _by_measure(key, ranking)
    return row | {"pairs": _by_pair(key, compared, rankings)}


def _by_measure(key: MethodKey, ranking: Ranking) -> Fields:
    """One measure's part of a row; mean and deviation for a single pair only, as datasets do not add up."""
    name, firm = ranking.measure.key, ranking.firmness.get(key, UNKNOWN_FIRMNESS)
    known = [grouped[key] for grouped in ranking.groups if key in grouped]
    counts = ranking.counts.get(key, (0, 0, 0, 0))
    return {
        f"{name}_rank": ranking.ranks.get(key),
        **{f"{name}_{group}": count for group, count in zip(GROUP_NAMES, counts, strict=True)},
        **(known[0].spread if len(ranking.groups) == 1 else NO_SPREAD).fields(name),
        f"{name}_near": all(grouped.near for grouped in known),
        f"{name}_idle": ranking.idle.get(key),
        f"{name}_rank_low": firm.low,
        f"{name}_rank_high": firm.high,
        f"{name}_kept": firm.kept,
        f"{name}_letters": firm.letters,
    }


def _by_pair(key: MethodKey, compared: Sequence[Pair], rankings: Sequence[Ranking]) -> list[Fields]:
    rows = []
    for place, pair in enumerate(compared):
        if key in pair.methods:
            ours = {ranking.measure.key: ranking.groups[place][key] for ranking in rankings}
            row: Fields = {"pair": pair.label} | {f"{name}_group": one.group for name, one in ours.items()}
            for name, one in ours.items():
                row |= one.spread.fields(name)
            rows.append(row)
    return rows


def _order(row: Row, measures: Sequence[Measure]) -> tuple[bool | float | str, ...]:
    """Controls last; by rank, then by mean, then by name."""
    if row["control"]:
        return True, row["label"]
    ranks = [row[f"{measure.key}_rank"] or math.inf for measure in measures]
    means = [row[f"{measure.key}_mean"] * (1 if measure.lower else -1) for measure in measures]
    known = [math.inf if math.isnan(mean) else mean for mean in means]
    return False, *ranks, *known, row["label"], row["method"]


def _columns(measures: Sequence[Measure], *, single: bool) -> list[Column]:
    columns = [method_column(), runs_column()]
    for measure in measures:
        shown = [measure_column(measure.key, measure), _group(measure)] if single else [_count(measure)]
        columns += [*shown, _place(measure)]
    return columns


def _group(measure: Measure) -> Column:
    def text(row: Row) -> str:
        return next((group for group in GROUP_NAMES if row[f"{measure.key}_{group}"]), UNKNOWN)

    return Column(f"{measure.title} group", text)


def _count(measure: Measure) -> Column:
    def text(row: Row) -> str:
        counts = [row[f"{measure.key}_{group}"] for group in GROUP_NAMES]
        return "/".join(map(str, counts)) + marks(row, measure.key) if any(counts) else UNKNOWN

    return Column(f"{measure.title} {'/'.join(GROUP_NAMES)}", text)


def _place(measure: Measure) -> Column:
    def text(row: Row) -> str:
        place, low, high = (row[f"{measure.key}_rank{end}"] for end in ("", "_low", "_high"))
        interval = f" ({low}\u2013{high})" if low is not None and low != high else ""
        letters = abridged(row[f"{measure.key}_letters"] or "")
        return f"{place or UNKNOWN}{interval} {letters}".rstrip()

    return Column(f"{measure.title} rank", text)
