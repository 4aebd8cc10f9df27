"""`cifar100`: small natural pictures of 100 classes."""

from __future__ import annotations

from typing import Any

from deepunlearn_cli.data._torchvision import CifarFamily


class Cifar100(CifarFamily):
    """50,000 + 10,000 pictures (Krizhevsky 2009), fine labels, normalised as in the benchmark."""

    summary = "60,000 natural pictures, 100 classes"
    pictures = (50_000, 10_000)
    source = "https://www.cs.toronto.edu/~kriz/"
    classes = 100
    files = tuple(f"cifar-100-python/{name}" for name in ("train", "test", "meta"))
    archives = ("cifar-100-python.tar.gz",)
    mean = (0.5071, 0.4865, 0.4409)
    std = (0.2673, 0.2564, 0.2762)

    def part(self, train: bool, download: bool = False) -> Any:
        """Torchvision's object."""
        from torchvision.datasets import CIFAR100

        return CIFAR100(self.raw, train=train, download=download)
