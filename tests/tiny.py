"""Tiny tasks and models for the exams: milliseconds each."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from torch import nn

from deepunlearn_cli import unlearn
from deepunlearn_cli.core.recipe import stream_seed
from deepunlearn_cli.engine.device import streams
from deepunlearn_cli.engine.pictures import Pictures, Pixels
from deepunlearn_cli.engine.task import Task
from deepunlearn_cli.engine.track import Track
from deepunlearn_cli.methods import METHODS
from deepunlearn_cli.methods._tracked import Tracked
from deepunlearn_cli.models import Shape, build

CPU = torch.device("cpu")
CLASSES, SIZE = 3, 8
PARTS = {"retain": range(48), "forget": range(48, 60), "val": range(60, 72)}


def cnn() -> nn.Module:
    """A small residual network with BatchNorm."""
    return build("resnet-tiny", Shape(CLASSES, 3, SIZE))


def vit() -> nn.Module:
    """A small vision transformer with dropout-like layers."""
    from timm.models.vision_transformer import VisionTransformer

    return VisionTransformer(
        img_size=SIZE,
        patch_size=2,
        embed_dim=16,
        depth=2,
        num_heads=2,
        num_classes=CLASSES,
        drop_path_rate=0.1,
    )


MODELS: dict[str, Callable[[], nn.Module]] = {"cnn": cnn, "vit": vit}


def fresh(kind: str, seed: int, stream: str = "init") -> nn.Module:
    """A model initialised from a named stream."""
    with torch.random.fork_rng():
        torch.manual_seed(stream_seed(seed, stream))
        return MODELS[kind]().to(memory_format=torch.channels_last)


def pixels(count: int = 72, *, flip: bool = True, pad: int = 1) -> Pixels:
    """Random pictures whose brightness tells the class, so that a model can learn them."""
    rng = np.random.default_rng(0)
    labels = np.arange(count) % CLASSES
    images = rng.integers(0, 80, (count, SIZE, SIZE, 3)) + labels[:, None, None, None] * 80
    return Pixels(images.astype(np.uint8), labels, CPU, mean=(0.5,) * 3, std=(0.25,) * 3, flip=flip, pad=pad)


def part(of: Pixels, where: range, seed: int = 0, name: str = "retain", *, augment: bool = True) -> Pictures:
    """A part of pictures with streams of its own."""
    stream = streams(seed)
    order, moves = stream(f"order/{name}"), stream(f"augment/{name}")
    return Pictures(of, np.asarray(where), order=order, moves=moves, augment=augment)


def task(
    kind: str = "cnn", needs: tuple[str, ...] = tuple(PARTS), seed: int = 0, precision: str = "fp32"
) -> Task:
    """A task over 48 retain, 12 forget and 12 validation pictures, with the track of `tracked`."""
    made = _task(kind, needs, seed, precision)
    made.track = copy.deepcopy(tracked(kind, seed)[1])
    return made


def original(name: str, kind: str = "cnn", seed: int = 0) -> nn.Module:
    """What a method starts from: a tracked original where it needs one, else a fresh model."""
    return tracked(kind, seed)[0] if METHODS.get(name).tracked else fresh(kind, seed)


@cache
def tracked(kind: str, seed: int) -> tuple[nn.Module, Track]:
    """A model after two tracked epochs of plain SGD, and its track."""
    hyper = Tracked.build(
        {"epochs": 2, "lr": 0.01, "momentum": 0, "weight_decay": 0, "points": 0, "batch_size": 16}
    )
    training = _task(kind, hyper.needs, seed, "fp32")
    made = unlearn(nn.Module(), hyper, training, seed=seed)
    track = Track(fresh(kind, seed).train(), hyper.rate, 16, hyper.objective(CLASSES), None, training.updates)
    return made, track


def _task(kind: str, needs: tuple[str, ...], seed: int, precision: str) -> Task:
    shown = pixels()
    return Task(
        {name: part(shown, PARTS[name], seed, name) for name in needs},
        device=CPU,
        stream=streams(seed),
        fresh=lambda stream: fresh(kind, seed, stream),
        classes=CLASSES,
        precision=precision,
    )


def weights(model: nn.Module) -> dict[str, torch.Tensor]:
    """A copy of everything a model holds."""
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    """Whether two copies agree to the bit."""
    return a.keys() == b.keys() and all(torch.equal(value, b[name]) for name, value in a.items())
