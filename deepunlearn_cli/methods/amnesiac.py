"""Amnesiac unlearning: take back the updates that the forget set's batches applied."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from deepunlearn_cli.methods._method import Method, Sizes

if TYPE_CHECKING:
    from torch import nn

    from deepunlearn_cli.engine.task import Task


@dataclass(frozen=True)
class Amnesiac(Method):
    """Subtract from the weights every update that a step on a forget batch applied in training.

    It needs a tracked original (`train --track`), which keeps the sum of these updates: as many numbers as
    there are weights. What later steps made of them stays. Running statistics are the original's.
    """

    title = "Amnesiac"
    paper = "Graves et al. 2021, arXiv 2010.10981; as in Thudi et al. 2022, arXiv 2109.13398"
    needs = ()
    tracked = True

    def unlearn(self, model: nn.Module, task: Task) -> nn.Module:
        """A subtraction."""
        import torch

        with torch.no_grad():
            torch._foreach_sub_(list(model.parameters()), task.kept_track().applied(model))
        return model

    def work(self, n: Sizes) -> float:
        """None."""
        return 0
