"""How hard pictures are for a model: its own confidence on copies of them that it has not quite seen."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.functional import cross_entropy

from deepunlearn_cli.engine.device import forward_size
from deepunlearn_cli.engine.pictures import Pictures

COPIES = 8  # augmented copies of each picture


def hardness(model: nn.Module, part: Pictures, precision: str = "fp32") -> NDArray[np.float64]:
    """Mean cross-entropy (n,), in nats, of each picture over augmented copies: the higher, the harder.

    On the very pictures of its training a model is sure of all; on copies it is sure of those whose kind it
    has learnt (Carlini et al. 2022, arXiv 2112.03570, query augmented copies for the same reason). Where a
    dataset has no augmentation, the pictures themselves are asked about. The model is left in eval mode.
    """
    model.eval()
    device, total = part.pixels.device, torch.zeros(len(part), dtype=torch.float64)
    copies = COPIES if part.moving else 1
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
        for _ in range(copies):
            losses = [
                cross_entropy(model(batch.x).float(), batch.y, reduction="none").double()
                for batch in part.batches(forward_size(device), shuffle=False)
            ]
            total += torch.cat(losses).cpu()
    values: NDArray[np.float64] = (total / copies).numpy()
    return values
