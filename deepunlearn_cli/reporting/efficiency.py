"""Table 2: run-time efficiency, and the facts that are declared for it (`core.facts`).

Deep Unlearn (arXiv 2410.01276): RTE = T(retrain) / T(method), table 2. Here each seed is compared with the
retrained model of the same seed, in seconds and in work (epochs of training), which is the same everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from deepunlearn_cli.core.facts import FACTS, Fact
from deepunlearn_cli.reporting.columns import (
    method_column,
    place_columns,
    place_of,
    runs_column,
    spread_text,
    usable,
)
from deepunlearn_cli.reporting.measures import MEASURES, comparable
from deepunlearn_cli.reporting.pairs import (
    Pair,
    Runs,
    common_notes,
    identity,
    left_out,
    pairs,
    unpaired,
    with_retrained,
)
from deepunlearn_cli.reporting.records import Record
from deepunlearn_cli.reporting.spreads import NO_SPREAD, Spread, measured, spread
from deepunlearn_cli.reporting.table import PLACE, UNKNOWN, Column, Fields, Row, Table

AVERAGE = "average over pairs"
RTE, RTE_WORK = MEASURES["RTE"], MEASURES["RTE_work"]
DECLARED = [fact for fact in FACTS.values() if fact.title]


def efficiency_table(records: Sequence[Record]) -> Table:
    """How many times faster than retraining, per pair and on average over the pairs.

    Raises:
        NotFound: no records, or no pair with a retrained model.
    """
    every = pairs(records)
    compared = with_retrained(every)
    rows = [row for pair in compared for row in _rows(pair)]
    averages = _averages(rows) if len(compared) > 1 else []
    facts = [fact for fact in DECLARED if any(row[f"{fact.name}_n"] for row in rows)]
    notes = [*_notes(every, compared, rows, facts), *common_notes(every)]
    where = f" on {compared[0].label}" if len(compared) == 1 else ""
    title = f"Table 2: run-time efficiency{where}, T(retrain) / T(method)"
    columns = [*_columns(), *map(_fact_column, facts)]
    rows, keys = [*rows, *averages], place_columns(rows)
    return Table("deepunlearn.report.rte/1", title, columns, rows, notes, keys, judge=usable)


def _rows(pair: Pair) -> list[Fields]:
    rows = [_row(pair, runs) for runs in pair.methods.values()]
    return sorted(rows, key=lambda row: (row["control"], row["label"]))


def _row(pair: Pair, runs: Runs) -> Fields:
    good = [run for run in runs.values() if run.usable]
    row = {
        "pair": pair.label,
        **place_of([pair]),
        **identity(next(iter(runs.values()))),
        "n": len(good),
        "failed": len(runs) - len(good),
        **measured(RTE, runs, pair.retrained).fields(RTE.key),
        "incomparable": list(_incomparable(pair, runs)),
        **measured(RTE_WORK, runs, pair.retrained).fields(RTE_WORK.key),
    }
    for fact in DECLARED:
        row |= _spread_of(fact, good).fields(fact.name)
    return row


def _spread_of(fact: Fact, runs: Sequence[Record]) -> Spread:
    known = ((run.id, run.facts.get(fact.name)) for run in runs)
    return spread((run_id, math.nan if value is None else value) for run_id, value in known)


def _incomparable(pair: Pair, runs: Runs) -> Iterator[str]:
    """Runs whose seconds say nothing against their retrained model's (do-nothing's are never compared)."""
    for seed, run in runs.items():
        reference = pair.retrained.get(seed)
        if run.usable and reference and run.facts.get("work") and not comparable(run, reference):
            yield run.id


def _averages(rows: Sequence[Row]) -> list[Fields]:
    """Plain means over the pairs that have the figure, in the order of the first appearance."""
    methods: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        methods.setdefault((row["method"], row["config"]), []).append(row)
    ordered = sorted(methods.values(), key=lambda group: (group[0]["control"], group[0]["label"]))
    return [_average(group) for group in ordered]


def _average(group: Sequence[Row]) -> Fields:
    totals = {name: sum(row[name] for row in group) for name in ("n", "failed")}
    kept = {name: group[0][name] for name in ("label", "method", "config", "control")}
    odd = [run for row in group for run in row["incomparable"]]
    speeds = _over_pairs(group, RTE.key) | {"incomparable": odd} | _over_pairs(group, RTE_WORK.key)
    # facts of different data (their seconds, say) do not add up
    facts = {name: value for fact in DECLARED for name, value in NO_SPREAD.fields(fact.name).items()}
    place = {**dict.fromkeys(PLACE, ""), "setting": "", PLACE[0]: AVERAGE}
    return {"pair": AVERAGE, **place, **kept, **totals, **speeds, **facts}


def _over_pairs(group: Sequence[Row], name: str) -> Fields:
    """The mean of the pairs' means, with their deviation; `n` counts pairs, `runs` names every run."""
    known = [row for row in group if not math.isnan(row[f"{name}_mean"])]
    means = spread((row["pair"], row[f"{name}_mean"]) for row in known)
    return means.fields(name) | {f"{name}_runs": [run for row in known for run in row[f"{name}_runs"]]}


def _columns() -> list[Column]:
    return [
        method_column(),
        runs_column(),
        Column(RTE.title, _speed, right=True),
        Column(RTE_WORK.title, lambda row: spread_text(row, RTE_WORK.key, RTE_WORK.digits), right=True),
    ]


def _speed(row: Row) -> str:
    text = spread_text(row, RTE.key, RTE.digits)
    return (text.replace(UNKNOWN, "") + "*") if row["incomparable"] else text


def _fact_column(fact: Fact) -> Column:
    return Column(fact.title, lambda row: spread_text(row, fact.name, fact.digits, fact.scale), right=True)


def _notes(
    every: Sequence[Pair], compared: Sequence[Pair], rows: Sequence[Row], facts: Sequence[Fact]
) -> list[str]:
    odd = sum(len(row["incomparable"]) for row in rows)
    left = "1 run is" if odd == 1 else f"{odd} runs are"
    starred = f"* {left} left out of RTE: another device than retraining, or other runs shared it"
    return [
        *left_out(every),
        *unpaired(compared, "RTE"),
        *([starred] if odd else []),
        "RTE: in seconds; RTE work: in epochs of training, the same on every machine; mean±sd over seeds"
        + (", averages: over pairs" if len(compared) > 1 else ""),
        *(["; ".join(f"{fact.title}: {fact.meaning}" for fact in facts)] if facts else []),
    ]
