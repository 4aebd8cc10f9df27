"""Somebody else's work: a network and a training loop that know nothing of this tool, and their files."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import nn

NET = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, num_classes, channels=1):
        super().__init__()
        self.conv = nn.Conv2d(channels, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.fc = nn.Linear(8 * 16, num_classes)

    def forward(self, x):
        x = torch.relu(self.norm(self.conv(x)))
        return self.fc(nn.functional.adaptive_avg_pool2d(x, 4).flatten(1))

class Held(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.model = Net(num_classes)

    def forward(self, x):
        return self.model(x)

def net(num_classes):
    return Net(num_classes)

def held(num_classes):
    return Held(num_classes)

def colour(num_classes):
    return Net(num_classes, 3)
"""


def make_net(channels: int = 1) -> nn.Module:
    """The network of `their_net.py`."""
    space: dict[str, object] = {}
    exec(NET, space)
    return space["Net"](4, channels)  # type: ignore[operator,no-any-return]


@cache
def trained(
    mean: float = 0.0, std: float = 1.0, channels: int = 1, steps: int = 60
) -> dict[str, torch.Tensor]:
    """Weights after a plain loop over `shades`, pixels in 0..1 less `mean` over `std`."""
    pictures, labels = shades()
    x = ((torch.from_numpy(pictures).float()[:, None] / 255) - mean) / std
    x, y = x.expand(-1, channels, -1, -1), torch.from_numpy(labels)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = make_net(channels).train()
        descent = torch.optim.Adam(model.parameters(), lr=0.01)
        for _ in range(steps):
            descent.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            descent.step()
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


@cache
def shades(count: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Noise in four shades: what a model sees in them depends on how they are prepared."""
    rng = np.random.default_rng(0)
    labels = np.arange(count) % 4
    pictures = rng.integers(0, 90, (count, 8, 8)) + 40 * labels[:, None, None]
    return pictures.astype(np.uint8), labels.astype(np.int64)


def place(folder: Path, **weights: object) -> tuple[str, ...]:
    """`their_net.py`, `shades.npz` and the given files in a folder; gives the options that name them."""
    (folder / "their_net.py").write_text(NET)
    pictures, labels = shades()
    np.savez(folder / "shades.npz", x_train=pictures[:150], y_train=labels[:150], x_test=pictures[150:], y_test=labels[150:])  # fmt: skip
    for name, content in weights.items():
        torch.save(content, folder / f"{name}.pth")
    return ("--dataset", f"npz:{folder / 'shades.npz'}", "--model", "their_net:net", "--val-share", "0")


__all__ = ["NET", "make_net", "place", "shades", "trained"]
