"""`fashion-mnist`: articles of clothing."""

from __future__ import annotations

from typing import Any

from deepunlearn_cli.data._torchvision import GreyFamily

_RAW = "FashionMNIST/raw"
_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


class FashionMnist(GreyFamily):
    """60,000 + 10,000 articles (Xiao et al. 2017, arXiv 1708.07747), in the benchmark's form."""

    summary = "70,000 articles of clothing"
    pictures = (60_000, 10_000)
    source = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
    files = tuple(f"{_RAW}/{name}" for name in _FILES)
    archives = tuple(f"{_RAW}/{name}.gz" for name in _FILES)
    mean = (0.2860,) * 3
    std = (0.3530,) * 3

    def part(self, train: bool, download: bool = False) -> Any:
        """Torchvision's object."""
        from torchvision.datasets import FashionMNIST

        return FashionMNIST(self.raw, train=train, download=download)

    def names(self, part: Any) -> tuple[str, ...]:
        """The articles."""
        return tuple(part.classes)
