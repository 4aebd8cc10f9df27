"""MUNBa: machine unlearning as a Nash bargain."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from deepunlearn_cli.core.fields import real
from deepunlearn_cli.methods._method import Method, Sizes, batch, decay, inertia, passes, rate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor, nn

    from deepunlearn_cli.engine.pictures import Batch
    from deepunlearn_cli.engine.task import Task

NO_DEAL = 1.0, 0.1  # weights of retain and forget where bargaining fails
OPPOSED = 1e-6  # 1 + cosine of two gradients below which they leave nothing to bargain for


@dataclass(frozen=True)
class NashUnlearning(Method):
    """Let retaining and forgetting bargain over each step, so that neither gains at the other's expense.

    g_r is the gradient of the loss on a retain batch, g_u that on a forget batch with random labels (of all
    classes, drawn anew in every epoch). The step goes along a_r g_r + a_u g_u, the Nash bargain: G^T G a = 1
    / a for G = (g_r, g_u). Each pass over retain has one over forget beside its first batches; the other
    batches are plain steps. Authors' settings: SGD 0.01, momentum 0.9, weight decay 5e-4, 10 epochs of
    batches of 256; bargained gradients are clipped to length 1.

    The solution is a_i = 1 / (|g_i| sqrt(1 + cos)), cos that of the angle between them: it also holds where
    they are orthogonal or parallel, where the released form divides by 0, and where they are small, where the
    1e-8 in that form's denominators take over. Bargaining fails where one gradient is nothing or they are
    opposed; the weights are then 1 and 0.1, as released. The bargained gradient has length sqrt(2) always, so
    the clipping is what sets its length.
    """

    title = "MUNBa"
    paper = "Wu and Harandi 2025, arXiv 2411.15537"
    needs = ("retain", "forget")
    epochs: int = passes(10)
    lr: float = rate(0.01)
    momentum: float = inertia(0.9)
    weight_decay: float = decay(5e-4)
    batch_size: int = batch(256)
    max_norm: float = real(1.0, 0.01, 1.4, log=True, help="length that bargained gradients are clipped to")

    def unlearn(self, model: nn.Module, task: Task) -> nn.Module:
        """Bargained steps while a pass has forget batches, then plain ones."""
        import torch

        optimizer, players = task.sgd(model, self), Players(model, task, self.max_norm)
        more, draw = task.retain.endless(self.batch_size), task.stream("labels")
        for _ in task.epochs(self.epochs, optimizer):
            labels = torch.randint(task.classes, (len(task.forget),), generator=draw).to(task.device)
            for retain, forget in self._turns(task, more):
                if forget:
                    given = retain, forget, labels[forget.position]
                    task.step(optimizer, players.losses, *given, bend=players.agree)
                else:
                    task.step(optimizer, partial(task.loss, model), retain)
        return model

    def work(self, n: Sizes) -> float:
        """Retain, or as many of its batches as forget has, and forget."""
        from math import ceil

        more = max(1.0, ceil(n.forget / self.batch_size) / ceil(n.retain / self.batch_size))
        return self.epochs * (n.retain * more + n.forget)

    def _turns(self, task: Task, more: Iterator[Batch]) -> Iterator[tuple[Batch, Batch | None]]:
        """A pass over retain, with one over forget beside it; `more` of retain if that is longer."""
        left = task.forget.batches(self.batch_size)
        for retain in task.retain.batches(self.batch_size):
            yield retain, next(left, None)
        for forget in left:
            yield next(more), forget


class Players:
    """The two gradients of a step, and what they agree on."""

    def __init__(self, model: nn.Module, task: Task, max_norm: float) -> None:
        self.model, self.task, self.max_norm = model, task, max_norm
        self.weights = list(model.parameters())
        self.retain: list[Tensor] = []

    def losses(self, retain: Batch, forget: Batch, labels: Tensor) -> Iterator[Tensor]:
        """That on retain, and that on forget with other labels."""
        yield self.task.loss(self.model, retain)
        self.retain = self._taken()
        yield self.task.loss(self.model, forget, labels)

    def agree(self) -> None:
        """Leave the bargained gradient with the weights, clipped."""
        import torch

        forget = self._taken()
        products = dot(self.retain, self.retain), dot(self.retain, forget), dot(forget, forget)
        of_retain, of_forget = nash(*products)
        for weight, kept, lost in zip(self.weights, self.retain, forget, strict=True):
            weight.grad = of_retain * kept + of_forget * lost
        torch.nn.utils.clip_grad_norm_(self.weights, self.max_norm)

    def _taken(self) -> list[Tensor]:
        """The gradients that the last backward pass left, which the weights have no longer."""
        import torch

        grads = [torch.zeros_like(w) if w.grad is None else w.grad for w in self.weights]
        for weight in self.weights:
            weight.grad = None
        return grads


def dot(some: list[Tensor], others: list[Tensor]) -> Tensor:
    """Inner product of two gradients, over all weights."""
    import torch

    return torch.stack([(one * other).sum() for one, other in zip(some, others, strict=True)]).sum()


def nash(retain: Tensor, both: Tensor, forget: Tensor) -> tuple[Tensor, Tensor]:
    """Weights of two gradients in their bargain, from |g_r|^2, g_r . g_u and |g_u|^2; or `NO_DEAL`."""
    import torch

    sizes = retain.sqrt(), forget.sqrt()
    left = 1 + both / sizes[0] / sizes[1]
    deal = (left > OPPOSED) & left.isfinite()
    found = [
        torch.where(deal, 1 / (size * left.sqrt()), other) for size, other in zip(sizes, NO_DEAL, strict=True)
    ]
    return found[0], found[1]
