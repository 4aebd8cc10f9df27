"""Single-gradient unlearning: undo the forget set's steps as they would all have been at the start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from deepunlearn_cli.methods._method import Method, Sizes

if TYPE_CHECKING:
    from torch import nn

    from deepunlearn_cli.engine.task import Task


@dataclass(frozen=True)
class SingleGradient(Method):
    """Add the forget set's gradient at the initial weights, times the learning rates of all passes over it.

    w + lr m sum over forget of the gradient at w0 / b, m the passes and b the pictures in a batch: the first
    term of SGD unrolled around w0. It needs a tracked original (`train --track`), whose forget set made
    batches of its own; gradients are of means over those batches, with BatchNorm as in training. Running
    statistics stay the original's. `unlearn --earlier REF --approximate` takes any earlier checkpoint for w0.
    """

    title = "Single-grad"
    paper = "Thudi et al. 2022, arXiv 2109.13398"
    aliases = ("single-gradient",)
    needs = ("forget",)
    tracked = True
    posthoc = True

    def unlearn(self, model: nn.Module, task: Task) -> nn.Module:
        """One step, however long the training was."""
        import torch

        track = task.kept_track()
        gradient = track.gradient(task)
        with torch.no_grad():
            torch._foreach_add_(list(model.parameters()), gradient, alpha=track.rate)
        return model

    def work(self, n: Sizes) -> float:
        """The forget set, once."""
        return n.forget
