"""U-LiRA as tables: the figures per method, and the distribution of per-sample accuracy (Figure 1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from deepunlearn_cli.core.score import Score
from deepunlearn_cli.reporting import audits
from deepunlearn_cli.reporting.answers import answer, claim
from deepunlearn_cli.reporting.table import OPEN, UNKNOWN, Column, Finding, Row, Table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


BARS = " ▁▂▃▄▅▆▇█"
BINS = 25  # of per-sample accuracy, 0 to 1: 4 points each


def ulira_table(rows: Sequence[Row], scores: Sequence[Score]) -> Table:
    """One row per method with these figures; intervals over splits, at 95 %."""
    columns = [
        Column("method", lambda r: str(r["title"])),
        *[_column(score) for score in scores],
        Column("gap", _gap, right=True),
        Column("models", lambda r: _plain(r["models"], "{}"), right=True),
        Column("verdict", _verdict),
    ]
    title = "U-LiRA per sample: 0.5 is guessing"
    return Table("deepunlearn.ulira/2", title, columns, rows, (), audits.of_what(), 1, _finding)


def others_table(rows: Sequence[Row], scores: Sequence[Score], notes: Sequence[str]) -> Table:
    """Their AUCs (TPRs are in the rows only: a terminal is no wider), KLoM, and KLoM above its floor."""
    columns = [
        Column("method", lambda r: str(r["title"])),
        *[_column(score) for score in scores if score.name.startswith("auc")],
        Column("KLoM", _klom, right=True),
        Column("above\nits floor", _excess, right=True),
    ]
    title = "The same models under other attacks (AUC 0.5 is guessing), and KLoM in nats"
    return Table("deepunlearn.ulira-others/1", title, columns, rows, notes, audits.of_what())


def _klom(row: Row) -> str:
    if row["klom"] is None:
        return UNKNOWN
    return f"{row['klom']:.3f}\n{row['klom_low']:.3f}–{row['klom_high']:.3f}"


def _excess(row: Row) -> str:
    if row["klom_excess"] is None or (row["control"] and row["klom"] == row["klom_floor"]):
        return "" if row["klom"] is not None else UNKNOWN
    return f"{row['klom_excess']:+.3f}\n±{(row['klom_excess_high'] - row['klom_excess_low']) / 2:.3f}"


def figure(rows: Sequence[Row]) -> Table:
    """Share of samples by per-sample accuracy, a line of bars per method."""
    columns = [
        Column("method", lambda r: str(r["title"])),
        Column(_axis(), lambda r: bars(r["histogram"])),
        Column("mean", lambda r: _plain(r["accuracy"]), right=True),
    ]
    title = "Samples by accuracy of the attack on them (Figure 1): 0 to 1, guessing in the middle"
    return Table("deepunlearn.ulira-figure/1", title, columns, rows, (), audits.of_what(), 1, _finding)


def histogram(accuracies: NDArray[np.floating[Any]]) -> list[float]:
    """Shares of samples in `BINS` equal bins of accuracy."""
    import numpy as np

    counts, _ = np.histogram(accuracies, bins=BINS, range=(0, 1))
    shares: list[float] = (counts / max(1, len(accuracies))).tolist()
    return shares


def bars(shares: Sequence[float]) -> str:
    """One character per bin, the tallest full."""
    top = max(shares) or 1
    return "".join(BARS[round(share / top * (len(BARS) - 1)) or (share > 0)] for share in shares)


def _finding(row: Row) -> Finding | None:
    title = str(row["title"])
    if row["reason"]:
        return Finding(OPEN, title, str(row["reason"]))
    return audits.finding(row, title, _answer(row)) if row["verdict"] else None


def answers(rows: Sequence[Row]) -> list[str]:
    """A sentence per verdict or failure."""
    told = [_answer(row) for row in rows if row["verdict"] or row["reason"]]
    return told + [claim(row, str(row["title"])) for row in rows if row["claim"]]


def _answer(row: Row) -> str:
    if row["reason"]:
        return str(row["reason"])
    more = "; more --splits narrow it" if row["verdict"] == "INCONCLUSIVE" else ""
    return answer(row, str(row["title"]), {"auc": "AUC"}) + more


def plan_table(rows: Sequence[Row]) -> Table:
    """How many models there are, how many are missing, and how long those may take."""
    columns = [
        Column("models", lambda r: str(r["models"])),
        Column("needed", lambda r: str(r["needed"]), right=True),
        Column("there", lambda r: str(r["there"]), right=True),
        Column("to make", lambda r: str(r["to_make"]), right=True),
        Column("seconds each", lambda r: _plain(r["seconds_each"], "{:.1f}"), right=True),
        Column("minutes", lambda r: _minutes(r["seconds"]), right=True),
        Column("MB", lambda r: f"{r['megabytes']:.0f}", right=True),
    ]
    return Table("deepunlearn.ulira-plan/1", "", columns, rows, [_plan_note(rows)])


def _plan_note(rows: Sequence[Row]) -> str:
    missing = sum(row["to_make"] for row in rows)
    known = [row["seconds"] for row in rows if row["seconds"] is not None]
    time = f"about {sum(known) / 60:.1f} min of unlearning and training" if known else "time unknown"
    unknown = ", more for those without a figure" if len(known) < len(rows) and known else ""
    basis = "as runs in this store took" if known else "no such run is in this store yet"
    return f"{missing} models to make; {time}{unknown} ({basis})"


def _axis() -> str:
    return f"0{'·' * (BINS // 2 - 1)}½{'·' * (BINS - BINS // 2 - 2)}1"


def _column(score: Score) -> Column:
    def cell(row: Row) -> str:
        value = row[score.name]
        if not score.interval:
            return score.text(value)
        if value is None:
            return "n too\nsmall" if row["verdict"] or row["control"] else "–"
        low, high = row[f"{score.name}_low"], row[f"{score.name}_high"]
        ends = "" if low is None else f"\n{score.text(low)}–{score.text(high)}"
        return score.text(value) + ends

    return Column(score.header, cell, right=True)


def _gap(row: Row) -> str:
    if row["gap_low"] is None:
        return ""
    return f"{row['gap']:+.3f}\n±{(row['gap_high'] - row['gap_low']) / 2:.3f}"


def _verdict(row: Row) -> str:
    if row["reason"]:
        return "failed"
    if row["uninformative"]:
        return "PASS,\nuninformative"
    return str(row["verdict"] or "control")


def _plain(value: Any, form: str = "{:.3f}") -> str:
    return "–" if value is None else form.format(value)


def _minutes(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds / 60:.1f}"
