"""SRL: successive random labels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from deepunlearn_cli.methods._method import Method, Sizes, batch, decay, inertia, passes, rate

if TYPE_CHECKING:
    from torch import nn

    from deepunlearn_cli.engine.task import Task


@dataclass(frozen=True)
class SuccessiveRandomLabels(Method):
    """Train on all pictures, the forgotten ones with wrong labels that are drawn anew in every epoch.

    Settings of Unlearn-Saliency (Fan et al. 2024): SGD 0.013, momentum 0.9, weight decay 5e-4, 10 epochs,
    forget and retain pictures shuffled together. Unlike the released codes, a label is never the true one
    and the draws differ between epochs.
    """

    title = "SRL"
    paper = "Golatkar et al. 2020, arXiv 1911.04933; settings of Fan et al. 2024, arXiv 2310.12508"
    needs = ("retain", "forget")
    epochs: int = passes(10, "the retain and forget sets")
    lr: float = rate(0.013)
    momentum: float = inertia(0.9)
    weight_decay: float = decay(5e-4)
    batch_size: int = batch(256)

    def unlearn(self, model: nn.Module, task: Task) -> nn.Module:
        """Cross-entropy on retain labels and on fresh wrong labels."""
        from deepunlearn_cli.engine.labels import mislabelled

        optimizer = task.sgd(model, self)
        for _ in task.epochs(self.epochs, optimizer):
            for batch_, labels in mislabelled(task, self.batch_size):
                task.step(optimizer, partial(task.loss, model), batch_, labels)
        return model

    def work(self, n: Sizes) -> float:
        """Both sets."""
        return self.epochs * n.training
