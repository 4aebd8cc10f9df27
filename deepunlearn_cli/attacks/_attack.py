"""What an attack is, and what its result says about a limit."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from numpy.typing import NDArray

from deepunlearn_cli.errors import UsageFailure
from deepunlearn_cli.fields import Declared

Outputs = Mapping[str, Mapping[str, NDArray[Any]]]  # split -> {"logits": (n, K), "labels": (n,)}
Verdict = Literal["PASS", "FAIL", "INCONCLUSIVE"]


@dataclass(frozen=True)
class Attack(Declared, ABC):
    """Base of all attacks: declared parameters and one verb."""

    title: ClassVar[str]
    summary: ClassVar[str]

    @abstractmethod
    def run(self, outputs: Outputs, rng_seed: int) -> dict[str, Any]:
        """Scores (plain numbers) from one model's outputs per split: retain, forget, val, test.

        Raises:
            UsageFailure: a split is missing or too small.
            RunFailed: the outputs are not finite.
        """


def verdict(scores: Mapping[str, Any], limit: float) -> Verdict:
    """Whether an attack's two-sided advantage 0.5 + |accuracy - 0.5| stays within `limit`.

    An accuracy far below 0.5 leaks as much as one far above. PASS if the whole interval (`accuracy_low` to
    `accuracy_high`) is within the limit, FAIL if none of it is, otherwise INCONCLUSIVE.

    Raises:
        UsageFailure: a limit outside 0.5 (guessing) .. 1.
    """
    if not 0.5 <= limit <= 1:
        raise UsageFailure(
            f"limit {limit} is not from 0.5 to 1", "0.5 is guessing; --fail-above 0.55 allows 5 points"
        )
    low, high = float(scores["accuracy_low"]), float(scores["accuracy_high"])
    sides = sorted(0.5 + abs(end - 0.5) for end in (low, high))
    if sides[1] <= limit:
        return "PASS"
    least = 0.5 if low <= 0.5 <= high else sides[0]
    return "FAIL" if least > limit else "INCONCLUSIVE"
