"""Random pictures, tasks and models for benchmarks."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from deepunlearn_cli.engine.device import pick_device, settle, streams
from deepunlearn_cli.engine.pictures import Pictures, Pixels
from deepunlearn_cli.engine.task import Task
from deepunlearn_cli.models import Shape, build

SIZE, CLASSES = 32, 10
DEVICE = pick_device()
settle()  # as every command does


def pixels(count: int) -> Pixels:
    """Random pictures of CIFAR-10's shape, augmented as it is."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, SIZE, SIZE, 3), dtype=np.uint8)
    labels = rng.integers(0, CLASSES, count)
    return Pixels(images, labels, DEVICE, mean=(0.5,) * 3, std=(0.25,) * 3, flip=True, pad=4)


def model(name: str) -> nn.Module:
    """A new network in train mode on the device."""
    torch.manual_seed(0)
    return build(name, Shape(CLASSES, 3, SIZE)).to(DEVICE, memory_format=torch.channels_last).train()


def task(of: Pixels, network: nn.Module, name: str, **sizes: int) -> Task:
    """A task whose parts (retain=..., forget=..., val=...) hold that many pictures each."""
    stream, parts, start = streams(0), {}, 0
    for part, size in sizes.items():
        where = np.arange(start, start := start + size)
        parts[part] = Pictures(of, where, order=stream(f"order/{part}"), moves=stream(f"augment/{part}"))
    return Task(parts, device=DEVICE, stream=stream, fresh=lambda _: model(name), classes=CLASSES)
