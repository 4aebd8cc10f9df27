"""When retraining is the better answer: by what methods are likely to cost and to give, never by a hunch."""

from __future__ import annotations

from collections.abc import Sequence

from deepunlearn_cli.attacks import TOLERANCE
from deepunlearn_cli.core.recipe import CONTROLS
from deepunlearn_cli.studies.expectation import Expected
from deepunlearn_cli.studies.past import GAP

RETRAIN_COSTS, RETRAIN_OFF, RETRAIN_EXPOSED = "retrain: costs", "retrain: off", "retrain: exposed"
WORTH, OPEN, UNKNOWN, CONTROL = "worth it", "cheaper, open", "unknown", ""
REASONS = {
    RETRAIN_COSTS: "it costs about as much as retraining, or more",
    RETRAIN_OFF: "its RetDev is likely to be above what two retrained models differ by",
    RETRAIN_EXPOSED: f"the attack is likely to get over {TOLERANCE:g} further than on a retrained model",
    OPEN: "it is likely to cost less; whether it gives as much as retraining, its intervals leave open",
    UNKNOWN: "too few runs tell what it gives",
    WORTH: "it is likely to cost less, and to give what a retrained model does within its noise",
}


def advice(one: Expected, retrained: Expected, noise: float | None) -> str:
    """What is to be said of a method beside retraining; a key of `REASONS`, or nothing of a control.

    Args:
        noise: RetDev between retrained models of two seeds; None where that is not known.
    """
    if one.method in CONTROLS:
        return CONTROL
    if not _cheaper(one, retrained):
        return RETRAIN_COSTS
    retdev, gap = one.figures.get("RetDev"), one.figures.get(GAP)
    if retdev is None and gap is None:
        return UNKNOWN
    if retdev and noise is not None and retdev.low > noise:
        return RETRAIN_OFF
    if gap and gap.low > TOLERANCE:
        return RETRAIN_EXPOSED
    sure = retdev and gap and noise is not None and retdev.high <= noise and gap.high <= TOLERANCE
    return WORTH if sure else OPEN


def better(advised: Sequence[str]) -> bool:
    """Whether retraining is the better answer than every method that was asked about."""
    said = [one for one in advised if one != CONTROL]
    return bool(said) and all(one.startswith("retrain") for one in said)


def _cheaper(one: Expected, retrained: Expected) -> bool:
    """By seconds where both are known, else by work."""
    ours, theirs = one.figures.get("seconds"), retrained.figures.get("seconds")
    return ours.middle < theirs.middle if ours and theirs else one.work < retrained.work
