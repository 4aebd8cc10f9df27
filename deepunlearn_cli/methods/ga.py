"""GA: gradient ascent on the forget set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from deepunlearn_cli.methods._method import Method, Sizes, batch, decay, inertia, passes, rate

if TYPE_CHECKING:
    from torch import nn

    from deepunlearn_cli.engine.task import Task


@dataclass(frozen=True)
class GradientAscent(Method):
    """Raise the cross-entropy of the forget set, and touch nothing else.

    Settings of Unlearn-Sparse's README: SGD 1e-4, momentum 0.9, weight decay 5e-4, 5 epochs (the benchmark's
    0.01 x 10 destroys the model). The objective is unbounded, and BatchNorm's running statistics follow the
    forget set alone (of 8 pictures or more): both are the method's own and kept.
    """

    title = "GA"
    paper = "Thudi et al. 2022, arXiv 2109.13398; settings of Jia et al. 2023, arXiv 2304.04934"
    needs = ("forget",)
    epochs: int = passes(5, "the forget set")
    lr: float = rate(1e-4)
    momentum: float = inertia(0.9)
    weight_decay: float = decay(5e-4)
    batch_size: int = batch(256)

    def unlearn(self, model: nn.Module, task: Task) -> nn.Module:
        """Steps up the forget loss."""
        optimizer = task.sgd(model, self)
        for _ in task.epochs(self.epochs, optimizer):
            for forget in task.forget.batches(self.batch_size):
                task.step(optimizer, lambda shown: -task.loss(model, shown), forget)
        return model

    def work(self, n: Sizes) -> float:
        """The forget set."""
        return self.epochs * n.forget
