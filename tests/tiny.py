"""The exam's tiny tasks and models, as the tests of other rooms take them."""

from __future__ import annotations

from torch import nn

from deepunlearn_cli.engine.task import Task
from deepunlearn_cli.exam import tiny
from deepunlearn_cli.exam.tiny import (
    CLASSES,
    CPU,
    MODELS,
    SIZE,
    cnn,
    fresh,
    part,
    pixels,
    plain_task,
    same,
    tracked,
    vit,
    weights,
)
from deepunlearn_cli.methods import METHODS

__all__ = [
    "CLASSES", "CPU", "MODELS", "PARTS", "SIZE", "cnn", "fresh", "original", "part", "pixels", "same", "task",
    "tracked", "vit", "weights",
]  # fmt: skip
PARTS = tiny.FEW.ranges()


def task(
    kind: str = "cnn", needs: tuple[str, ...] = tuple(PARTS), seed: int = 0, precision: str = "fp32"
) -> Task:
    """A task over 48 retain, 12 forget and 12 validation pictures, with the track of `tracked`."""
    made = plain_task(kind, needs, seed, precision)
    made.track = tiny.track(kind, seed=seed)
    return made


def original(name: str, kind: str = "cnn", seed: int = 0) -> nn.Module:
    """What a method starts from: a tracked original where it needs one, else a fresh model."""
    return tracked(kind, seed)[0] if METHODS.get(name).tracked else fresh(kind, seed)
