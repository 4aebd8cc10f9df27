"""Do nothing: the control that a method must beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from deepunlearn_cli.methods._method import Method, Sizes

if TYPE_CHECKING:
    from torch import nn

    from deepunlearn_cli.engine.task import Task


@dataclass(frozen=True)
class DoNothing(Method):
    """The do-nothing control: the original model, judged as if it had been unlearned.

    Every table shows it, because a method that does not beat it has forgotten nothing.
    """

    revision = 1  # nothing that may change
    title = "Do nothing"
    control = True
    paper = "the do-nothing control"
    needs = ()
    touches = "nothing"
    changes_weights = False

    def unlearn(self, model: nn.Module, task: Task) -> nn.Module:
        """The model as it is."""
        del task
        return model

    def work(self, n: Sizes) -> float:
        """None."""
        return 0
