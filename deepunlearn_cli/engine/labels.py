"""Labels that are not the true ones."""

from __future__ import annotations

import torch
from torch import Generator, Tensor


def wrong_labels(labels: Tensor, classes: int, generator: Generator) -> Tensor:
    """For each label (n,) another one, uniform over the `classes - 1` others."""
    offset = torch.randint(1, classes, labels.shape, generator=generator)
    return (labels + offset.to(labels.device)) % classes
