"""What an attack is: from what models say of their samples to plain figures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from deepunlearn_cli.core.fields import OPTION, Declared
from deepunlearn_cli.core.plugins import name_of
from deepunlearn_cli.core.score import Score
from deepunlearn_cli.core.shared import Outputs

CLASS = "class"  # as a part: test samples of the forgotten classes alone
Source = Callable[[], Outputs]  # reads a model's outputs when called, so that many need no memory at once


@dataclass(frozen=True)
class Findings:
    """What an attack found: `scores` (plain numbers), and arrays per `part` of samples (or splits).

    `warnings` say what a person should know before trusting it.
    """

    scores: dict[str, Any]
    parts: Outputs = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Attack(Declared, ABC):
    """Base of all attacks: declared parameters, and what it finds.

    Attributes:
        title: what people read.
        question: that it answers.
        summary: how, in a line.
        columns: the figures that its table shows, the one that stands for all first.
    """

    spelling: ClassVar[str] = OPTION
    title: ClassVar[str]
    question: ClassVar[str]
    summary: ClassVar[str]
    columns: ClassVar[tuple[Score, ...]]

    @abstractmethod
    def run(self, targets: Mapping[str, Source], seed: int) -> Findings:
        """Attack one model (`targets["target"]`), or many together.

        Raises:
            UsageFailure: a part is missing or too small.
            RunFailed: the outputs are not finite.
        """

    @classmethod
    def name(cls) -> str:
        """Its public name: that of its file, or of a plug-in."""
        return name_of(cls)

    @classmethod
    def metrics(cls) -> tuple[str, ...]:
        """The figures that a verdict goes by, all of them unless told otherwise."""
        return tuple(score.name for score in cls.columns if score.guessing is not None)

    @classmethod
    def headline(cls) -> str:
        """The figure that stands for all."""
        return cls.columns[0].name

    def heading(self) -> str:
        """Above its table: what was attacked, and what its figures mean."""
        return f"{self.title}: {self.columns[0].guessing:g} is guessing"
