"""`mnist`: handwritten digits."""

from __future__ import annotations

from typing import Any

from deepunlearn_cli.data._torchvision import GreyFamily

_RAW = "MNIST/raw"
_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


class Mnist(GreyFamily):
    """60,000 + 10,000 digits (LeCun et al. 1998), in the benchmark's form."""

    summary = "70,000 handwritten digits"
    pictures = (60_000, 10_000)
    source = "https://ossci-datasets.s3.amazonaws.com/mnist/"
    files = tuple(f"{_RAW}/{name}" for name in _FILES)
    archives = tuple(f"{_RAW}/{name}.gz" for name in _FILES)
    mean = (0.1307,) * 3
    std = (0.3081,) * 3

    def part(self, train: bool, download: bool = False) -> Any:
        """Torchvision's object."""
        from torchvision.datasets import MNIST

        return MNIST(self.raw, train=train, download=download)
