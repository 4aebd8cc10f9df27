"""SalUN: random labels for the weights that matter to the forget set."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from deepunlearn_cli.core.fields import real
from deepunlearn_cli.methods._method import Method, Sizes, batch, decay, inertia, passes, rate

if TYPE_CHECKING:
    from torch import Tensor, nn

    from deepunlearn_cli.engine.task import Task


@dataclass(frozen=True)
class SaliencyUnlearning(Method):
    """SRL on the salient weights alone; all others stay as they are, to the bit.

    A weight's saliency is |mean gradient of the forget loss| in eval mode; of all weights of the network
    together, the `threshold` share with the largest is trained on retain pictures and on forget pictures with
    wrong labels, drawn anew in every epoch. Settings of Unlearn-Saliency: SGD 0.013, momentum 0.9, weight
    decay 5e-4, 10 epochs. Frozen means frozen (the authors' fix of 2026): neither weight decay nor momentum
    moves a masked weight, as both do in the benchmark, whose mask also sums gradients it forgot to clear.
    """

    title = "SalUN"
    paper = "Fan et al. 2024, arXiv 2310.12508"
    needs = ("retain", "forget")
    touches = "the most salient half"
    epochs: int = passes(10, "the retain and forget sets")
    lr: float = rate(0.013)
    momentum: float = inertia(0.9)
    weight_decay: float = decay(5e-4)
    batch_size: int = batch(256)
    threshold: float = real(0.5, 0.01, 1.0, help="share of the weights that are trained")

    def unlearn(self, model: nn.Module, task: Task) -> nn.Module:
        """A mask, then training on wrong labels under it."""
        from deepunlearn_cli.engine.gradients import Damping
        from deepunlearn_cli.engine.labels import mislabelled

        factors = {weight: mask.float() for weight, mask in self.masks(model, task).items()}
        damping = Damping(model, self.weight_decay, factors)
        optimizer = task.sgd(model, self, weight_decay=0.0)
        for _ in task.epochs(self.epochs, optimizer):
            for batch_, labels in mislabelled(task, self.batch_size):
                task.step(optimizer, partial(task.loss, model), batch_, labels, bend=damping.apply)
        return model

    def work(self, n: Sizes) -> float:
        """The forget set for the mask, then both sets."""
        return n.forget + self.epochs * n.training

    def masks(self, model: nn.Module, task: Task) -> dict[Tensor, Tensor]:
        """For each weight tensor, which coordinates are among the salient ones of the whole network."""
        from deepunlearn_cli.engine.gradients import mean_gradients, smallest

        weights = list(model.parameters())
        gradients = mean_gradients(model, weights, task.forget, task, self.batch_size)
        count = math.floor(self.threshold * sum(weight.numel() for weight in weights))
        masks = smallest([-gradient.abs() for gradient in gradients], count)
        return dict(zip(weights, masks, strict=True))
