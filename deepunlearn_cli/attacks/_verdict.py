"""From an attack's figures to an answer: PASS, FAIL or INCONCLUSIVE, and what would settle it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.evaluation.intervals import Estimate, Interval, quantile

Verdict = Literal["PASS", "FAIL", "INCONCLUSIVE"]

ALPHA = 0.05  # of each of the two one-sided tests
POWER = 0.8  # that the sample sizes of `samples_needed` give
MARGIN = 0.05  # 5 points of accuracy or AUC: the default limit for a difference from the control


def equivalent(difference: Estimate, margin: float) -> Verdict:
    """Two one-sided tests (Schuirmann 1987) of a difference from the control, within +-`margin`.

    PASS if both reject at 5 % (the 90 % interval lies within), FAIL if that interval lies outside,
    otherwise INCONCLUSIVE. Both sides count: an attack that does far worse than on the control has found
    something to tell the samples apart by, too.

    Raises:
        UsageFailure: a margin that is not between 0 and 0.5.
    """
    check_margin(margin)
    low, high = difference.interval(1 - 2 * ALPHA)
    if -margin < low and high < margin:
        return "PASS"
    return "FAIL" if low > margin or high < -margin else "INCONCLUSIVE"


def within(interval: Interval, limit: float) -> Verdict:
    """Whether a measure's two-sided advantage 0.5 + |measure - 0.5| stays within `limit` (0.5 is guessing).

    An accuracy or AUC far below 0.5 leaks as much as one far above. PASS if the whole interval is within
    the limit, FAIL if none of it is, otherwise INCONCLUSIVE.

    Raises:
        UsageFailure: a limit outside 0.5 .. 1.
    """
    check_limit(limit)
    low, high = interval
    sides = sorted(0.5 + abs(end - 0.5) for end in (low, high))
    if sides[1] <= limit:
        return "PASS"
    least = 0.5 if low <= 0.5 <= high else sides[0]
    return "FAIL" if least > limit else "INCONCLUSIVE"


def samples_needed(difference: Estimate, samples: int, margin: float) -> int | None:
    """Samples per side for a PASS with 80 % probability where the model equals its control.

    From the spread of the samples at hand: n (z_0.95 + z_0.9)^2 (error / margin)^2. None if unknown.
    """
    if not math.isfinite(difference.error):
        return None
    reach = quantile(1 - ALPHA) + quantile((1 + POWER) / 2)
    return max(2, math.ceil(samples * (reach * difference.error / margin) ** 2))


def check_margin(margin: float) -> None:
    """Refuse a margin that no difference could miss, or reach."""
    if not 0 < margin < 0.5:
        raise UsageFailure(
            f"--margin {margin} is not between 0 and 0.5", f"--margin {MARGIN} allows 5 points either way"
        )


def check_limit(limit: float) -> None:
    """Refuse a limit below guessing or above certainty."""
    if not 0.5 <= limit <= 1:
        raise UsageFailure(f"--fail-above {limit} is not from 0.5 to 1", "0.55 allows 5 points over guessing")


@dataclass(frozen=True)
class Rule:
    """What a verdict goes by.

    Attributes:
        metric: `accuracy` or `auc`.
        margin: how far from the control the attack may be.
        fail_above: limit for the attack itself, instead of the comparison with its control.
        gate: whether the exit code follows.
    """

    metric: str = "accuracy"
    margin: float = MARGIN
    fail_above: float | None = None
    gate: bool = False
