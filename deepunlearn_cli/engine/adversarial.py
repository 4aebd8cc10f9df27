"""Adversarial examples: pictures a little way off some others, which a model takes for another class.

Sources: Madry et al. 2018, arXiv 1706.06083 (PGD); Ebrahimpour-Boroojeny et al. 2025, arXiv 2503.00917, and
its code (the ball that is doubled).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deepunlearn_cli.engine.device import forward_size
from deepunlearn_cli.engine.made import showing
from deepunlearn_cli.engine.pictures import Batch, Pictures
from deepunlearn_cli.engine.task import Task

STEP = 0.1  # of the ball's radius


@dataclass(frozen=True)
class Adversarial:
    """An example for each picture of a part, in its order.

    Attributes:
        rows: (n, H, W, C) floats in the units of the part's pixels.
        labels: (n,) the class that the model takes it for; of one that was not found the likeliest wrong one.
        fooled: (n,) whether the model takes it for a wrong class.
        radius: (n,) of the L2 ball around the picture in which it lies, for pixels scaled to 0..1.
    """

    rows: Tensor
    labels: Tensor
    fooled: Tensor
    radius: Tensor


def examples(
    model: nn.Module, part: Pictures, task: Task, *, radius: float, steps: int, size: int
) -> Adversarial:
    """L2-PGD in eval mode, without augmentation, in a ball that is doubled until the answer is wrong.

    A step goes a tenth of the radius along the gradient of the loss, then back into the ball and the range of
    pixels. A picture that is taken for a wrong class, at the start too, stays as it is. The search ends where
    the ball holds every picture there is: nothing fools a model whose answer does not hang on its input.

    Args:
        radius: of the first ball, for pixels scaled to 0..1 (floats: by the part's least and greatest).
        steps: in each ball.
        size: pictures per batch, at most.
    """
    frozen, found = task.teacher(model), _start(part, radius)
    climb, judge = _climber(frozen, task, found, *_range(part, found.rows)), _judge(frozen, task, found)
    places = torch.arange(len(part), device=found.rows.device)
    while True:
        for batch in part.at(places).batches(size, shuffle=False, augment=False):
            at = places[batch.position]
            for _ in range(steps):
                task.launch(climb, batch, at)
            task.launch(judge, batch, at)
        places = places[~found.fooled[places]]  # the one wait of a round
        if not len(places) or radius >= math.sqrt(found.rows[0].numel()):
            return found
        radius *= 2
        found.radius[places] = radius


def _start(part: Pictures, radius: float) -> Adversarial:
    passing = part.batches(forward_size(part.pixels.device), shuffle=False, augment=False)
    rows = torch.cat([batch.rows for batch in passing])
    rows = rows.to(torch.promote_types(rows.dtype, torch.float32))
    fooled = torch.zeros(len(part), dtype=torch.bool, device=rows.device)
    return Adversarial(rows, part.labels.clone(), fooled, torch.full_like(fooled, radius, dtype=torch.float))


def _range(part: Pictures, rows: Tensor) -> tuple[float, float]:
    """The least and the greatest value that a pixel may have."""
    if part.pixels.images.dtype == torch.uint8:
        return 0.0, 255.0
    return float(rows.min()), float(rows.max())


def _climber(
    model: nn.Module, task: Task, found: Adversarial, low: float, high: float
) -> Callable[[Batch, Tensor], None]:
    """One step for the pictures of a batch, whose examples are `at` some places."""
    table, balls, unit = found.rows, found.radius, high - low

    def climb(batch: Batch, at: Tensor) -> None:
        start, now = batch.rows, table[at].requires_grad_()
        logits = task.forward(model, showing(batch, now))
        loss = F.cross_entropy(logits, batch.y, reduction="sum") + 0 * now.sum()  # there always is a gradient
        (gradient,) = torch.autograd.grad(loss, now)
        task.count(backward=(len(batch.y) + 1) // 2)  # half a backward pass: no weight's gradient is made
        reach = unit * balls[at][:, None, None, None]
        off = now.detach() + STEP * reach * gradient / _length(gradient) - start
        moved = (start + off * (reach / _length(off)).clamp(max=1.0)).clamp(low, high)
        right = (logits.argmax(1) == batch.y)[:, None, None, None]
        table.index_copy_(0, at, torch.where(right, moved, now.detach()))

    return climb


def _judge(model: nn.Module, task: Task, found: Adversarial) -> Callable[[Batch, Tensor], None]:
    """What the model takes the examples of a batch for."""
    table, labels, fooled = found.rows, found.labels, found.fooled

    def judge(batch: Batch, at: Tensor) -> None:
        logits = task.teach(model, showing(batch, table[at]))
        fooled.index_copy_(0, at, logits.argmax(1) != batch.y)
        labels.index_copy_(0, at, logits.scatter(1, batch.y[:, None], -torch.inf).argmax(1))

    return judge


def _length(rows: Tensor) -> Tensor:
    """L2 norm (B, 1, 1, 1) of each picture, above 0."""
    norms: Tensor = torch.linalg.vector_norm(rows, dim=(1, 2, 3), keepdim=True)
    return norms.clamp_min(torch.finfo(norms.dtype).tiny)
