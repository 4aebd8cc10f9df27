"""Learning-rate schedules, training recipes, and gradients as a model in use would have them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


def cosine(epoch: int, epochs: int) -> float:
    """Cosine annealing to zero, one value per epoch: (1 + cos(pi e / E)) / 2."""
    return (1 + math.cos(math.pi * epoch / epochs)) / 2


def triangle(epoch: int, epochs: int) -> float:
    """Linear warm-up to the middle epoch, then linear decay (MSG's write-up; values of the benchmark)."""
    peak = (epochs + 1) // 2
    done = epoch + 1
    return done / peak if done <= peak else (epochs + 1 - done) / (epochs + 1 - peak)


@contextmanager
def as_in_use(model: nn.Module) -> Iterator[None]:
    """Every layer behaves as in evaluation (running statistics, no dropout) yet has exact gradients.

    timm's attention layers with a bias table (TinyViT, LeViT) cache it in eval mode, which cuts its gradient
    and fails at the second backward pass. The mode changes nothing else in them, so they stay in train mode.
    """
    before = {module: module.training for module in model.modules()}
    model.eval()
    for module in model.modules():
        if hasattr(module, "attention_bias_cache"):
            module.training = True
    try:
        yield
    finally:
        for module, mode in before.items():
            module.training = mode
