"""torch's optimisers, bit for bit, without its compiler.

If one of these fails after an update of torch: it wraps its functions in another way. Where it no longer loads
the compiler by itself, engine/optimizers.py can go, and `Task` take `torch.optim`.
"""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn

from deepunlearn_cli.engine import optimizers
from deepunlearn_cli.engine.optimizers import bare

STEPS = """
import sys
import torch
from deepunlearn_cli.engine import optimizers
weight = torch.nn.Parameter(torch.ones(2))
for room, names in ((optimizers, ("SGD", "Adam")), (torch.optim, ("SGD",))):
    for name in names:
        optimizer = getattr(room, name)([weight], lr=0.1, fused=True)
        optimizer.zero_grad(set_to_none=True)
        weight.square().sum().backward()
        optimizer.step()
    print("torch._dynamo" in sys.modules)
"""


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
    ("name", "settings", "torchs"),
    [
        ("SGD", {}, torch.optim.SGD),
        ("SGD", {"momentum": 0.9, "weight_decay": 0.1}, torch.optim.SGD),
        ("Adam", {"weight_decay": 0.1}, torch.optim.Adam),
        ("Adam", {"weight_decay": 0.1, "decoupled_weight_decay": True}, torch.optim.AdamW),
    ],
)
def test_weights_are_those_of_torch(name, settings, torchs):
    cls = getattr(optimizers, name)
    ours = trained(cls, **settings)
    theirs = trained(torchs, **{n: v for n, v in settings.items() if n != "decoupled_weight_decay"})
    assert torch.equal(ours.weight, theirs.weight)
    assert torch.equal(ours.bias, theirs.bias)
    assert not torch.equal(ours.weight, trained(cls, **settings | {"weight_decay": 0.2}).weight)


@pytest.mark.parametrize(
    "wrapped",
    [
        torch.optim.Optimizer.add_param_group,
        torch.optim.Optimizer.zero_grad,
        torch.optim.SGD.step,
        torch.optim.Adam.step,
    ],
    ids=lambda function: function.__qualname__,
)
def test_what_torch_wraps_is_found_below(wrapped):
    inner = bare(wrapped)
    assert inner is not wrapped
    assert inner.__qualname__ == wrapped.__qualname__
    assert not hasattr(inner, "__wrapped__")
    assert inner.__code__.co_filename.startswith(str(torch.optim.__path__[0]))


@pytest.mark.slow
def test_only_torchs_own_load_its_compiler():
    done = subprocess.run([sys.executable, "-c", STEPS], capture_output=True, text=True)
    assert done.stdout.split() == ["False", "True"], done.stderr
