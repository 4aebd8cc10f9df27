"""Attacks as tables: the figures with their intervals, the answer, and what would settle it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from deepunlearn_cli.reporting.table import Column, Table

Row = Mapping[str, Any]

SHORT_ID = 8  # digits of an id that are shown; any unambiguous prefix is accepted
RATES = {"tpr_1": ("TPR@1%", 100), "tpr_01": ("@0.1%", 1000)}  # header, and the samples that it takes


def umia_table(rows: Sequence[Row], feature: str) -> Table:
    """One row per attacked model, figures with their 95 % intervals; the gap's is 90 %, as its test's."""
    columns = [
        Column("run", lambda r: str(r["target"] or r["source"])[:SHORT_ID]),
        Column("method", lambda r: str(r["method"])),
        Column("seed", lambda r: "" if r["seed"] is None else str(r["seed"]), right=True),
        Column("accuracy", lambda r: _short(r, "accuracy"), right=True),
        Column("AUC", lambda r: _short(r, "auc"), right=True),
        *[_rate(name) for name in RATES],
        Column("gap", _gap, right=True),
        Column("verdict", lambda r: str(r["verdict"] or "control")),
    ]
    title = f"U-MIA on the {feature}: 0.5 is guessing, below 0.5 leaks too"
    return Table("deepunlearn.umia/2", title, columns, rows, _notes(rows))


def _short(row: Row, name: str) -> str:
    ends = (f"{row[f'{name}_{end}']:.2f}".removeprefix("0") for end in ("low", "high"))
    return f"{row[name]:.3f} {'–'.join(ends)}"


def _rate(name: str) -> Column:
    return Column(RATES[name][0], lambda r: "–" if r[name] is None else f"{r[name]:.3f}", right=True)


def _gap(row: Row) -> str:
    if row["gap"] is None:
        return ""
    return f"{row['gap']:+.3f}±{(row['gap_high'] - row['gap_low']) / 2:.3f}"


def _notes(rows: Sequence[Row]) -> list[str]:
    sizes = sorted({row["n"] for row in rows})
    span = f"{sizes[0]}" if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
    alone = [row for row in rows if row["reference"] == "holdout"]
    paired = [row for row in rows if row["reference"] == "retrained"]
    return [
        f"{span} forgotten samples against as many unseen ones; intervals: 95 %, of the gap 90 %",
        *(["gap: to the retrained model of the same seed, on the same samples"] if paired else []),
        *(
            [f"holdout: {len(alone)} compared with guessing (0.5), for want of a retrained model"]
            if alone
            else []
        ),
        *[
            f"{title.removeprefix('@')}: not resolvable with {sizes[0]} samples, it takes {least:,}"
            for name, (title, least) in RATES.items()
            if any(row[name] is None for row in rows)
        ],
    ]


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
        said = f"the {row['metric']} {BEYOND[row['verdict']]} {row['fail_above']:g} (95 %, either way)"
    else:
        gap = f"{row['gap']:+.3f} (90 %: {row['gap_low']:+.3f} to {row['gap_high']:+.3f})"
        other = "guessing" if row["reference"] == "holdout" else f"the {row['reference']} model's"
        said = f"{row['metric']} less {other}, {gap}, {BEYOND[row['verdict']]} ±{row['margin']:g}"
    return f"{who}: {row['verdict']}: {said}{_power(row)}"


def _power(row: Row) -> str:
    if row["verdict"] != "INCONCLUSIVE" or row["needed"] is None:
        return ""
    if row["needed"] > row["n"]:
        return f"; about {row['needed']} forget samples would settle it (there are {row['n']})"
    return f"; {row['n']} forget samples suffice in general, but this gap lies near the limit"


def slice_table(rows: Sequence[Row]) -> Table:
    """The attack within each class."""
    columns = [
        Column("run", lambda r: str(r["target"] or r["source"])[:SHORT_ID]),
        Column("method", lambda r: str(r["method"])),
        Column("seed", lambda r: "" if r["seed"] is None else str(r["seed"]), right=True),
        Column("class", lambda r: str(r["class"])),
        Column("forget", lambda r: str(r["forget"]), right=True),
        Column("unseen", lambda r: str(r["against"]), right=True),
        Column("accuracy (95 %)", lambda r: _flat(r, "accuracy"), right=True),
        Column("AUC (95 %)", lambda r: _flat(r, "auc"), right=True),
    ]
    return Table("deepunlearn.umia-class/1", "U-MIA within each class", columns, rows)


def _flat(row: Row, name: str) -> str:
    if row[name] is None:
        return "–"
    return f"{row[name]:.3f} ({row[f'{name}_low']:.3f}–{row[f'{name}_high']:.3f})"


def exposed_table(rows: Sequence[Row]) -> Table:
    """The forget samples that stand out most from samples never seen."""
    columns = [
        Column("run", lambda r: str(r["target"] or r["source"])[:SHORT_ID]),
        Column("method", lambda r: str(r["method"])),
        Column("seed", lambda r: "" if r["seed"] is None else str(r["seed"]), right=True),
        Column("sample", lambda r: str(r["index"]), right=True),
        Column("class", lambda r: str(r["class"])),
        Column("score", lambda r: f"{r['score']:.4g}", right=True),
        Column("above unseen", lambda r: f"{r['percentile']:.1%}", right=True),
        Column("on the control", lambda r: _share(r["control_percentile"]), right=True),
    ]
    title = "Most exposed: larger scores look more like members; share of unseen samples below each"
    return Table("deepunlearn.umia-sample/1", title, columns, rows)


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"
