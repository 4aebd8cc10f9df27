"""Tables of the study of deletions in a row: measures over requests, and where training anew is the answer.

Every figure is a mean over seeds; what is held against the retrained model is paired with that of its seed.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from deepunlearn_cli.core.recipe import CONTROLS, DO_NOTHING, RETRAIN
from deepunlearn_cli.evaluation.intervals import CONFIDENCE, mean, quantile
from deepunlearn_cli.reporting.columns import spread_text
from deepunlearn_cli.reporting.spreads import Spread, spread
from deepunlearn_cli.reporting.table import UNKNOWN, Column, Fields, Row, Table

COLUMNS = 6  # numbers of requests that a table shows
IN_A_ROW = "in a row"
EXPOSURE = "umia_all"  # the measure that says whether anything was forgotten


@dataclass(frozen=True)
class Shown:
    """A measure of the study: its name in rows, what people read, digits and scale."""

    name: str
    heading: str
    digits: int
    scale: float = 1


MEASURES = (
    Shown("RetDev", "RetDev to the model trained anew, 0 is best", 3),
    Shown("umia_all", "U-MIA on all that was forgotten, accuracy in %", 1, 100),
    Shown("umia_new", "U-MIA on the newest request, accuracy in %", 1, 100),
    Shown("umia_old", "U-MIA on the requests before, accuracy in %", 1, 100),
    Shown("TA", "test accuracy, %", 1, 100),
    Shown("work", "cost of all requests so far, in epochs of training", 1),
    Shown("seconds", "cost of all requests so far, in seconds", 1),
)
Line = tuple[str, str]  # method and way
Lines = Mapping[Line, Mapping[int, Sequence[Row]]]  # by number of requests, a row per seed


def lines_of(rows: Sequence[Row]) -> Lines:
    """Rows by method and way, and number of requests; those of the model trained anew last."""
    groups: dict[Line, dict[int, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        groups[row["method"], row["way"]][row["requests"]].append(row)
    order = sorted(groups, key=lambda line: (line[0] == RETRAIN, line[0] in CONTROLS, *line))
    return {line: dict(sorted(groups[line].items())) for line in order}


def spread_of(rows: Sequence[Row], name: str) -> Spread:
    """A measure over seeds."""
    return spread((row["run"], math.nan if row[name] is None else row[name]) for row in rows)


def repeated_tables(
    rows: Sequence[Row], titles: Mapping[str, str], limits: Mapping[str, float]
) -> list[Table]:
    """For every setup where each method says that training anew is due, then a table per measure.

    Args:
        rows: of `studies/repeated.py`.
        titles: what people call the methods.
        limits: how far from the retrained model's a measure may lie.
    """
    tables = []
    for setup in dict.fromkeys(row["setup"] for row in rows):
        lines = lines_of([row for row in rows if row["setup"] == setup])
        tables.append(_due_table(setup, lines, titles, limits))
        tables += [_table(setup, lines, titles, measure) for measure in MEASURES]
    return tables


def _table(setup: str, lines: Lines, titles: Mapping[str, str], measure: Shown) -> Table:
    counts = sorted(set.intersection(*(set(by_count) for by_count in lines.values())))
    rows = [_line(setup, line, by_count, titles, measure) for line, by_count in lines.items()]
    columns = [*_who(), *[_column(count, measure) for count in _chosen(counts)]]
    heading = f"{measure.heading}, after so many requests ({setup})"
    return Table("deepunlearn.repeated/1", heading, columns, rows, _notes(lines, measure))


def _line(
    setup: str, line: Line, by_count: Mapping[int, Sequence[Row]], titles: Mapping[str, str], measure: Shown
) -> Fields:
    """One measure of a line: `1_mean`, `1_sd`, `1_n`, `1_runs`, ... by number of requests."""
    row = _about(setup, line, titles) | {"measure": measure.name}
    for count, ours in by_count.items():
        row |= spread_of(ours, measure.name).fields(str(count))
    return row


def _about(setup: str, line: Line, titles: Mapping[str, str]) -> Fields:
    method, way = line
    return {"setup": setup, "method": method, "label": titles.get(method, method), "way": way}


def _who() -> list[Column]:
    return [Column("method", lambda row: str(row["label"])), Column("requests", lambda row: str(row["way"]))]


def _column(count: int, measure: Shown) -> Column:
    def text(row: Row) -> str:
        if f"{count}_mean" not in row:
            return UNKNOWN
        return spread_text(row, str(count), measure.digits, measure.scale)

    return Column(str(count), text, right=True)


def _chosen(counts: Sequence[int]) -> list[int]:
    """The first, the last, and some between them."""
    if len(counts) <= COLUMNS:
        return list(counts)
    step = (len(counts) - 1) / (COLUMNS - 1)
    return [counts[round(step * place)] for place in range(COLUMNS)]


def _notes(lines: Lines, measure: Shown) -> list[str]:
    if measure is not MEASURES[-1]:
        return []
    every = [row for by_count in lines.values() for ours in by_count.values() for row in ours]
    seeds = len({row["seed"] for row in every})
    last = max(row["requests"] for row in every)
    share = next(row for row in every if row["requests"] == last)
    return [
        f"mean±sd over {seeds} seeds; in a row: each request goes on from the model of the one before; at "
        "once: one request of the same pictures, from the original; anew: trained after each request "
        "without them",
        f"after {last} requests {share['forgotten']} pictures are forgotten: {share['forget']}",
    ]


@dataclass(frozen=True)
class Due:
    """After how many requests training anew is the answer, and what says so."""

    requests: int
    why: str


def due(
    by_count: Mapping[int, Sequence[Row]],
    anew: Mapping[int, Sequence[Row]],
    limits: Mapping[str, float],
) -> Due | None:
    """The first number of requests at which a line says "retrain now"; None if it never does.

    It does where the mean gap to the model trained anew, paired by seed, is beyond its limit with all of its
    95 % interval, or where all requests together have cost more than training anew once.
    """
    for count, ours in by_count.items():
        theirs = {row["seed"]: row for row in anew.get(count, ())}
        pairs = [(row, theirs[row["seed"]]) for row in ours if row["seed"] in theirs]
        if reason := _reason(pairs, limits) or _dearer(pairs, anew, count):
            return Due(count, reason)
    return None


def _reason(pairs: Sequence[tuple[Row, Row]], limits: Mapping[str, float]) -> str:
    """Which measure lies beyond its limit, whatever seeds were drawn."""
    import numpy as np

    for name, limit in limits.items():
        gap = mean(np.array([ours[name] - theirs[name] for ours, theirs in pairs]))
        half = quantile((1 + CONFIDENCE) / 2, gap.df) * gap.error if math.isfinite(gap.error) else math.inf
        if abs(gap.value) - half > limit:
            ends = f"{gap.value - half:+.3f} to {gap.value + half:+.3f}"
            return f"{WHAT[name]}, {gap.value:+.3f} (95 %: {ends}), is beyond ±{limit:g}"
    return ""


WHAT = {
    "umia_all": "U-MIA on all less the retrained model's",
    "TA": "test accuracy less the retrained model's",
}


def _dearer(pairs: Sequence[tuple[Row, Row]], anew: Mapping[int, Sequence[Row]], count: int) -> str:
    """Whether the requests cost more than one training without all their pictures."""
    spent = [ours["work"] for ours, _ in pairs if ours["work"] is not None]
    before = {row["seed"]: row["work"] for row in anew.get(count - 1, ())}
    once = [
        theirs["work"] - (before.get(theirs["seed"]) or 0)
        for _, theirs in pairs
        if theirs["work"] is not None
    ]
    if not spent or not once:
        return ""
    ours, theirs = (math.fsum(values) / len(values) for values in (spent, once))
    return f"{ours:.1f} epochs of work so far, and training anew takes {theirs:.1f}" if ours > theirs else ""


def _due_table(setup: str, lines: Lines, titles: Mapping[str, str], limits: Mapping[str, float]) -> Table:
    anew = next((by_count for (method, _), by_count in lines.items() if method == RETRAIN), {})
    rows = [
        _due_row(setup, line, by_count, anew, titles, limits)
        for line, by_count in lines.items()
        if line[0] != RETRAIN
    ]
    columns = [
        *_who(),
        Column("retrain after", lambda row: str(row["after"] or "never here"), right=True),
        Column("because", lambda row: str(row["because"])),
    ]
    heading = f"Where the curve says: retrain now ({setup})"
    notes = [*_blind(lines, anew, limits), *_lacking(lines, titles)]
    return Table("deepunlearn.repeated-due/1", heading, columns, rows, notes)


def _blind(lines: Lines, anew: Mapping[int, Sequence[Row]], limits: Mapping[str, float]) -> list[str]:
    """Whether the attack sees at all that nothing was forgotten: if not, it clears nobody."""
    nothing = next((by_count for (method, _), by_count in lines.items() if method == DO_NOTHING), {})
    seen = due(nothing, anew, {name: limit for name, limit in limits.items() if name == EXPOSURE})
    if not nothing or seen:
        return []
    return [
        "U-MIA does not show here that doing nothing differs from training anew by more than its limit: that "
        "it never says so of a method proves no forgetting"
    ]


def _lacking(lines: Lines, titles: Mapping[str, str]) -> list[str]:
    """Lines that have fewer seeds than others: a failed request ends its row."""
    every = len({row["seed"] for by_count in lines.values() for ours in by_count.values() for row in ours})
    last = max(count for by_count in lines.values() for count in by_count)
    notes = []
    for (method, way), by_count in lines.items():
        sizes = {count: len(ours) for count, ours in by_count.items() if len(ours) < every}
        ended = [] if last in by_count else [f"none after {max(by_count)} requests"]
        few = [f"{size} after {count}" for count, size in sizes.items()]
        if said := [*few, *ended]:
            name = titles.get(method, method)
            notes.append(f"{name} {way}: of {every} seeds {', '.join(said)}; the others gave no usable model")
    return notes


def _due_row(
    setup: str,
    line: Line,
    by_count: Mapping[int, Sequence[Row]],
    anew: Mapping[int, Sequence[Row]],
    titles: Mapping[str, str],
    limits: Mapping[str, float],
) -> Fields:
    found = due(by_count, anew, limits)
    return _about(setup, line, titles) | {
        "after": found.requests if found else None,
        "because": found.why if found else "",
        "limits": dict(limits),
    }
