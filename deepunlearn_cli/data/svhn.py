"""`svhn`: house numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from deepunlearn_cli.data._dataset import Indices, Pixels
from deepunlearn_cli.data._torchvision import TorchvisionFamily


class Svhn(TorchvisionFamily):
    """73,257 + 26,032 cropped digits (Netzer et al. 2011); not in the benchmark's tables."""

    summary = "99,289 digits from house numbers"
    pictures = (73_257, 26_032)
    source = "http://ufldl.stanford.edu/housenumbers/"
    files = ("train_32x32.mat", "test_32x32.mat")
    mean = (0.4377, 0.4438, 0.4728)
    std = (0.1980, 0.2010, 0.1970)
    flip = False  # a mirrored digit is another, or none
    pad = 4

    def part(self, train: bool, download: bool = False) -> Any:
        """Torchvision's object."""
        from torchvision.datasets import SVHN

        return SVHN(self.raw, split="train" if train else "test", download=download)

    def arrays(self, part: Any) -> tuple[Pixels, Indices]:
        """Pictures (N, 32, 32, 3) and labels (N,)."""
        return np.transpose(part.data, (0, 2, 3, 1)), part.labels.astype(np.int64)
