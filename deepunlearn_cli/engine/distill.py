"""Divergences between what a teacher and a student say."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def divergence(teacher: Tensor, student: Tensor, temperature: float = 1.0) -> Tensor:
    """KL(softmax(teacher / T) || softmax(student / T)): summed over classes, mean over the batch, no T^2.

    Both are logits (B, K).
    """
    known = F.log_softmax(teacher / temperature, dim=1)
    said = F.log_softmax(student / temperature, dim=1)
    return F.kl_div(said, known, reduction="batchmean", log_target=True)


def entropy(logits: Tensor) -> Tensor:
    """Entropy (B,) in nats of softmax(logits)."""
    spread = F.log_softmax(logits, dim=1)
    return -(spread.exp() * spread).sum(dim=1)
