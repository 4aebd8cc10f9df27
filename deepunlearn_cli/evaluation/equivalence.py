"""From the gaps between a model's figures and its control's to an answer: PASS, FAIL or INCONCLUSIVE.

Two one-sided tests (Schuirmann 1987) of every gap. PASS is a claim on all of them, an intersection-union
test (Berger 1982): each at 5 %, with no correction. FAIL is a claim on any of them: 5 % are shared by all
(Holm 1979; whether any fails is told by his first step).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.evaluation.intervals import Estimate, Interval, quantile

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

Verdict = Literal["PASS", "FAIL", "INCONCLUSIVE"]

ALPHA = 0.05  # of a wrong PASS, and of a wrong FAIL
POWER = 0.8  # that the sample sizes of `samples_needed` give
TOLERANCE = 0.05  # 5 points of accuracy or AUC: the default limit for a difference from the control
LEAST = 30  # samples a side below which there is no other verdict than INCONCLUSIVE


@dataclass(frozen=True)
class Gap:
    """A figure of a model less that of its control, perhaps at several thresholds: they are all the figure.

    Attributes:
        metric: its name.
        values: (k,) differences; `errors` (k,) their standard errors, `df` the degrees of freedom behind.
        ours, theirs: the figure of either, for people.
        share: of the tolerance that this figure may take.
        stride: every so manieth threshold is tested for FAIL, which has to pay for each.
    """

    metric: str
    values: Floats
    errors: Floats
    df: float = math.inf
    ours: float = math.nan
    theirs: float = math.nan
    share: float = 1.0
    stride: int = 1

    @classmethod
    def of(cls, metric: str, difference: Estimate, ours: float = math.nan, theirs: float = math.nan) -> Gap:
        """Of a single difference."""
        import numpy as np

        values, errors = np.array([difference.value]), np.array([difference.error])
        return cls(metric, values, errors, difference.df, ours, theirs)

    def within(self, limit: float) -> bool:
        """Whether every value lies within +-`limit`, each at 5 %. No error of 0 or NaN shows anything."""
        reach = abs(self.values) + quantile(1 - ALPHA, self.df) * self.errors
        return bool((reach < limit).all() and (self.errors > 0).all())

    def beyond(self, limit: float, alpha: float) -> bool:
        """Whether any of the values tested for it lies outside +-`limit`, at `alpha` for all of them."""
        values, errors = self._tested()
        reach = abs(values) - quantile(1 - alpha / len(values), self.df) * errors
        return bool(((reach > limit) & (errors > 0)).any())

    def nearest(self) -> Estimate:
        """The difference that speaks most against PASS."""
        at = int((abs(self.values) + quantile(1 - ALPHA, self.df) * self.errors).argmax())
        return Estimate(float(self.values[at]), float(self.errors[at]), self.df)

    def farthest(self, limit: float) -> Estimate:
        """The difference that speaks most for FAIL."""
        values, errors = self._tested()
        at = int(((abs(values) - limit) / errors.clip(min=1e-300)).argmax())
        return Estimate(float(values[at]), float(errors[at]), self.df)

    def _tested(self) -> tuple[Floats, Floats]:
        return self.values[self.stride - 1 :: self.stride], self.errors[self.stride - 1 :: self.stride]


@dataclass(frozen=True)
class Tested:
    """One figure's part in a verdict: the gap that speaks most against it, and its limit."""

    metric: str
    verdict: Verdict
    gap: Estimate
    limit: float
    ours: float = math.nan
    theirs: float = math.nan

    @property
    def urgency(self) -> float:
        """How far towards its limit, or beyond, the gap may reach."""
        low, high = gap_interval(self.gap)
        return max(-low, high) / self.limit if self.limit > 0 else math.inf


@dataclass(frozen=True)
class Decision:
    """A verdict, the figure that decided it, and all that were tested."""

    verdict: Verdict
    decided: Tested
    tested: tuple[Tested, ...]
    few: bool = False  # too few samples for any other verdict


def decide(gaps: Sequence[Gap], tolerance: float, samples: float = math.inf) -> Decision:
    """PASS if all gaps lie within the tolerance, FAIL if one lies beyond, otherwise INCONCLUSIVE.

    Both signs count: an attack that does far worse than on the control has found something to tell samples
    apart by, too.

    Args:
        gaps: at least one.
        tolerance: 0 to 0.5.
        samples: on the smaller side; fewer than `LEAST` leave it INCONCLUSIVE.
    """
    tested = tuple(_test(gap, tolerance * gap.share, ALPHA / len(gaps)) for gap in gaps)
    failed = [one for one in tested if one.verdict == "FAIL"]
    missed = [one for one in tested if one.verdict == "INCONCLUSIVE" and math.isfinite(one.gap.error)]
    decided = max(failed or missed or tested, key=lambda one: one.urgency)
    if not samples >= LEAST:
        return Decision("INCONCLUSIVE", decided, tested, few=True)
    passed = all(one.verdict == "PASS" for one in tested)
    return Decision("FAIL" if failed else "PASS" if passed else "INCONCLUSIVE", decided, tested)


def _test(gap: Gap, limit: float, alpha: float) -> Tested:
    said = (gap.metric, limit, gap.ours, gap.theirs)
    if gap.beyond(limit, alpha):
        return _tested("FAIL", gap.farthest(limit), *said)
    return _tested("PASS" if gap.within(limit) else "INCONCLUSIVE", gap.nearest(), *said)


def _tested(verdict: Verdict, gap: Estimate, metric: str, limit: float, ours: float, theirs: float) -> Tested:
    return Tested(metric, verdict, gap, limit, ours, theirs)


def equivalent(difference: Estimate, tolerance: float) -> Verdict:
    """The verdict on a single difference from the control, within +-`tolerance`.

    Raises:
        UsageFailure: a tolerance that is not between 0 and 0.5.
    """
    check_tolerance(tolerance)
    return decide([Gap.of("", difference)], tolerance).verdict


def gap_interval(difference: Estimate) -> Interval:
    """The 90 % interval that the two one-sided tests at 5 % compare with the tolerance."""
    return difference.interval(1 - 2 * ALPHA)


def samples_needed(difference: Estimate, samples: int, tolerance: float) -> int | None:
    """Samples per side for a PASS with 80 % probability where the model equals its control.

    From the spread of the samples at hand, for a verdict on this difference alone:
    n (z_0.95 + z_0.9)^2 (error / tolerance)^2. None if unknown.
    """
    if not math.isfinite(difference.error):
        return None
    reach = quantile(1 - ALPHA) + quantile((1 + POWER) / 2)
    return max(LEAST, math.ceil(samples * (reach * difference.error / tolerance) ** 2))


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
