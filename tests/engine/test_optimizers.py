"""torch's optimisers, bit for bit, without its compiler."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from deepunlearn_cli.engine import optimizers


def trained(cls: type[torch.optim.Optimizer], **settings: float) -> nn.Module:
    generator = torch.Generator().manual_seed(0)
    model = nn.Linear(7, 3)
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(torch.randn(weight.shape, generator=generator))
    optimizer = cls(model.parameters(), lr=0.1, fused=True, **settings)
    for _ in range(5):
        optimizer.zero_grad(set_to_none=True)
        model(torch.randn(4, 7, generator=generator)).square().mean().backward()
        optimizer.step()
    return model


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("SGD", {}),
        ("SGD", {"momentum": 0.9, "weight_decay": 0.1}),
        ("Adam", {"weight_decay": 0.1}),
        ("Adam", {"weight_decay": 0.1, "decoupled_weight_decay": True}),
    ],
)
def test_weights_are_those_of_torch(name, settings):
    ours, theirs = (trained(getattr(room, name), **settings) for room in (optimizers, torch.optim))
    assert torch.equal(ours.weight, theirs.weight)
    assert torch.equal(ours.bias, theirs.bias)
    assert not torch.equal(
        ours.weight, trained(getattr(optimizers, name), **settings | {"weight_decay": 0.2}).weight
    )
