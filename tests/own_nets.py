"""Networks as people write them, each with something that a tool may trip over."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import tiny
import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Net(nn.Module):
    """Two convolutions with BatchNorm and a linear head, defined in the order of work."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        self.body = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        self.out = nn.Linear(8, tiny.CLASSES)

    def features(self, x: Tensor) -> Tensor:
        return self.body(self.stem(x)).mean((2, 3))  # type: ignore[no-any-return]

    def forward(self, x: Tensor) -> Any:
        return self.out(self.features(x))


class HeadFirst(nn.Module):
    """Defines its head before everything else, and its stem last."""

    def __init__(self) -> None:
        super().__init__()
        self.out = nn.Linear(8, tiny.CLASSES)
        self.body = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.body(self.stem(x)).mean((2, 3)))  # type: ignore[no-any-return]


class OwnParameter(Net):
    """Its head is a weight of its own, classes last."""

    def __init__(self) -> None:
        super().__init__()
        del self.out
        self.weight = nn.Parameter(torch.randn(8, tiny.CLASSES) / 8**0.5)
        self.bias = nn.Parameter(torch.zeros(tiny.CLASSES))

    def reset_parameters(self) -> None:
        nn.init.normal_(self.weight, std=8**-0.5)
        nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.features(x) @ self.weight + self.bias


class TwoHeads(Net):
    """A distilled network: two heads in training, their mean in use."""

    def __init__(self) -> None:
        super().__init__()
        self.distilled = nn.Linear(8, tiny.CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        features = self.features(x)
        return (self.out(features) + self.distilled(features)) / 2  # type: ignore[no-any-return]


class Named(Net):
    """Gives an object with `.logits`."""

    def forward(self, x: Tensor) -> Any:
        return SimpleNamespace(logits=super().forward(x), features=None)


class Auxiliary(Net):
    """Gives a second output in training, as GoogLeNet does."""

    def __init__(self) -> None:
        super().__init__()
        self.aux = nn.Linear(8, tiny.CLASSES)

    def forward(self, x: Tensor) -> Any:
        early = self.stem(x)
        logits = self.out(self.body(early).mean((2, 3)))
        return (logits, self.aux(early.mean((2, 3)))) if self.training else logits


class SilentStem(Net):
    """Its stem works under `no_grad`."""

    def features(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            x = self.stem(x)
        return self.body(x).mean((2, 3))  # type: ignore[no-any-return]


class Tied(Net):
    """Two convolutions share their weight."""

    def __init__(self) -> None:
        super().__init__()
        self.more = nn.Conv2d(8, 8, 3, padding=1)
        self.more.weight = self.body[0].weight

    def features(self, x: Tensor) -> Tensor:
        x = self.body(self.stem(x))
        return (x + F.relu(self.more(x))).mean((2, 3))


class Unsteady(Net):
    """BatchNorm without running statistics."""

    def __init__(self) -> None:
        super().__init__()
        self.body[1] = nn.BatchNorm2d(8, track_running_stats=False)


NETS: dict[str, Callable[[], nn.Module]] = {
    one.__name__: one
    for one in (Net, HeadFirst, OwnParameter, TwoHeads, Named, Auxiliary, SilentStem, Tied, Unsteady)
}
NETS["Double"] = lambda: Net().double()
HEADS = {
    "Net": {"out.weight", "out.bias"},
    "HeadFirst": {"out.weight", "out.bias"},
    "OwnParameter": {"weight", "bias"},
    "TwoHeads": {"out.weight", "out.bias", "distilled.weight", "distilled.bias"},
    "Named": {"out.weight", "out.bias"},
    "Auxiliary": {"out.weight", "out.bias"},
    "SilentStem": {"out.weight", "out.bias"},
    "Tied": {"out.weight", "out.bias"},
    "Unsteady": {"out.weight", "out.bias"},
    "Double": {"out.weight", "out.bias"},
}


def pictures(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Pictures (N, 3, 10, 8) whose brightness tells the class."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % tiny.CLASSES
    return torch.randn(count, 3, 10, 8, generator=generator) + labels[:, None, None, None], labels


PARTS = {"retain": pictures(36, 0), "forget": pictures(12, 1), "val": pictures(12, 2)}
