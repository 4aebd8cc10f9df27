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
TOLERANCE = 0.05  # 5 points of accuracy or AUC: the default limit for a difference from the control


@dataclass(frozen=True)
class Rule:
    """What a verdict goes by.

    Attributes:
        metric: a figure that the attack declares for it.
        tolerance: how far from the control the attack may be.
        fail_above: limit for the attack itself, instead of the comparison with its control.
        gate: whether the exit code follows.
    """

    metric: str
    tolerance: float = TOLERANCE
    fail_above: float | None = None
    gate: bool = False

    def verdict(self, gap: Estimate, own: Interval) -> Verdict:
        """On an attack that differs from its control by `gap`, with the interval `own` of its own figure."""
        return equivalent(gap, self.tolerance) if self.fail_above is None else within(own, self.fail_above)


def equivalent(difference: Estimate, tolerance: float) -> Verdict:
    """Two one-sided tests (Schuirmann 1987) of a difference from the control, within +-`tolerance`.

    PASS if both reject at 5 % (the 90 % interval lies within), FAIL if that interval lies outside,
    otherwise INCONCLUSIVE. Both sides count: an attack that does far worse than on the control has found
    something to tell the samples apart by, too.

    Raises:
        UsageFailure: a tolerance that is not between 0 and 0.5.
    """
    check_tolerance(tolerance)
    low, high = gap_interval(difference)
    if -tolerance < low and high < tolerance:
        return "PASS"
    return "FAIL" if low > tolerance or high < -tolerance else "INCONCLUSIVE"


def gap_interval(difference: Estimate) -> Interval:
    """The 90 % interval that the two one-sided tests at 5 % compare with the tolerance."""
    return difference.interval(1 - 2 * ALPHA)


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


def samples_needed(difference: Estimate, samples: int, tolerance: float) -> int | None:
    """Samples per side for a PASS with 80 % probability where the model equals its control.

    From the spread of the samples at hand: n (z_0.95 + z_0.9)^2 (error / tolerance)^2. None if unknown.
    """
    if not math.isfinite(difference.error):
        return None
    reach = quantile(1 - ALPHA) + quantile((1 + POWER) / 2)
    return max(2, math.ceil(samples * (reach * difference.error / tolerance) ** 2))


def check_tolerance(tolerance: float) -> None:
    """Refuse a tolerance that no difference could miss, or reach."""
    if not 0 < tolerance < 0.5:
        raise UsageFailure(
            f"--tolerance {tolerance} is not between 0 and 0.5",
            f"--tolerance {TOLERANCE} allows 5 points either way",
        )


def check_limit(limit: float) -> None:
    """Refuse a limit below guessing or above certainty."""
    if not 0.5 <= limit <= 1:
        raise UsageFailure(f"--fail-above {limit} is not from 0.5 to 1", "0.55 allows 5 points over guessing")
