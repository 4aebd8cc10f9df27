"""Attacks that work on the model itself: what they are given, what they find, and the verdict on it."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

from deepunlearn_cli.attacks._attack import Attack, Findings
from deepunlearn_cli.evaluation.equivalence import ALPHA, LEAST, Verdict, gap_interval, samples_needed

if TYPE_CHECKING:
    from torch import nn

    from deepunlearn_cli.core.shared import Outputs
    from deepunlearn_cli.engine.canaries import Canaries
    from deepunlearn_cli.engine.task import Task
    from deepunlearn_cli.evaluation.intervals import Estimate


class Lab(Protocol):
    """What a probe may use of the world: one model, and the data that it may be confronted with."""

    @property
    def model(self) -> nn.Module:
        """A copy of the model, in train mode, to do with as one likes; a new one each time."""

    @property
    def task(self) -> Task:
        """The parts of the data that the attack declares in `needs`, and tools; it counts the work."""

    @property
    def canaries(self) -> Canaries:
        """The noise that training put on forget pictures.

        Raises:
            UsageFailure: it put none, or on pictures that this model was not to forget.
        """

    def outputs(self, model: nn.Module, *parts: str) -> Outputs:
        """What a model says of these parts."""


@dataclass(frozen=True)
class Tested:
    """One figure's part in a verdict.

    Attributes:
        metric: its name.
        gap: to the control, or to what is known of a model that has forgotten.
        p_value: of a model that has forgotten; as small as `ALPHA` shared by all figures, it has not.
    """

    metric: str
    gap: Estimate
    p_value: float


@dataclass(frozen=True)
class Judgement:
    """A verdict, the figure that decided it, the control's name, and how many samples would settle it."""

    verdict: Verdict
    decided: Tested
    tested: tuple[Tested, ...]
    reference: str
    needed: int | None


@dataclass(frozen=True)
class Probe(Attack):
    """Base of attacks on one model that take the model and pictures, not only what it said.

    Attributes:
        needs: the parts of the data that its task holds.
        exact: what stands in for the control where the null is known and takes none; else "".
    """

    needs: ClassVar[tuple[str, ...]]
    exact: ClassVar[str] = ""

    @abstractmethod
    def probe(self, lab: Lab) -> Outputs:
        """What there is to see, sample by sample, for `run` to make figures of.

        Raises:
            RunFailed: the model cannot be worked on.
            UsageFailure: there is nothing to look at, or too little.
        """

    @abstractmethod
    def test(self, metric: str, ours: Findings, control: Findings | None, tolerance: float) -> Tested:
        """One figure's part in a verdict; without a control it is held against unseen samples or chance.

        Raises:
            UsageFailure: the control is of other samples.
        """

    def difference(self, metric: str, ours: Findings, theirs: Findings) -> Estimate:
        """As `test` has it."""
        return self.test(metric, ours, theirs, ALPHA).gap

    def judge(
        self, metrics: Sequence[str], ours: Findings, control: Findings | None, tolerance: float
    ) -> Judgement:
        """FAIL where a figure says that the model has not forgotten, PASS where all lie within the tolerance.

        FAIL is a claim on any of several figures, and so they share 5 % (Holm 1979, first step). PASS takes
        two one-sided tests of each, an intersection-union test (Berger 1982), and nothing found. Otherwise,
        and below `LEAST` samples, INCONCLUSIVE.
        """
        held = None if self.exact else control
        tested = tuple(self.test(metric, ours, held, tolerance) for metric in metrics)
        samples = int(ours.scores["n"])
        found = min(tested, key=lambda one: one.p_value)
        widest = max(tested, key=lambda one: _reach(one.gap))
        if samples >= LEAST and found.p_value * len(tested) < ALPHA:
            return Judgement("FAIL", found, tested, self._reference(held), None)
        near = all(_reach(one.gap) < tolerance for one in tested)
        verdict: Verdict = "PASS" if near and samples >= LEAST else "INCONCLUSIVE"
        needed = max((_needed(one.gap, samples, tolerance) for one in tested), default=None)
        return Judgement(verdict, widest, tested, self._reference(held), needed)

    def _reference(self, control: Findings | None) -> str:
        return self.exact or ("retrained" if control else "holdout")


def _reach(gap: Estimate) -> float:
    low, high = gap_interval(gap)
    reach = max(-low, high)
    return reach if math.isfinite(reach) else math.inf


def _needed(gap: Estimate, samples: int, tolerance: float) -> int:
    return max(LEAST, samples_needed(gap, samples, tolerance) or 0)


def beyond(gap: Estimate, tolerance: float) -> float:
    """The p-value of a gap that truly lies within +-`tolerance`."""
    from scipy.special import stdtr

    if not gap.error > 0:
        return 1.0
    return float(stdtr(min(gap.df, 1e6), -(abs(gap.value) - tolerance) / gap.error))
