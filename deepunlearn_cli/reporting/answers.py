"""What an audit says in the end: the verdict first, by what, what the controls got, and what to do next.

A single model gets an answer of several lines, a few a line each, many are counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from shlex import quote

from deepunlearn_cli.core.recipe import DO_NOTHING, RETRAIN
from deepunlearn_cli.evaluation.equivalence import LEAST
from deepunlearn_cli.reporting.meaning import (
    FIGURES,
    REMEMBERED,
    headed,
    informative,
    meant,
    measured,
    passes_from,
    rule_at,
    settled_by,
    side_of,
)
from deepunlearn_cli.reporting.table import Row

VERDICTS = ("PASS", "FAIL", "INCONCLUSIVE")
STANDING = {"FAIL": "beyond", "INCONCLUSIVE": "open", "PASS": "within"}  # of figures, the worst first
FEW = 6  # verdicts that are told one by one


def answers(rows: Sequence[Row], many: int = FEW) -> list[str]:
    """What the verdicts say: of one model in full, of up to `many` a line each, else how many of which."""
    judged = [row for row in rows if row["verdict"]]
    claims = [row for row in judged if row["claim"]]
    if len(judged) == 1:
        return _whole(judged[0])
    if len(judged) <= many:
        return [answer(row, who_of(row)) for row in judged] + [claim(row, who_of(row)) for row in claims]
    counts = {word: sum(row["verdict"] == word for row in judged) for word in VERDICTS}
    counted = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    blind = sum(bool(row["uninformative"]) for row in judged)
    broken = [claim(row, who_of(row)) for row in claims if row["claim"]["broken"]]
    held = [f"guarantees: {len(claims)} held against scores, {len(broken)} broken"] if claims else []
    return [
        f"{counted}{f'; {blind} PASS that doing nothing would get as well' if blind else ''}",
        *held,
        *broken,
    ]


def answer(row: Row, who: str, figures: Mapping[str, str] = FIGURES) -> str:
    """The verdict on `who` in a sentence: which figure decided it, and what doing nothing would get.

    Args:
        row: an answer as plain data.
        figures: names of figures in words; others stand for themselves.
    """
    few = f"fewer than {LEAST} samples on a side show nothing either way"
    reason = few if row["few"] else measured(row, figures)
    return f"{headed(row)}: {who}: {reason}{_others(row)}; {informative(row)}"


def _whole(row: Row) -> list[str]:
    """A single answer, a line for each thing that a person asks."""
    found = answer(row, who_of(row)).partition(": ")
    lines = [f"{found[0]}: {meant(row)}", found[2]]
    if row["verdict"] == "FAIL" and not _broken(row):
        lines.append(f"that is, {side_of(row['metric'], row['gap'])}")
    if row["class_matched"]:
        lines.append("unseen samples are weighted to the forgotten ones' classes")
    if row["claim"]:
        lines.append(claim(row, who_of(row)))
    return [*lines, *(f"next: {one}" for one in following(row))]


def following(row: Row) -> list[str]:
    """What a person can do now, each an option by itself."""
    if _broken(row):
        return []
    if row["verdict"] == "FAIL":
        return _mended(row)
    if row["verdict"] == "INCONCLUSIVE":
        return [*([_unlearned_better(row)] if row["method"] == DO_NOTHING else []), *settled_by(row)]
    return _shown_apart(row) if row["uninformative"] else []


def _mended(row: Row) -> list[str]:
    told, again = [_unlearned_better(row)], retraining(row)
    return [*told, f"training again without the pictures is exact: `{again}`"] if again else told


def _unlearned_better(row: Row) -> str:
    if row["method"] == DO_NOTHING:
        return "nothing is unlearned yet; `deepunlearn methods` lists what unlearns"
    more = side_of(row["metric"], row["gap"]) == REMEMBERED
    setting = "a setting that forgets more" if more else "a gentler setting"
    return f"{setting}, or another method; `deepunlearn sweep` finds one (`deepunlearn guide tuning`)"


def retraining(row: Row) -> str:
    """The command that trains the original again without the pictures, or nothing where it is not known.

    Of several requests it is that of the last: the model before it knows the others.
    """
    if not row.get("original") or row["method"] == RETRAIN:
        return ""
    forget = quote([row["forget_label"] or "", *(row.get("requests") or ())][-1])
    return f"deepunlearn unlearn {row['original']} --method {RETRAIN} --forget {forget}"


def _shown_apart(row: Row) -> list[str]:
    """The tolerances at which doing nothing would not pass and this model would, or what else helps."""
    ours, nothing = passes_from(row["figures"], row), passes_from(row["do_nothing_figures"], row)
    if ours is not None and nothing is not None and ours < nothing:
        last = nothing - 0.01
        upto = f" to {rule_at(row, last)}" if last > ours else ""
        return [f"a test that doing nothing would not pass, and this model would: {rule_at(row, ours)}{upto}"]
    return ["no tolerance tells this model from doing nothing: more forgotten pictures, or harder ones"]


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


def _broken(row: Row) -> bool:
    return bool(row["claim"] and row["claim"]["broken"])


def who_of(row: Row) -> str:
    """Whom an answer is about."""
    who = f"{row['method']} seed {row['seed']}" if row["seed"] is not None else str(row["method"])
    return f"{who}{of_request(row)}"


def of_request(row: Row) -> str:
    """Which of several requests a row is about; nothing where there is one."""
    count, number = len(row.get("requests") or ()), row.get("request")
    if count < 2:
        return ""
    return f" (request {number} of {count})" if number else f" (all {count} requests)"
