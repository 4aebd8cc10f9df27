"""torch's optimisers, bit for bit, without its compiler."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from cli_kit import TRAIN, clean_environment
from torch import nn

from deepunlearn_cli.engine import optimizers

SLOW = ("torch._dynamo", "torch._inductor", "torchvision", "timm", "optuna")


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


def slow_modules_of(words: list[str], cwd: Path) -> tuple[str, list[str]]:
    """What a command printed, and which slow modules it loaded."""
    code = f"""
import sys
from deepunlearn_cli.cli.app import app
try:
    app({words!r}, prog_name="deepunlearn")
except SystemExit as end:
    assert end.code == 0, end.code
print(*[name for name in {SLOW!r} if name in sys.modules])
"""
    said = subprocess.run(
        [sys.executable, "-c", code],
        cwd=cwd,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    printed, loaded = said.stdout.splitlines()
    return printed, loaded.split()


def test_training_and_unlearning_load_nothing_that_they_do_not_use(tmp_path: Path):
    """The compiler, the vision and search libraries would take seconds of every command and every worker."""
    original, loaded = slow_modules_of([*TRAIN, "-q"], tmp_path)
    assert loaded == []
    words = ["unlearn", "--method", "iu", "--ckpt", original, "--forget", "random:0.1", "-q"]
    assert slow_modules_of(words, tmp_path)[1] == []
