"""The divergence between the predictions of a teacher and a student, and their entropy."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def divergence(teacher: Tensor, student: Tensor, temperature: float = 1.0) -> Tensor:
    """KL(softmax(teacher / T) || softmax(student / T)): summed over classes, mean over the batch, no T^2.

    Both are logits (B, K).
    """
    log_teacher = F.log_softmax(teacher / temperature, dim=1)
    log_student = F.log_softmax(student / temperature, dim=1)
    return F.kl_div(log_student, log_teacher, reduction="batchmean", log_target=True)


def entropy(logits: Tensor) -> Tensor:
    """Entropy (B,) in nats of softmax(logits)."""
    spread = F.log_softmax(logits, dim=1)
    return -(spread.exp() * spread).sum(dim=1)
