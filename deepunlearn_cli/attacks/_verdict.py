"""What a verdict on an attack goes by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deepunlearn_cli.evaluation.equivalence import TOLERANCE, Decision, Gap, decide


@dataclass(frozen=True)
class Rule:
    """What a verdict goes by.

    Attributes:
        metrics: figures that the attack declares for it; it takes all of them to pass.
        tolerance: how far from the control each may be.
        fail_above: limit for the attack itself, instead of the comparison with its control.
        gate: whether the exit code follows.
        accept_uninformative: whether a PASS is enough where doing nothing would pass as well.
        against_retrained: whether an answer without the retrained model beside it is none.
    """

    metrics: tuple[str, ...]
    tolerance: float = TOLERANCE
    fail_above: float | None = None
    gate: bool = False
    accept_uninformative: bool = False
    against_retrained: bool = False

    @property
    def limit(self) -> float:
        """How far from the control, or from guessing, each figure may be."""
        return self.tolerance if self.fail_above is None else self.fail_above - 0.5

    def decide(self, gaps: Sequence[Gap], samples: float) -> Decision:
        """On the gaps of its figures, to the control or (`fail_above`) to guessing."""
        return decide(gaps, self.limit, samples)
