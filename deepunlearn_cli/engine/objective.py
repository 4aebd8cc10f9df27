"""Training objectives: cross-entropy, and Unrolling SGD's standard-deviation penalty on the logits.

Source: Thudi et al. 2022, Unrolling SGD (arXiv 2109.13398), section on the SD loss, and the authors' code.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

Objective = Callable[[Tensor, Tensor], Tensor]  # logits (B, K), labels (B,) -> mean loss of the batch


def weighted(weight: Tensor) -> Objective:
    """Cross-entropy with a weight for each class (K,)."""
    return lambda logits, labels: F.cross_entropy(logits, labels, weight=weight)


def spread(logits: Tensor) -> Tensor:
    """Mean over a batch of the deviation of a picture's logits (B, K): sqrt(sum_c (z_c - mean z)^2 / K).

    The gradient is 0, and not NaN, where all logits of a picture are equal.
    """
    variance = logits.var(dim=1, correction=0)
    varied = variance > 0
    return (torch.where(varied, variance, 1.0).sqrt() * varied).mean()


def sd_loss(gamma: float) -> Objective:
    """Cross-entropy + `gamma` times `spread`; `gamma` in the paper's form."""
    return lambda logits, labels: F.cross_entropy(logits, labels) + gamma * spread(logits)


def paper_gamma(gamma: float, classes: int) -> float:
    """A `gamma` of the authors' code in the paper's form, for K = `classes` (2 or more).

    The code takes the unbiased deviation and divides by K once more: gamma sqrt(K / (K - 1)) / K.
    """
    return gamma * math.sqrt(classes / (classes - 1)) / classes
