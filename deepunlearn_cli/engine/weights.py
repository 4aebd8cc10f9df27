"""A model's trainable weights as one vector: copies, moves and distances."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator, Tensor, nn

from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.engine.pictures import sent

Vector = list[Tensor]  # one tensor for each trainable weight, in the order of `parameters()`


def copied(model: nn.Module) -> Vector:
    """A copy of a model's weights."""
    return [weight.detach().clone() for weight in model.parameters()]


def moved(model: nn.Module, direction: Sequence[Tensor], length: float) -> Vector:
    """A model's weights + `length` times `direction`."""
    weights = [weight.detach() for weight in model.parameters()]
    return list(torch._foreach_add(weights, list(direction), alpha=length))


def distance(a: Sequence[Tensor], b: Sequence[Tensor]) -> float:
    """L2 distance of two sets of weights, summed in float64. Waits for the device.

    Raises:
        UsageFailure: they are of different architectures.
    """
    if [x.shape for x in a] != [y.shape for y in b]:
        raise UsageFailure("the two models differ in their weights", "compare models of one architecture")
    squares = [(x - y).double().square().sum() for x, y in zip(a, b, strict=True)]
    return float(torch.stack(squares).sum().sqrt())


def scale_into(values: Sequence[Tensor], radius: float) -> None:
    """Scale tensors together, in place, to a norm of at most `radius`; nothing waits for the device."""
    norm = torch.stack([value.double().square().sum() for value in values]).sum().sqrt()
    factor = (radius / norm).clamp(max=1.0)  # of no length: radius / 0 is infinite
    for value in values:
        value.mul_(factor.to(value.dtype))


def drawn(weights: Sequence[Tensor], generator: Generator) -> Tensor:
    """A standard normal number for every weight, in one row (d,) on their device, drawn on the host."""
    first, count = weights[0], sum(weight.numel() for weight in weights)
    return sent(torch.randn(count, generator=generator, dtype=first.dtype), first.device)
