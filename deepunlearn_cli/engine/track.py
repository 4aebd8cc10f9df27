"""The track: what a training knows of the steps that it took on the forget set.

Tracked training (Thudi et al. 2022, Unrolling SGD, arXiv 2109.13398) runs through the same batches in the
same order in every epoch. The forget set makes batches of its own, which come first; the retrained model
takes the same steps without them. So what is forgotten is a number of whole batches, as in the paper. Layers
that draw at random (dropout) draw anew for every step, so the two then differ by that as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.engine.objective import Objective
from deepunlearn_cli.engine.pictures import Batch, Pictures
from deepunlearn_cli.engine.weights import Vector, copied


class Work(Protocol):
    """What a track needs of a task: the forget set, and passes that are counted."""

    @property
    def forget(self) -> Pictures:
        """The pictures to forget."""

    def forward(self, model: nn.Module, batch: Batch) -> Tensor:
        """Logits (B, K)."""

    def gradients(self, loss: Tensor, weights: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Gradients of `loss` with respect to `weights`."""


@dataclass(frozen=True)
class Track:
    """What unrolling methods read beside the model.

    Attributes:
        start: the model as it was before its first step, w0; the track's own, in train mode.
        rate: the learning rates of all passes over the forget set, summed (in the paper: eta m).
        batch_size: pictures per step, at most.
        objective: what training minimised.
        mixed: pictures per step on average, if forget pictures were in batches with others and not in batches
            of their own; else None.
        updates: by name of the weight, the sum of all updates that steps on the forget set applied.
    """

    start: nn.Module
    rate: float
    batch_size: int
    objective: Objective
    mixed: float | None = None
    updates: Mapping[str, Tensor] | None = None

    def gradient(self, task: Work) -> Vector:
        """Gradient at w0, summed over the forget batches: batch statistics and means as in training.

        Of mixed batches each picture counts 1 / `mixed`, wherever it was.
        """
        weights = list(self.start.parameters())
        total = [torch.zeros_like(weight) for weight in weights]
        for batch in task.forget.batches(self.batch_size):
            loss = self.objective(task.forward(self.start, batch), batch.y)
            share = len(batch.y) / self.mixed if self.mixed else 1.0
            torch._foreach_add_(total, task.gradients(loss, weights), alpha=share)
        return total

    def applied(self, model: nn.Module) -> Vector:
        """`updates` in the order of a model's weights, on its device.

        Raises:
            UsageFailure: there are none, or they are of another model.
        """
        named = dict(model.named_parameters())
        if self.updates is None:
            raise UsageFailure("the track holds no updates", "deepunlearn train --track keeps them")
        if {n: w.shape for n, w in named.items()} != {n: u.shape for n, u in self.updates.items()}:
            raise UsageFailure("the track is of another model", "give the run that it was kept with")
        return [self.updates[name].to(weight.device) for name, weight in named.items()]


class Updates:
    """The sum of the updates that watched steps apply to a model's weights."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.total = [torch.zeros_like(weight) for weight in model.parameters()]

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Whatever the block does to the weights is added: momentum and weight decay, too."""
        before = copied(self.model)
        yield
        torch._foreach_add_(self.total, torch._foreach_sub(copied(self.model), before))

    def named(self) -> dict[str, Tensor]:
        """The sum by the weights' names, on the CPU."""
        names = [name for name, _ in self.model.named_parameters()]
        return {name: value.cpu() for name, value in zip(names, self.total, strict=True)}
