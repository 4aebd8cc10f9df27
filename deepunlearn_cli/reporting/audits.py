"""Attacks as tables: the figures with their intervals, the answer, and what would settle it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from deepunlearn_cli.core.score import Score
from deepunlearn_cli.evaluation.equivalence import LEAST
from deepunlearn_cli.reporting.table import Column, Row, Table

LAYOUT = 4  # of an audit's row, whichever the attack
ROUNDING = 1e-6  # of ends that are whole hundredths
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
        Column("verdict", _verdict),
    ]
    return Table(f"deepunlearn.{attack}/{LAYOUT}", heading, columns, rows, _notes(rows, scores))


def which() -> list[Column]:
    """The model that a row is about."""
    return [
        Column("run", lambda r: str(r["target"] or r["source"])[:SHORT_ID]),
        Column("method", _of_request),
        Column("seed", lambda r: "" if r["seed"] is None else str(r["seed"]), right=True),
    ]


def _of_request(row: Row) -> str:
    """The method; of a model that has carried out several requests, which of them the row is about."""
    return f"{row['method']}{request(row)}"


def request(row: Row) -> str:
    """Which of several requests a row is about; nothing where there is one."""
    count, number = len(row.get("requests") or ()), row.get("request")
    if count < 2:
        return ""
    return f" (request {number} of {count})" if number else f" (all {count} requests)"


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


def answers(rows: Sequence[Row], many: int = 6) -> list[str]:
    """A sentence per verdict (one for all, if there are more than `many`), and what would settle it."""
    judged = [row for row in rows if row["verdict"]]
    claims = [row for row in judged if row["claim"]]
    if len(judged) <= many:
        said = [
            answer(row, _who(row), f"the {row['reference']} model's") + _matched(row) + _power(row)
            for row in judged
        ]
        return said + [claim(row, _who(row)) for row in claims]
    counts = {word: sum(row["verdict"] == word for row in judged) for word in VERDICTS}
    counted = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    blind = sum(bool(row["uninformative"]) for row in judged)
    broken = [claim(row, _who(row)) for row in claims if row["claim"]["broken"]]
    held = [f"guarantees: {len(claims)} held against scores, {len(broken)} broken"] if claims else []
    return [
        f"{counted}{f'; {blind} PASS that doing nothing would get as well' if blind else ''}",
        *held,
        *broken,
    ]


def claim(row: Row, who: str) -> str:
    """A model's guarantee beside the lower bound of its epsilon, in a sentence."""
    one = row["claim"]
    claimed = f"its guarantee says at most {one['epsilon']:g} (delta {one['delta']:g})"
    if one["low"] is None:
        return f"{who}: no bound of epsilon: {one['why']}; {claimed}"
    sides = f"{one['n_forget']} forgotten against {one['n_unseen']} {one['against']} pictures"
    if one["models"] > 1:
        sides = f"{one['models']} models, each {sides}"
    found = f"{who}: epsilon is at least {one['low']:.2f} (95 %, {sides}); {claimed}"
    if one["broken"]:
        return f"{found}: FAIL, whatever the tolerance: an error of ours or of the paper's, please report it"
    return f"{found}{': a bound of 0 found nothing, and proves nothing' if one['low'] == 0 else ''}"


VERDICTS = ("PASS", "FAIL", "INCONCLUSIVE")
BEYOND = {"PASS": "is within", "FAIL": "is beyond", "INCONCLUSIVE": "is not shown to be within"}
FIGURES = {  # of a verdict, in words
    "accuracy": "accuracy at the threshold that matters most",
    "auc": "AUC",
    "tpr_1": "TPR at 1 % false positives from above",
    "tpr_1_below": "TPR at 1 % false positives from below",
}
STANDING = {
    "FAIL": "beyond",
    "INCONCLUSIVE": "open",
    "PASS": "within",
}  # of figures, the worst first


def answer(row: Row, who: str, reference: str, figures: Mapping[str, str] = FIGURES) -> str:
    """The verdict on `who` in a sentence: which figure decided it, and what the others say.

    Args:
        row: an answer as plain data.
        reference: whose figures are compared with, where it is not guessing.
        figures: names of figures in words; others stand for themselves.
    """
    which = figures.get(row["metric"], row["metric"])
    other = "guessing" if row["reference"] in ("holdout", "guessing") else reference
    if row["few"]:
        reason = f"fewer than {LEAST} samples on a side show nothing either way"
    elif row["gap_low"] is None:
        reason = f"too few unseen samples for the {which}{_others(row)}"
    else:
        gap = f"{row['gap']:+.3f} (90 %: {row['gap_low']:+.3f} to {row['gap_high']:+.3f})"
        beyond = f"{BEYOND[row['by_figures']]} ±{row['limit']:g}{_others(row)}"
        reason = f"{which} less {other}, {gap}, {beyond}"
    return f"{who}: {row['verdict']}: {reason}{_informative(row)}"


def _others(row: Row) -> str:
    said = [
        f"{word}: {', '.join(names)}"
        for verdict, word in STANDING.items()
        if (
            names := [
                one["metric"]
                for one in row["figures"]
                if one["verdict"] == verdict and one["metric"] != row["metric"]
            ]
        )
    ]
    return "".join(f"; {one}" for one in said)


def _informative(row: Row) -> str:
    if row["uninformative"]:
        return "; doing nothing passes too, so this test could not have seen a difference"
    if row["verdict"] == "PASS" and row["do_nothing"] is None:
        return "; whether doing nothing would pass too is not known"
    return ""


def _who(row: Row) -> str:
    who = f"{row['method']} seed {row['seed']}" if row["seed"] is not None else str(row["method"])
    return f"{who}{request(row)}"


def _matched(row: Row) -> str:
    return "; unseen samples weighted to the forgotten ones' classes" if row["class_matched"] else ""


def _power(row: Row) -> str:
    if row["verdict"] != "INCONCLUSIVE" or row["needed"] is None:
        return ""
    if row["needed"] > row["n_forget"]:
        return f"; about {row['needed']} forget samples would settle it (there are {row['n_forget']})"
    return f"; {row['n_forget']} forget samples suffice in general, but this gap lies near the limit"


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
