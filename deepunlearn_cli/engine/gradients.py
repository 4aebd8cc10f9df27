"""Gradients that methods look at, and gradients that they bend before a step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deepunlearn_cli.engine.fit import as_in_use
from deepunlearn_cli.engine.pictures import Batch, Pictures
from deepunlearn_cli.engine.task import Task


def look(model: nn.Module, part: Pictures, task: Task, size: int, work: Callable[[Batch], None]) -> None:
    """`work` on each batch of a part in its own order, in eval mode, without augmentation."""
    with as_in_use(model):
        for batch in part.batches(size, shuffle=False, augment=False):
            task.launch(work, batch)


def mean_gradients(
    model: nn.Module, weights: Sequence[Tensor], part: Pictures, task: Task, size: int
) -> list[Tensor]:
    """Gradient of the mean loss over a whole part: eval mode, no augmentation, any batch size alike."""
    total = [torch.zeros_like(weight) for weight in weights]

    def add(batch: Batch) -> None:
        gradients = task.gradients(task.loss(model, batch), weights)
        torch._foreach_add_(total, gradients, alpha=len(batch.y) / len(part))

    look(model, part, task, size, add)
    return total


def weighted_gradients(
    model: nn.Module, weights: Sequence[Tensor], part: Pictures, shares: Tensor, task: Task, size: int
) -> list[Tensor]:
    """Sum over a part's n samples of `shares` (n,) times the gradient of the sample's loss, in eval mode."""
    total = [torch.zeros_like(weight) for weight in weights]

    def add(batch: Batch) -> None:
        losses = F.cross_entropy(task.forward(model, batch), batch.y, reduction="none")
        torch._foreach_add_(total, task.gradients((losses * shares[batch.position]).sum(), weights))

    look(model, part, task, size, add)
    return total


class Damping:
    """Scales whole updates, weight by weight: 1 is a full step, 0 freezes the weight to the bit.

    Weight decay is part of the update, so it is added to the gradient here and not by the optimiser, which
    must be made with a weight decay of 0. Momentum then only ever sees damped gradients.

    Args:
        factors: for some weights, a factor for each of their coordinates.
    """

    def __init__(self, model: nn.Module, weight_decay: float, factors: Mapping[Tensor, Tensor]) -> None:
        self.weights, self.weight_decay = list(model.parameters()), weight_decay
        self.factors = {w: torch.empty_like(w, requires_grad=False).copy_(f) for w, f in factors.items()}

    def apply(self) -> None:
        """Bend the gradients that the last backward pass left."""
        moving = [(weight, weight.grad) for weight in self.weights if weight.grad is not None]
        if self.weight_decay:
            gradients = [gradient for _, gradient in moving]
            torch._foreach_add_(gradients, [weight.detach() for weight, _ in moving], alpha=self.weight_decay)
        damped = [(gradient, self.factors[weight]) for weight, gradient in moving if weight in self.factors]
        if damped:
            torch._foreach_mul_([gradient for gradient, _ in damped], [factor for _, factor in damped])


def smallest(scores: Sequence[Tensor], count: int) -> list[Tensor]:
    """Masks of the `count` coordinates with the smallest scores over all tensors (the first of equals)."""
    flat = torch.cat([score.flatten() for score in scores])
    mask = torch.zeros_like(flat, dtype=torch.bool)
    mask[flat.argsort(stable=True)[:count]] = True
    parts = torch.split(mask, [score.numel() for score in scores])
    return [part.view_as(score) for part, score in zip(parts, scores, strict=True)]
