"""What an attack is: from what models say of their samples to plain figures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from deepunlearn_cli.core.fields import Declared
from deepunlearn_cli.core.shared import Outputs

if TYPE_CHECKING:
    from numpy.typing import NDArray

CLASS = "class"  # as a part: test samples of the forgotten classes alone
Source = Callable[[], Outputs]  # reads a model's outputs when called, so that many need no memory at once


@dataclass(frozen=True)
class Findings:
    """What an attack found: `scores` (plain numbers), and arrays per `part` of samples (or splits).

    `warnings` say what a person should know before trusting it.
    """

    scores: dict[str, Any]
    parts: dict[str, dict[str, NDArray[Any]]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Attack(Declared, ABC):
    """Base of all attacks: declared parameters and one verb."""

    title: ClassVar[str]
    summary: ClassVar[str]

    @abstractmethod
    def run(self, targets: Mapping[str, Source], seed: int) -> Findings:
        """Attack one model (`targets["target"]`), or many together.

        Raises:
            UsageFailure: a part is missing or too small.
            RunFailed: the outputs are not finite.
        """
