"""What a model knows of noise that was added to pictures: by its gradients, and by its answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from deepunlearn_cli.engine.device import forward_size
from deepunlearn_cli.engine.fit import as_in_use
from deepunlearn_cli.engine.pictures import Pictures

Floats = NDArray[np.float64]
Noise = NDArray[np.float32]


@dataclass(frozen=True)
class Canaries:
    """The pictures that carry noise, and their noise.

    Attributes:
        index: their k indices into the dataset.
        clean: the pictures without it, in that order.
        noise: (k, H, W, C) standard normal, as it was drawn.
        planted: the pictures with such noise on them, as training saw them.
        fresh: other draws (k, H, W, C) of the same distribution, by a number.
    """

    index: NDArray[np.int64]
    clean: Pictures
    noise: Noise
    planted: Callable[[Noise], Pictures]
    fresh: Callable[[int], Noise]


def alignments(model: nn.Module, canaries: Canaries) -> Floats:
    """Inner product (k,) of each picture's noise with the direction in which the model grows surer of it.

    That is the input gradient of the log-odds of the true class at the clean picture, of length 1: minus the
    loss's gradient, which is this times the probability of the other classes and so vanishes where a model is
    sure. It cannot depend on noise that the model never saw: then every product is standard normal. NaN where
    the answer does not depend on the picture.
    """
    found, device = [], canaries.clean.pixels.device
    with as_in_use(model):
        for batch in canaries.clean.batches(forward_size(device), shuffle=False, augment=False):
            shown = batch.x.detach().requires_grad_(True)
            (gradient,) = torch.autograd.grad(_log_odds(model(shown).float(), batch.y).sum(), shown)
            flat = gradient.permute(0, 2, 3, 1).flatten(1).double()
            noise = torch.from_numpy(canaries.noise[batch.position.cpu().numpy()]).to(device)
            found.append((flat * noise.flatten(1)).sum(1) / flat.norm(dim=1))
    values: Floats = torch.cat(found).cpu().numpy()
    return values


def ranks(model: nn.Module, canaries: Canaries, draws: int) -> Floats:
    """For each picture (k,) the share of fresh draws of noise with which the model is less sure of it.

    A model that never saw the noise cannot tell it from fresh draws: the share is then uniform on
    0, 1 / draws, ..., 1. Ties count half.
    """
    own = _sureness(model, canaries.planted(canaries.noise))
    below = np.zeros(len(own))
    for number in range(draws):
        other = _sureness(model, canaries.planted(canaries.fresh(number)))
        below += (other < own) + 0.5 * (other == own)
    shares: Floats = below / draws
    return shares


def _sureness(model: nn.Module, part: Pictures) -> Floats:
    device = part.pixels.device
    with as_in_use(model), torch.inference_mode():
        batches = part.batches(forward_size(device), shuffle=False, augment=False)
        odds = torch.cat([_log_odds(model(batch.x).double(), batch.y) for batch in batches])
    values: Floats = odds.cpu().numpy()
    return values


def _log_odds(logits: Tensor, labels: Tensor) -> Tensor:
    """Log of p / (1 - p) for the true class (B,)."""
    own = logits.gather(1, labels[:, None])[:, 0]
    mine = torch.zeros_like(logits, dtype=torch.bool).scatter_(1, labels[:, None], value=True)
    return own - logits.masked_fill(mine, -torch.inf).logsumexp(1)
