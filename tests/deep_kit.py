"""A network whose last maps are 1x1, on generated pictures: where BatchNorm suffers most from small batches."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np
import tiny
import torch
from torch import nn

from deepunlearn_cli.engine.device import streams
from deepunlearn_cli.engine.pictures import Pictures, Pixels
from deepunlearn_cli.engine.predict import predict
from deepunlearn_cli.engine.task import Task

CLASSES, SIZE, TEST = 5, 8, 1000


def network(seed: int, width: int = 32) -> nn.Module:
    """Four convolutions that halve the picture, each before a BatchNorm: maps of 4x4, 2x2, 1x1 and 1x1."""
    torch.manual_seed(seed)
    widths = [3, *(width * 2**level for level in range(4))]
    blocks = [
        nn.Sequential(nn.Conv2d(before, after, 3, 2, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU())
        for before, after in pairwise(widths)
    ]
    return nn.Sequential(*blocks, nn.Flatten(), nn.Linear(widths[-1], CLASSES))


@cache
def pixels(count: int, noise: float) -> Pixels:
    """`count` pictures to train on and `TEST` more: a random picture for each class, under noise."""
    rng = np.random.default_rng(0)
    classes = rng.uniform(60, 190, (CLASSES, SIZE, SIZE, 3))
    labels = rng.integers(0, CLASSES, count + TEST)
    images = np.clip(classes[labels] + rng.normal(0, noise, (len(labels), SIZE, SIZE, 3)), 0, 255)
    return Pixels(images.astype(np.uint8), labels, tiny.CPU, mean=(0.5,) * 3, std=(0.25,) * 3)


def task(of: Pixels, seed: int, width: int = 32, **where: range) -> Task:
    """A task whose parts (retain=..., forget=..., val=...) are those pictures, not augmented."""
    parts = {name: tiny.part(of, chosen, seed, name, augment=False) for name, chosen in where.items()}
    return Task(
        parts,
        device=tiny.CPU,
        stream=streams(seed),
        fresh=lambda stream: network(seed, width),
        classes=CLASSES,
    )


def accuracy(model: nn.Module, part: Pictures) -> float:
    """Share of a part that a model tells right."""
    return float((predict(model, part).argmax(1) == part.labels.numpy()).mean())
