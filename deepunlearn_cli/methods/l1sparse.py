"""L1-sparse: fine-tune under a fading L1 penalty."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from deepunlearn_cli.core.fields import real
from deepunlearn_cli.methods._method import Method, Sizes, batch, decay, inertia, passes, rate

if TYPE_CHECKING:
    from torch import nn

    from deepunlearn_cli.engine.task import Task


@dataclass(frozen=True)
class L1Sparse(Method):
    """Fine-tune on retain with an L1 penalty on all weights, which fades to nothing.

    CE + a_e * sum |theta| over every parameter, a_e = alpha (1 - e / E') in epoch e = 0, 1, ... of the first
    E' epochs, and 0 in the `dense_share` of epochs at the end. SGD 0.01, constant, 10 epochs. Nothing is
    pruned, despite the authors' name for it. Their alpha of 0.2 is an argument shared with other methods and
    works with none; ours lies in the range that does.
    """

    title = "L1-sparse"
    paper = "Jia et al. 2023, arXiv 2304.04934"
    aliases = ("l1-sparse",)
    epochs: int = passes(10)
    lr: float = rate(1e-2)
    momentum: float = inertia(0.9)
    weight_decay: float = decay(5e-4)
    batch_size: int = batch(256)
    alpha: float = real(5e-5, 1e-6, 1e-3, log=True, help="weight of the penalty in the first epoch")
    dense_share: float = real(0.0, 0.0, 0.9, help="share of epochs at the end without it", search=False)

    def unlearn(self, model: nn.Module, task: Task) -> nn.Module:
        """Cross-entropy, with the penalty's gradient a_e sign(theta) added to its own."""
        import torch

        optimizer, strength = task.sgd(model, self), torch.zeros((), device=task.device)

        def penalise() -> None:
            moving = [(weight.grad, weight) for weight in model.parameters() if weight.grad is not None]
            signs = list(torch._foreach_sign([weight.detach() for _, weight in moving]))
            torch._foreach_mul_(signs, strength)
            torch._foreach_add_([gradient for gradient, _ in moving], signs)

        for epoch in task.epochs(self.epochs, optimizer):
            strength.fill_(self.penalty(epoch))
            for retain in task.retain.batches(self.batch_size):
                task.step(optimizer, partial(task.loss, model), retain, bend=penalise)
        return model

    def work(self, n: Sizes) -> float:
        """The retain set."""
        return self.epochs * n.retain

    def penalty(self, epoch: int) -> float:
        """a_e of epoch e, counted from 0."""
        fading = self.epochs - int(self.dense_share * self.epochs)
        return self.alpha * max(0.0, 1 - epoch / fading)
