"""Attacks as tables: the figures with their intervals, and the answer; `answers` has it in words."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from deepunlearn_cli.core.score import Score
from deepunlearn_cli.reporting.answers import answer, of_request, who_of
from deepunlearn_cli.reporting.table import FAILED, OPEN, PASSED, Column, Finding, Row, Table, field_column

LAYOUT = 4  # of an audit's row, whichever the attack
ROUNDING = 1e-6  # of ends that are whole hundredths


def audit_table(
    rows: Sequence[Row], attack: str, heading: str, scores: Sequence[Score], *, accepted: bool = False
) -> Table:
    """One row per attacked model, figures with their 95 % intervals; the gap's is 90 %, as its test's.

    Args:
        attack: its public name.
        heading: what it is, and what its figures mean.
        scores: those of it that are shown.
        accepted: whether a PASS that doing nothing would get as well will do.
    """
    columns = [
        *which(),
        *[figure(score) for score in scores],
        Column("gap", _gap, right=True),
        Column("verdict", _verdict),
    ]
    notes = _notes(rows, scores)
    return Table(
        f"deepunlearn.{attack}/{LAYOUT}",
        heading,
        columns,
        rows,
        notes,
        of_what(),
        WHICH,
        _judge(accepted=accepted),
    )


def _judge(*, accepted: bool) -> Callable[[Row], Finding | None]:
    def judge(row: Row) -> Finding | None:
        who = who_of(row)
        return finding(row, who, answer(row, who), accepted=accepted)

    return judge


def finding(row: Row, who: str, text: str, *, accepted: bool = False) -> Finding | None:
    """What a verdict means for a CI job; a control has none."""
    if not row["verdict"]:
        return None
    open_ = row["verdict"] == "INCONCLUSIVE" or (row["uninformative"] and not accepted)
    outcome = FAILED if row["verdict"] == "FAIL" else OPEN if open_ else PASSED
    return Finding(outcome, who, text)


def which() -> list[Column]:
    """The model that a row is about."""
    return [
        Column("run", lambda r: str(r["target"] or r["source"]), id=True),
        Column("method", lambda r: f"{r['method']}{of_request(r)}"),
        Column("seed", lambda r: "" if r["seed"] is None else str(r["seed"]), right=True),
    ]


WHICH = 3  # columns that name the model


def of_what() -> list[Column]:
    """The data, the architecture and the forget set that a row is about; saved scores tell none."""
    names = {"dataset": "dataset", "model": "model", "forget": "forget_label"}
    return [field_column(name, header) for header, name in names.items()]


def figure(score: Score) -> Column:
    """A figure with its interval, if it has one."""

    def cell(row: Row) -> str:
        text = score.text(row[score.name])
        return f"{text} {_ends(row, score)}" if score.interval and row[score.name] is not None else text

    return Column(score.header, cell, right=True)


def _ends(row: Row, score: Score) -> str:
    """To two digits, rounded outwards: an end that is not 1 does not look like it."""
    ends = [100 * row[f"{score.name}_{end}"] for end in ("low", "high")]
    outwards = math.floor(ends[0] + ROUNDING), math.ceil(ends[1] - ROUNDING)
    return "–".join(f"{end / 100:.2f}".removeprefix("0") for end in outwards)


def _gap(row: Row) -> str:
    if row["gap_low"] is None:
        return ""
    return f"{row['gap']:+.3f}±{(row['gap_high'] - row['gap_low']) / 2:.3f}"


def _verdict(row: Row) -> str:
    if not row["verdict"]:
        return "control"
    return f"{row['verdict']}, uninformative" if row["uninformative"] else str(row["verdict"])


def _notes(rows: Sequence[Row], scores: Sequence[Score]) -> list[str]:
    cut, (forget, unseen) = _span(rows, "n"), (_span(rows, name) for name in ("n_forget", "n_unseen"))
    notes = _chains(rows)
    notes += [
        f"accuracy: {cut} samples a side; AUC, TPR and verdict: {forget} forgotten against {unseen} unseen "
        "ones; intervals: 95 %, of the gap 90 %"
    ]
    if any(row["class_matched"] for row in rows):
        notes.append("AUC, TPR and verdict: unseen samples weighted to the class mix of the forgotten ones")
    if left := max(row["left_out"] for row in rows):
        notes.append(f"AUC, TPR and verdict: without {left} forgotten samples of classes with no unseen one")
    references = [row["reference"] for row in rows]
    if "retrained" in references:
        notes.append("gap: to the retrained model of the same seed, on the same samples, of what decided")
    if alone := references.count("holdout"):
        notes.append(f"holdout: {alone} compared with guessing (0.5), for want of a retrained model")
    if any(row["uninformative"] for row in rows):
        notes.append("uninformative: doing nothing passes too, so this test could not have seen a difference")
    for score in scores:
        if score.takes and any(row[score.name] is None for row in rows):
            few = f"not resolvable with {unseen} unseen samples, it takes {score.takes:,}"
            notes.append(f"{score.header.removeprefix('@')}: {few}")
    return notes


def _chains(rows: Sequence[Row]) -> list[str]:
    """The requests behind models that carried out several, each chain once."""
    chains = dict.fromkeys(tuple(row.get("requests") or ()) for row in rows)
    longest = [one for one in chains if len(one) > 1 and not any(_begins(other, one) for other in chains)]
    return [
        f"requests: {', '.join(f'{number} {spec}' for number, spec in enumerate(one, 1))}" for one in longest
    ]


def _begins(chain: Sequence[str], with_: Sequence[str]) -> bool:
    return len(chain) > len(with_) and tuple(chain[: len(with_)]) == tuple(with_)


def _span(rows: Sequence[Row], name: str) -> str:
    sizes = sorted({row[name] for row in rows})
    return f"{sizes[0]:,}" if len(sizes) == 1 else f"{sizes[0]:,} to {sizes[-1]:,}"


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
    heading = f"{title} within each class"
    return Table(f"deepunlearn.{attack}-class/1", heading, columns, rows, (), of_what(), WHICH + 1)


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
    return Table(f"deepunlearn.{attack}-sample/1", title, columns, rows, (), of_what(), WHICH + 1)


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"
