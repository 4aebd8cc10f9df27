"""Attacks as tables: the figures with their intervals, the answer, and what would settle it."""

from __future__ import annotations

from collections.abc import Sequence

from deepunlearn_cli.core.score import Score
from deepunlearn_cli.reporting.table import Column, Row, Table

LAYOUT = 3  # of an audit's row, whichever the attack
SHORT_ID = 8  # digits of an id that are shown; any unambiguous prefix is accepted


def audit_table(rows: Sequence[Row], attack: str, heading: str, scores: Sequence[Score]) -> Table:
    """One row per attacked model, figures with their 95 % intervals; the gap's is 90 %, as its test's.

    Args:
        attack: its public name.
        heading: what it is, and what its figures mean.
        scores: those of it that are shown.
    """
    columns = [
        *which(),
        *[figure(score) for score in scores],
        Column("gap", _gap, right=True),
        Column("verdict", lambda r: str(r["verdict"] or "control")),
    ]
    return Table(f"deepunlearn.{attack}/{LAYOUT}", heading, columns, rows, _notes(rows, scores))


def which() -> list[Column]:
    """The model that a row is about."""
    return [
        Column("run", lambda r: str(r["target"] or r["source"])[:SHORT_ID]),
        Column("method", lambda r: str(r["method"])),
        Column("seed", lambda r: "" if r["seed"] is None else str(r["seed"]), right=True),
    ]


def figure(score: Score) -> Column:
    """A figure with its interval, if it has one."""

    def cell(row: Row) -> str:
        text = score.text(row[score.name])
        return f"{text} {_ends(row, score)}" if score.interval and row[score.name] is not None else text

    return Column(score.header, cell, right=True)


def _ends(row: Row, score: Score) -> str:
    return "–".join(f"{row[f'{score.name}_{end}']:.2f}".removeprefix("0") for end in ("low", "high"))


def _gap(row: Row) -> str:
    if row["gap"] is None:
        return ""
    return f"{row['gap']:+.3f}±{(row['gap_high'] - row['gap_low']) / 2:.3f}"


def _notes(rows: Sequence[Row], scores: Sequence[Score]) -> list[str]:
    sizes = sorted({row["n"] for row in rows})
    span = f"{sizes[0]}" if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
    references = [row["reference"] for row in rows]
    notes = [f"{span} forgotten samples against as many unseen ones; intervals: 95 %, of the gap 90 %"]
    if "retrained" in references:
        notes.append("gap: to the retrained model of the same seed, on the same samples")
    if alone := references.count("holdout"):
        notes.append(f"holdout: {alone} compared with guessing (0.5), for want of a retrained model")
    for score in scores:
        if score.takes and any(row[score.name] is None for row in rows):
            few = f"not resolvable with {sizes[0]} samples, it takes {score.takes:,}"
            notes.append(f"{score.header.removeprefix('@')}: {few}")
    return notes


def answers(rows: Sequence[Row], many: int = 6) -> list[str]:
    """A sentence per verdict (one for all, if there are more than `many`), and what would settle it."""
    judged = [row for row in rows if row["verdict"]]
    if len(judged) > many:
        counts = {word: sum(row["verdict"] == word for row in judged) for word in VERDICTS}
        return [", ".join(f"{count} {word}" for word, count in counts.items() if count)]
    return [_answer(row) for row in judged]


VERDICTS = ("PASS", "FAIL", "INCONCLUSIVE")
BEYOND = {"PASS": "is within", "FAIL": "is beyond", "INCONCLUSIVE": "is not shown to be within"}


def _answer(row: Row) -> str:
    who = f"{row['method']} seed {row['seed']}" if row["seed"] is not None else str(row["method"])
    if row["fail_above"] is not None:
        reason = f"the {row['metric']} {BEYOND[row['verdict']]} {row['fail_above']:g} (95 %, either way)"
    else:
        gap = f"{row['gap']:+.3f} (90 %: {row['gap_low']:+.3f} to {row['gap_high']:+.3f})"
        other = "guessing" if row["reference"] == "holdout" else f"the {row['reference']} model's"
        reason = f"{row['metric']} less {other}, {gap}, {BEYOND[row['verdict']]} ±{row['tolerance']:g}"
    return f"{who}: {row['verdict']}: {reason}{_power(row)}"


def _power(row: Row) -> str:
    if row["verdict"] != "INCONCLUSIVE" or row["needed"] is None:
        return ""
    if row["needed"] > row["n"]:
        return f"; about {row['needed']} forget samples would settle it (there are {row['n']})"
    return f"; {row['n']} forget samples suffice in general, but this gap lies near the limit"


def slice_table(rows: Sequence[Row], attack: str, title: str) -> Table:
    """The attack within each class."""
    columns = [
        *which(),
        Column("class", lambda r: str(r["class"])),
        Column("forget", lambda r: str(r["forget"]), right=True),
        Column("unseen", lambda r: str(r["against"]), right=True),
        Column("accuracy (95 %)", lambda r: _flat(r, "accuracy"), right=True),
        Column("AUC (95 %)", lambda r: _flat(r, "auc"), right=True),
    ]
    return Table(f"deepunlearn.{attack}-class/1", f"{title} within each class", columns, rows)


def _flat(row: Row, name: str) -> str:
    if row[name] is None:
        return "–"
    return f"{row[name]:.3f} ({row[f'{name}_low']:.3f}–{row[f'{name}_high']:.3f})"


def exposed_table(rows: Sequence[Row], attack: str) -> Table:
    """The forget samples that stand out most from samples never seen."""
    columns = [
        *which(),
        Column("sample", lambda r: str(r["index"]), right=True),
        Column("class", lambda r: str(r["class"])),
        Column("score", lambda r: f"{r['score']:.4g}", right=True),
        Column("above unseen", lambda r: f"{r['percentile']:.1%}", right=True),
        Column("on the control", lambda r: _share(r["control_percentile"]), right=True),
    ]
    title = "Most exposed: larger scores look more like members; share of unseen samples below each"
    return Table(f"deepunlearn.{attack}-sample/1", title, columns, rows)


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"
