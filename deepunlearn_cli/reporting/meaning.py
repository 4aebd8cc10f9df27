"""A verdict in words that a person can act on: what was found, on which side, by how much, and what next.

Rows are answers as plain data, as `attack --json` prints them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from deepunlearn_cli.core.recipe import DO_NOTHING
from deepunlearn_cli.evaluation.equivalence import LEAST
from deepunlearn_cli.reporting.table import UNKNOWN, Row

BEST = "accuracy"  # a figure at many thresholds: of each model the best, the gap where two differ most
NOTHING = "doing nothing"
FIGURES = {  # of a verdict, in words
    "accuracy": "accuracy at the best threshold",
    "auc": "AUC",
    "tpr_1": "TPR at 1 % false positives from above",
    "tpr_1_below": "TPR at 1 % false positives from below",
}
FROM_BELOW = ("tpr_1_below",)  # figures that grow where forgotten pictures look less like training pictures
REMEMBERED = "the forgotten pictures still look like training pictures: too little is forgotten"
STANDING_OUT = (
    "the forgotten pictures look less like training pictures than ones never seen: too much is undone, "
    "and that too shows which they were"
)
MEANING = {
    "PASS": "this attack did not tell the model from one that was trained without the forgotten pictures",
    "FAIL": "this attack tells the model from one that was trained without the forgotten pictures",
    "INCONCLUSIVE": "this attack shows neither that the model is like one that was trained without the "
    "forgotten pictures, nor that it is not",
}
ALONE = {  # compared with guessing, for want of a retrained model or by choice
    "PASS": "this attack did not tell the forgotten pictures from pictures that the model never saw",
    "FAIL": "this attack tells the forgotten pictures from pictures that the model never saw",
    "INCONCLUSIVE": "this attack shows neither that the forgotten pictures look like ones never seen, nor "
    "that they do not",
}
GUESSING = ("holdout", "guessing")
MOST = 0.5  # a limit that is none: guessing and certainty lie so far apart
UNINFORMATIVE = "doing nothing passes too, so this test could not have seen a difference"


def headed(row: Row) -> str:
    """The word that a person looks for."""
    return f"{row['verdict']}, uninformative" if row["uninformative"] else str(row["verdict"])


def meant(row: Row) -> str:
    """What the word says, in a sentence."""
    return (ALONE if row["reference"] in GUESSING else MEANING)[row["verdict"]]


def informative(row: Row) -> str:
    """What the same rule says of the model that nobody unlearned, in a sentence."""
    if row["do_nothing"] is None:
        return "whether doing nothing would pass too is not known"
    if row["uninformative"]:
        return UNINFORMATIVE
    return f"doing nothing would get {row['do_nothing']}"


def side_of(metric: str, gap: float) -> str:
    """What a gap to the control says of the forgotten pictures, by its sign."""
    return REMEMBERED if (gap > 0) != (metric in FROM_BELOW) else STANDING_OUT


def measured(row: Row, figures: Mapping[str, str] = FIGURES, nothing: str = NOTHING) -> str:
    """The figure that decided beside its controls, by how much it differs, and what is allowed.

    Args:
        row: the answer.
        figures: their names in words; others stand for themselves.
        nothing: what the model is called that nobody unlearned.
    """
    one = decided(row)
    name = figures.get(row["metric"], row["metric"])
    if one is None or one["gap_low"] is None:
        return f"too few unseen samples for the {name}"
    way = "above" if one["gap"] > 0 else "below"
    where = " where the two differ most" if one["metric"] == BEST and figures is FIGURES else ""
    ends = f"{one['gap_low']:+.3f} to {one['gap_high']:+.3f}"
    apart = f"{abs(one['gap']):.3f} {way}{where} (90 %: {ends}), and ±{one['limit']:g} is allowed"
    return f"{name} {compared(row, one, nothing)}: {apart}"


def compared(row: Row, one: Row, nothing: str = NOTHING) -> str:
    """A figure of the model, its control and doing nothing, as far as they are known."""
    other = "guessing" if row["reference"] in GUESSING else "retrained"
    known = [f"{one['value']:.3f}", f"{other} {one['control']:.3f}"]
    bound = figure_of(row.get("do_nothing_figures") or (), one["metric"])
    return ", ".join([*known, *([f"{nothing} {bound['value']:.3f}"] if bound else [])])


def decided(row: Row) -> Row | None:
    """The figure that decided, of those of an answer."""
    return figure_of(row["figures"], row["metric"])


def figure_of(figures: Sequence[Row], metric: str | None) -> Row | None:
    """The figure of this name."""
    return next((one for one in figures if one["metric"] == metric), None)


def settled_by(row: Row) -> list[str]:
    """What would settle an answer that is open, by the rule in use, each an option by itself."""
    if row["few"]:
        return [f"{LEAST} forgotten pictures or more, and as many unseen ones: fewer show nothing either way"]
    cures = []
    if row["needed"] and row["needed"] > row["n_forget"]:
        cures.append(
            f"about {row['needed']} forgotten pictures would settle it (there are {row['n_forget']})"
        )
    elif row["needed"]:
        cures.append(
            f"{row['n_forget']} forgotten pictures settle most gaps; this is near the limit, and takes more"
        )
    return [*cures, *_wider(row)]


def _wider(row: Row) -> list[str]:
    """The limit from which it would pass, unless that shows nothing."""
    wide = passes_from(row["figures"], row)
    if wide is None or row.get("method") == DO_NOTHING:
        return []
    nothing = _least(row.get("do_nothing_figures") or (), row)
    if nothing is not None and nothing <= wide:
        return ["a wider limit is no answer: doing nothing could pass it as well"]
    return [f"{rule_at(row, wide)} would pass, if you can justify so much"]


def rule_at(row: Row, limit: float) -> str:
    """The rule in use with another limit, as an option of the command line."""
    if row["fail_above"] is None:
        return f"--tolerance {limit:.2f}"
    return f"--fail-above {0.5 + limit:.2f}"


def passes_from(figures: Sequence[Row], row: Row) -> float | None:
    """The smallest limit, in hundredths, at which all of these figures pass; None where none is known.

    Args:
        figures: of the model, or of doing nothing.
        row: the answer, whose rule they were held against.
    """
    least = _least(figures, row)
    beyond = any(one["verdict"] == "FAIL" for one in figures)
    return least if least is not None and least < MOST and not beyond else None


def _least(figures: Sequence[Row], row: Row) -> float | None:
    """A limit, in hundredths, below which some of these figures do not pass; None where none is known.

    All pass at it but for one that is beyond the limit in use, of which more thresholds may be.
    """
    rule = row["tolerance"] if row["fail_above"] is None else row["fail_above"] - 0.5
    if not figures or not rule or any(one["gap_low"] is None for one in figures):
        return None
    reach = max(max(-one["gap_low"], one["gap_high"]) * rule / one["limit"] for one in figures)
    return (int(max(reach, 0.0) * 100) + 1) / 100


def number(value: float | None, digits: int = 3) -> str:
    """A figure, or a dash."""
    return UNKNOWN if value is None else f"{value:.{digits}f}"
