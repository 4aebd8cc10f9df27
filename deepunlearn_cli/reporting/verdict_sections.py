"""The verdicts on a page of many models: what the words mean, and per pair which method got which.

Rows are answers as plain data with `pair`, `label`, `seed`, and `bound` for the model that nobody unlearned.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from deepunlearn_cli.reporting.meaning import MEANING, decided, side_of
from deepunlearn_cli.reporting.page_style import listed, text
from deepunlearn_cli.reporting.table import UNKNOWN, Row

SHORT = {  # figures, where there is little room
    "accuracy": "accuracy, best",
    "auc": "AUC",
    "tpr_1": "TPR at 1 %, above",
    "tpr_1_below": "TPR at 1 %, below",
}
WORDS = ("PASS", "INCONCLUSIVE", "FAIL")
NONE = "No model here was attacked with its outputs at hand, so there are no verdicts: only figures follow."


def verdict_section(rows: Sequence[Row]) -> str:
    """The part of a page that comes first."""
    head = "<h2>Verdicts: is it forgotten?</h2>"
    if not rows:
        return f'{head}\n<p class="soft">{text(NONE)}</p>'
    meaning = [f"{word}: {MEANING[word]}" for word in WORDS]
    row = rows[0]
    rule = (
        f"U-MIA by the usual rule: every figure within {row['tolerance']:g} of the retrained model's (tails: "
        "half), 90 % intervals; FAIL takes a gap beyond that at 5 % for all figures together, so that an "
        "interval that lies beyond it may still be INCONCLUSIVE; a method passes if all its seeds do, and "
        "fails if one does"
    )
    each = [_of_pair(name, list(group)) for name, group in groupby(_by_pair(rows), key=lambda r: r["pair"])]
    return "\n".join([head, listed([*meaning, rule]), *each])


def overall(rows: Sequence[Row]) -> str:
    """The word for a method from the answers on its seeds."""
    said = {row["verdict"] for row in rows}
    return "FAIL" if "FAIL" in said else "INCONCLUSIVE" if "INCONCLUSIVE" in said else "PASS"


def _by_pair(rows: Sequence[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: str(row["pair"]))


def _of_pair(name: str, rows: Sequence[Row]) -> str:
    bound = [row for row in rows if row["bound"]]
    methods: dict[str, list[Row]] = {}
    for row in rows:
        if not row["bound"]:
            methods.setdefault(row["label"], []).append(row)
    sizes = f"{rows[0]['n_forget']:,} forgotten pictures against {rows[0]['n_unseen']:,} never seen"
    title = f"<h3>{text(name)}</h3>" + f'<p class="soft">{text(sizes)}</p>'
    return "\n".join([title, _summary(methods, bound), _table(methods, bound)])


def _summary(methods: dict[str, list[Row]], bound: Sequence[Row]) -> str:
    """Who got which word, in a box of the best that anybody got."""
    by_word = {word: [name for name, its in methods.items() if overall(its) == word] for word in WORDS}
    best = next((word for word in WORDS if by_word[word]), "INCONCLUSIVE")
    lines = [
        f'<b class="{word}">{word}</b> {len(names)} of {len(methods)}: {text(", ".join(sorted(names)))}'
        for word, names in by_word.items()
        if names
    ]
    kind = "" if overall(bound or [{"verdict": "FAIL"}]) == "PASS" else best
    return f'<div class="verdict {kind}">{"<br>".join([*lines, text(_bound(bound))])}</div>'


def _bound(bound: Sequence[Row]) -> str:
    """What the model that nobody unlearned gets, and what that says of all others."""
    if not bound:
        return "Whether doing nothing would pass too is not known."
    word = overall(bound)
    if word == "PASS":
        return "Doing nothing passes too: this test could not have seen a difference, and no PASS counts."
    more = "this test sees a model that forgot nothing" if word == "FAIL" else "this test is not sure of it"
    return f"Doing nothing gets {word} ({_counts(bound)}): {more}."


def _table(methods: dict[str, list[Row]], bound: Sequence[Row]) -> str:
    ordered = sorted(methods.items(), key=lambda one: (WORDS.index(overall(one[1])), one[0]))
    lines = [_line(name, its) for name, its in [*ordered, *([("Do nothing", bound)] if bound else [])]]
    heads = ["method", "verdict", "seeds", "that is", "what decided", "gap (90 %)", "allowed"]
    head = "".join(f"<th>{one}</th>" for one in heads)
    body = f"<thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody>"
    return f'<div class="wide"><table>{body}</table></div>'


def _line(name: str, its: Sequence[Row]) -> str:
    word = overall(its)
    worst = max((row for row in its if row["verdict"] == word), key=_reach)
    one = decided(worst)
    gap, allowed = UNKNOWN, UNKNOWN
    if one is not None and one["gap_low"] is not None:
        gap = f"{one['gap']:+.3f} ({one['gap_low']:+.3f} to {one['gap_high']:+.3f})"
        allowed = f"±{one['limit']:g}"
    side = side_of(worst["metric"], worst["gap"]).partition(":")[2] if word == "FAIL" else ""
    figure = SHORT.get(worst["metric"], worst["metric"])
    cells = [name, word, _counts(its), side.partition(",")[0].strip(), figure, gap, allowed]
    return f"<tr>{''.join(f'<td>{text(cell)}</td>' for cell in cells)}</tr>"


def _reach(row: Row) -> float:
    """How far the gap that decided may reach, in what is allowed."""
    if row["gap_low"] is None or not row["limit"]:
        return 0.0
    return float(max(-row["gap_low"], row["gap_high"]) / row["limit"])


def _counts(its: Sequence[Row]) -> str:
    said = [(word, sum(row["verdict"] == word for row in its)) for word in WORDS]
    return ", ".join(f"{count} {word}" for word, count in said if count)
