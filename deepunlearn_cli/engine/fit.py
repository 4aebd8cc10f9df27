"""Learning-rate schedules, training recipes, and gradients as a model in use would have them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from torch import nn

Schedule = Callable[[int, int], float]  # (epoch from 0, epochs) -> factor of the learning rate


class Rates(Protocol):
    """The hyperparameters of SGD."""

    @property
    def lr(self) -> float:
        """Initial learning rate."""

    @property
    def momentum(self) -> float:
        """Of the velocity."""

    @property
    def weight_decay(self) -> float:
        """Coupled: times a weight, it is added to its gradient."""


class Steps(Rates, Protocol):
    """The hyperparameters of training by SGD."""

    @property
    def epochs(self) -> int:
        """Passes over the data."""

    @property
    def batch_size(self) -> int:
        """Pictures per step, at most."""


def cosine(epoch: int, epochs: int) -> float:
    """Cosine annealing to zero, one value per epoch: (1 + cos(pi e / E)) / 2."""
    return (1 + math.cos(math.pi * epoch / epochs)) / 2


def constant(epoch: int, epochs: int) -> float:
    """The same learning rate throughout."""
    del epoch, epochs
    return 1.0


def triangle(epoch: int, epochs: int) -> float:
    """Linear warm-up to the middle epoch, then linear decay (MSG's write-up; values of the benchmark)."""
    peak = (epochs + 1) // 2
    done = epoch + 1
    return done / peak if done <= peak else (epochs + 1 - done) / (epochs + 1 - peak)


def stepped(rate: float) -> Schedule:
    """Times `rate` after 50, 80 and 90 % of the epochs (the code of arXiv 2410.01276)."""

    def factor(epoch: int, epochs: int) -> float:
        milestones = (int(0.5 * epochs), int(0.8 * epochs), int(0.9 * epochs))
        return float(rate ** sum(epoch > milestone for milestone in milestones))

    return factor


def linear_to(last: float) -> Schedule:
    """From 1 in a straight line towards `last`, which the epoch after the final one would have."""
    return lambda epoch, epochs: 1 - (1 - last) * epoch / epochs


def annealed(step: int, steps: int, high: float, low: float) -> float:
    """The learning rate of a step on a cosine from `high` down to `low`."""
    return low + (high - low) * cosine(step, steps)


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
