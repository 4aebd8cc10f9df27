"""`cifar10`: small natural pictures of 10 classes."""

from __future__ import annotations

from typing import Any

from deepunlearn_cli.data._torchvision import CifarFamily

_FILES = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch", "batches.meta")


class Cifar10(CifarFamily):
    """50,000 + 10,000 pictures (Krizhevsky 2009), normalised as in the benchmark."""

    summary = "60,000 natural pictures, 10 classes"
    pictures = (50_000, 10_000)
    source = "https://www.cs.toronto.edu/~kriz/"
    files = tuple(f"cifar-10-batches-py/{name}" for name in _FILES)
    archives = ("cifar-10-python.tar.gz",)
    mean = (0.4914, 0.4822, 0.4465)
    std = (0.2023, 0.1994, 0.2010)

    def part(self, train: bool, download: bool = False) -> Any:
        """Torchvision's object."""
        from torchvision.datasets import CIFAR10

        return CIFAR10(self.raw, train=train, download=download)
