"""PRMQ: prune, re-initialise, match entropies."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from deepunlearn_cli.core.fields import TRAINING_SHARE, real
from deepunlearn_cli.methods._method import Method, Sizes, batch, decay, inertia, rate

if TYPE_CHECKING:
    from torch import Generator, Tensor, nn

    from deepunlearn_cli.engine.pictures import Batch
    from deepunlearn_cli.engine.task import Task

EVENNESS = 0.1  # exponent of the class weights


@dataclass(frozen=True)
class PruneReinitialiseMatch(Method):
    """Draw the 99 % smallest weights anew, then train to be right and as sure as the original was.

    1. Of all convolution and linear weights together, the `prune` share with the smallest magnitude is drawn
    from U(-1/sqrt(fan_in), 1/sqrt(fan_in)). 2. Train on retain: cross-entropy with class weights count^-0.1,
    plus the mean squared difference between the entropies of the model and of the original; SGD 5e-4,
    constant, 3.2 epochs, batch 64.

    Fourth-prize entry of the NeurIPS 2023 competition (Oleszko), with the benchmark's settings. Biases are
    left alone, and the result is not rounded to half precision, which only served the competition's disk.
    """

    title = "PRMQ"
    paper = "Oleszko, NeurIPS 2023 competition, 4th prize"
    touches = "99 % of the kernels, then all"
    epochs: float = real(3.2, 0.1, TRAINING_SHARE, help="passes over the retain set, parts of one too")
    lr: float = rate(5e-4)
    momentum: float = inertia(0.9)
    weight_decay: float = decay(5e-4)
    batch_size: int = batch(64)
    prune: float = real(0.99, 0.01, 1.0, help="share of weights that are drawn anew")

    def unlearn(self, model: nn.Module, task: Task) -> nn.Module:
        """Pruning and re-initialisation, then training on two losses."""
        from torch.nn import functional as F

        from deepunlearn_cli.engine.distill import entropy

        before = task.lessons(task.teacher(model), task.retain)
        self._reinitialise(model, task)
        weight = evenness(task.retain.labels, task.classes)

        def loss(retain: Batch) -> Tensor:
            logits = task.forward(model, retain)
            surprise = F.cross_entropy(logits, retain.y, weight=weight)
            return surprise + F.mse_loss(entropy(logits), entropy(before(retain)))

        optimizer = task.sgd(model, self)
        for epoch in task.epochs(math.ceil(self.epochs), optimizer):
            steps = round(min(1.0, self.epochs - epoch) * task.retain.count(self.batch_size))
            for retain in islice(task.retain.batches(self.batch_size), max(1, steps)):
                task.step(optimizer, loss, retain)
        return model

    def work(self, n: Sizes) -> float:
        """The retain set, with the original looking at the same pictures."""
        return self.epochs * n.retain * 4 / 3

    def _reinitialise(self, model: nn.Module, task: Task) -> None:
        from deepunlearn_cli.engine.gradients import smallest
        from deepunlearn_cli.engine.layers import matrices, share

        weights = matrices(model)
        if not weights:
            raise task.refuse("prmq finds no convolution or linear layer in this model")
        task.facts["touched_share"] = self.prune * share(model, weights)
        count = math.floor(self.prune * sum(weight.numel() for weight in weights))
        for weight, mask in zip(weights, smallest([w.detach().abs() for w in weights], count), strict=True):
            draw_anew(weight, mask, task.stream("noise"))


def draw_anew(weight: Tensor, mask: Tensor, noise: Generator) -> None:
    """U(-1/sqrt(fan_in), 1/sqrt(fan_in)) where the mask is set: the library's own initialisation."""
    import torch

    fresh = (2 * torch.rand(weight.shape, generator=noise) - 1) / weight[0].numel() ** 0.5
    with torch.no_grad():
        weight.copy_(torch.where(mask, fresh.to(weight.device), weight))


def evenness(labels: Tensor, classes: int) -> Tensor:
    """Weight count^-0.1 of each class (K,), 0 for a class without samples."""
    import torch

    counts = torch.bincount(labels, minlength=classes).float()
    return torch.where(counts > 0, counts.clamp(min=1) ** -EVENNESS, 0.0)
