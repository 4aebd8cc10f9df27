"""Two sets of runs side by side: which figures moved beyond their intervals, and which got worse.

A method's runs in both are compared seed by seed where they share seeds (paired, Student), otherwise by both
means (Welch 1947). Of single runs, differences come with an interval of their own over the same pictures.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from deepunlearn_cli.core.errors import NotFound
from deepunlearn_cli.evaluation.intervals import CONFIDENCE, Estimate, mean, quantile
from deepunlearn_cli.reporting.columns import place_columns
from deepunlearn_cli.reporting.measures import MEASURES, Measure
from deepunlearn_cli.reporting.pairs import Pair, Runs, identity, pairs
from deepunlearn_cli.reporting.records import Record
from deepunlearn_cli.reporting.table import FAILED, PASSED, UNKNOWN, Column, Fields, Finding, Row, Table

SHOWN = ("RA", "FA", "TA", "RetDev", "UMIA", "Indisc", "RTE_work")
HIGHER, LOWER = ("RA", "TA", "Indisc", "RTE_work"), ("RetDev",)  # is better; of others neither is
LEAST = 2  # seeds that a spread takes
WORSE = "worse"

Gaps = Mapping[str, Estimate]  # by measure: the difference of two single runs, over the same pictures


@dataclass(frozen=True)
class Side:
    """What is compared: its name for people, and its runs."""

    name: str
    records: Sequence[Record]


def diff_table(old: Side, new: Side, gaps: Gaps | None = None) -> Table:
    """A row per pair, method and figure that both sides have: old, new, the difference, whether it moved.

    Args:
        gaps: of two single runs, whatever they are called: differences that are known over pictures.

    Raises:
        NotFound: nothing is in both.
    """
    rows = _single(old, new, gaps) if gaps is not None else _common(old, new)
    if not rows:
        raise NotFound(
            f"{old.name} and {new.name} have no method on the same data, model and forget set",
            "deepunlearn runs --store DIR lists what is in a store",
        )
    _judge(rows)
    columns = [
        Column("method", lambda r: str(r["label"])),
        Column("figure", lambda r: str(r["title"])),
        Column("old", lambda r: _text(r, "old"), right=True),
        Column("new", lambda r: _text(r, "new"), right=True),
        Column("new less old (95 %)", _gap, right=True),
        Column("moved", lambda r: str(r["moved"])),
    ]
    title = f"{new.name} (new) less {old.name} (old)"
    notes, keys = _notes(rows), place_columns(rows)
    return Table("deepunlearn.report.diff/1", title, columns, rows, notes, keys, judge=_finding)


def regressed(table: Table) -> bool:
    """Whether a figure got worse, at 5 % shared by all figures of the table."""
    return any(row["moved"] == WORSE for row in table.rows)


def _common(old: Side, new: Side) -> list[Fields]:
    before = {pair.label: pair for pair in pairs(old.records)}
    rows = []
    for pair in pairs(new.records):
        if pair.label in before:
            rows += _of_pair(before[pair.label], pair)
    return rows


def _of_pair(old: Pair, new: Pair) -> list[Fields]:
    rows = []
    for key, runs in new.methods.items():
        for measure in _measures() if key in old.methods else ():
            before, after = _values(measure, old, old.methods[key]), _values(measure, new, runs)
            gap = _difference(before, after)
            if before and (after or _failed(runs)):
                about = {"pair": new.label, **new.place, **identity(next(iter(runs.values())))}
                rows.append(_row(about, measure, (before, after), gap))
    return rows


def _failed(runs: Runs) -> bool:
    """Whether no run gave a usable model: then a figure is not missing, it is lost."""
    return not any(run.usable for run in runs.values())


def _single(old: Side, new: Side, gaps: Gaps) -> list[Fields]:
    """Of one run each, by the measures that stand alone and those whose references are at hand."""
    before, after = old.records[0], new.records[0]
    place = {"dataset": after.dataset, "model": after.model, "forget": after.forget_label}
    about = {"pair": " ".join(place.values()), **place, "setting": "", **identity(after)}
    rows = []
    for measure in _measures():
        if measure.alone:
            values = [{run.seed: _finite(measure.of(run, run))} for run in (before, after)]
            if all(math.isfinite(one) for value in values for one in value.values()):
                gap = gaps.get(measure.name) or _by_intervals(measure, before, after)
                rows.append(_row(about, measure, (values[0], values[1]), gap))
    return rows


def _by_intervals(measure: Measure, before: Record, after: Record) -> Estimate | None:
    """From the intervals of both figures, as of independent ones."""
    ends = [measure.interval(run) for run in (before, after)]
    if None in ends:
        return None
    errors = [(one[1] - one[0]) / (2 * quantile((1 + CONFIDENCE) / 2)) for one in ends if one]
    return Estimate(measure.of(after, after) - measure.of(before, before), math.hypot(*errors))


def _measures() -> list[Measure]:
    return [MEASURES[name] for name in SHOWN]


def _values(measure: Measure, pair: Pair, runs: Runs) -> dict[int, float]:
    """The figure of every usable run, by seed."""
    found = {}
    for seed, run in runs.items():
        reference = run if measure.alone else pair.retrained.get(seed)
        if run.usable and reference and math.isfinite(value := measure.of(run, reference)):
            found[seed] = value
    return found


def _difference(before: Mapping[int, float], after: Mapping[int, float]) -> Estimate | None:
    """New less old with its error; None where fewer than two seeds say how much it varies."""
    shared = sorted(before.keys() & after.keys())
    if len(shared) >= LEAST:
        return mean(np.array([after[seed] - before[seed] for seed in shared]))
    if min(len(before), len(after)) < LEAST:
        return None
    sides = [mean(np.array([*values.values()])) for values in (before, after)]
    parts = [one.error**2 for one in sides]
    if not sum(parts):
        return Estimate(sides[1].value - sides[0].value, 0.0)
    df = sum(parts) ** 2 / sum(part**2 / one.df for part, one in zip(parts, sides, strict=True))
    return Estimate(sides[1].value - sides[0].value, math.sqrt(sum(parts)), df)


def _row(
    about: Fields,
    measure: Measure,
    values: tuple[Mapping[int, float], Mapping[int, float]],
    gap: Estimate | None,
) -> Fields:
    old, new = (float(np.mean([*one.values()])) if one else math.nan for one in values)
    low, high = gap.interval(CONFIDENCE) if gap else (math.nan, math.nan)
    return {
        **about,
        "measure": measure.name,
        "title": measure.title,
        "old": old,
        "new": new,
        "seeds_old": len(values[0]),
        "seeds_new": len(values[1]),
        "gap": gap.value if gap else new - old,
        "gap_low": low,
        "gap_high": high,
        "estimate": gap,
        "digits": measure.digits,
        "scale": measure.scale,
    }


def _judge(rows: Sequence[Fields]) -> None:
    """Say of every row whether it moved; worse only at 5 % shared by all (Bonferroni)."""
    known = [row for row in rows if row["estimate"]]
    for row in rows:
        gap: Estimate | None = row.pop("estimate")
        lost = math.isnan(row["new"])
        row["moved"] = WORSE if lost else "not known" if gap is None else _moved(row, gap, len(known))


def _moved(row: Row, gap: Estimate, many: int) -> str:
    if not _excludes_nothing(gap, CONFIDENCE):
        return ""
    sure = _excludes_nothing(gap, 1 - (1 - CONFIDENCE) / max(1, many))
    better = (gap.value > 0) == (row["measure"] in HIGHER)
    if row["measure"] not in (*HIGHER, *LOWER):
        return "moved"
    if better:
        return "better" if sure else "perhaps better"
    return WORSE if sure else "perhaps worse"


def _excludes_nothing(gap: Estimate, confidence: float) -> bool:
    low, high = gap.interval(confidence)
    return not low <= 0 <= high


def _finding(row: Row) -> Finding:
    """What a row means for a CI job: only what surely got worse fails, as with `--fail-on-regression`."""
    title, worse = f"{row['label']} {row['title']}", row["moved"] == WORSE
    change = f"{_text(row, 'old')} to {_text(row, 'new')}, {_gap(row)}"
    text = f"{title} on {row['pair']}: {change}"
    said = f"{text}: {row['moved']}" if row["moved"] else text
    return Finding(FAILED if worse else PASSED, title, said, told=worse)


def _finite(value: float) -> float:
    return value if math.isfinite(value) else math.nan


def _text(row: Row, name: str) -> str:
    return "failed" if math.isnan(row[name]) else f"{row[name] * row['scale']:.{row['digits']}f}"


def _gap(row: Row) -> str:
    if math.isnan(row["gap"]):
        return UNKNOWN
    text = f"{row['gap'] * row['scale']:+.{row['digits']}f}"
    if math.isnan(row["gap_low"]):
        return f"{text} ({UNKNOWN})"
    ends = [f"{row[end] * row['scale']:+.{row['digits']}f}" for end in ("gap_low", "gap_high")]
    return f"{text} ({' to '.join(ends)})"


def _notes(rows: Sequence[Row]) -> list[str]:
    unknown = sum(row["moved"] == "not known" for row in rows)
    return [
        "worse, better: at 5 % shared by all figures of this table; perhaps, moved: beyond its own 95 % "
        "interval, as one in twenty figures is by chance",
        *([f"not known: {unknown} of the figures, for want of {LEAST} seeds in both"] if unknown else []),
    ]
