"""Tiny networks, pictures and tasks: milliseconds each."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import torch
from torch import nn

from deepunlearn_cli.core.recipe import stream_seed
from deepunlearn_cli.engine.device import streams
from deepunlearn_cli.engine.pictures import Pictures, Pixels
from deepunlearn_cli.engine.residual import Residual
from deepunlearn_cli.engine.task import Task
from deepunlearn_cli.engine.track import Track
from deepunlearn_cli.library import unlearn
from deepunlearn_cli.methods._tracked import Tracked
from deepunlearn_cli.models import Shape, build

Stream = Callable[[str], torch.Generator]
CPU = torch.device("cpu")
CLASSES, SIZE = 3, 8


@dataclass(frozen=True)
class Counts:
    """How many pictures the parts hold."""

    retain: int
    forget: int
    val: int = 12

    def ranges(self) -> dict[str, range]:
        """Where the pictures of each part stand."""
        train = self.retain + self.forget
        return {
            "retain": range(self.retain),
            "forget": range(self.retain, train),
            "val": range(train, train + self.val),
        }


FEW = Counts(48, 12)
MANY = Counts(160, 100)  # three batches of 64 beside two
HALF = Counts(128, 130)  # two beside three
SINGLE = Counts(48, 1)


def cnn() -> nn.Module:
    """A small residual network with BatchNorm."""
    return build("resnet-tiny", Shape(CLASSES, 3, SIZE))


def slim() -> nn.Module:
    """The residual network with a quarter of its channels, for many runs."""
    layers: list[tuple[str, nn.Module]] = [
        ("conv1", nn.Conv2d(3, 4, 3, padding=1, bias=False)),
        ("bn1", nn.BatchNorm2d(4)),
        ("relu", nn.ReLU(inplace=True)),
        ("layer1", nn.Sequential(Residual(4, 4))),
        ("layer2", nn.Sequential(Residual(4, 8))),
        ("layer3", nn.Sequential(Residual(8, 16))),
        ("avgpool", nn.AdaptiveAvgPool2d(1)),
        ("flatten", nn.Flatten()),
        ("fc", nn.Linear(16, CLASSES)),
    ]
    return nn.Sequential(OrderedDict(layers))


def vit() -> nn.Module:
    """A small vision transformer with dropout-like layers."""
    from timm.models.vision_transformer import VisionTransformer

    made: nn.Module = VisionTransformer(
        img_size=SIZE,
        patch_size=2,
        embed_dim=16,
        depth=2,
        num_heads=2,
        num_classes=CLASSES,
        drop_path_rate=0.1,
    )
    return made


MODELS: dict[str, Callable[[], nn.Module]] = {"cnn": cnn, "vit": vit}
BUILDERS = {**MODELS, "slim": slim}


def fresh(kind: str, seed: int, stream: str = "init") -> nn.Module:
    """A model initialised from a named stream."""
    with torch.random.fork_rng():
        torch.manual_seed(stream_seed(seed, stream))
        return BUILDERS[kind]().to(memory_format=torch.channels_last)


def pixels(count: int = 72, *, flip: bool = True, pad: int = 1, double: bool = False) -> Pixels:
    """Random pictures whose brightness tells the class, so that a model can learn them; bytes or 64 bits."""
    rng = np.random.default_rng(0)
    labels = np.arange(count) % CLASSES
    images = rng.integers(0, 80, (count, SIZE, SIZE, 3)) + labels[:, None, None, None] * 80
    shown = images / 255 if double else images.astype(np.uint8)
    return Pixels(shown, labels, CPU, mean=(0.5,) * 3, std=(0.25,) * 3, flip=flip, pad=pad)


def part(
    of: Pixels,
    where: Sequence[int],
    seed: int = 0,
    name: str = "retain",
    *,
    augment: bool = True,
    stream: Stream | None = None,
) -> Pictures:
    """A part of pictures, with streams of its own unless it is given some."""
    stream = stream or streams(seed)
    order, moves = stream(f"order/{name}"), stream(f"augment/{name}")
    return Pictures(of, np.asarray(where), order=order, moves=moves, augment=augment)


def plain_task(kind: str, needs: Sequence[str], seed: int, precision: str, counts: Counts = FEW) -> Task:
    """A task over some parts, without a track."""
    ranges = counts.ranges()
    shown = pixels(counts.retain + counts.forget + counts.val)
    return Task(
        {name: part(shown, ranges[name], seed, name) for name in needs},
        device=CPU,
        stream=streams(seed),
        fresh=lambda stream: fresh(kind, seed, stream),
        classes=CLASSES,
        precision=precision,
    )


@cache
def tracked(kind: str, seed: int, counts: Counts = FEW) -> tuple[nn.Module, Track]:
    """A model after two tracked epochs of plain SGD, and its track."""
    hyper = Tracked.build(
        {"epochs": 2, "lr": 0.01, "momentum": 0, "weight_decay": 0, "points": 0, "batch_size": 16}
    )
    training = plain_task(kind, hyper.needs, seed, "fp32", counts)
    made = unlearn(nn.Module(), hyper, training, seed=seed)
    track = Track(fresh(kind, seed).train(), hyper.rate, 16, hyper.objective(CLASSES), None, training.updates)
    return made, track


def track(
    kind: str, counts: Counts = FEW, seed: int = 0, *, double: bool = False, without: tuple[str, ...] = ()
) -> Track:
    """The track of `tracked`, of one's own, but for the updates of weights whose names begin so."""
    kept = copy.deepcopy(tracked(kind, seed, counts)[1])
    updates = {name: one for name, one in (kept.updates or {}).items() if not name.startswith(without)}
    if not double:
        return replace(kept, updates=updates)
    wide = {name: update.double() for name, update in updates.items()}
    return replace(kept, start=kept.start.double(), updates=wide)


def weights(model: nn.Module) -> dict[str, torch.Tensor]:
    """A copy of everything a model holds."""
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    """Whether two copies agree to the bit."""
    return a.keys() == b.keys() and all(torch.equal(value, b[name]) for name, value in a.items())
