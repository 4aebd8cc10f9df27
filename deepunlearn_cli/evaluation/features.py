"""What a model says of a picture in one number, larger for pictures that look more like members."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepunlearn_cli.evaluation import metrics

Floats = NDArray[np.float64]
Logits = NDArray[np.floating[Any]]
Labels = NDArray[np.integer[Any]]

TINY = np.finfo(np.float64).tiny  # keeps log(0) finite


def loss(logits: Logits, labels: Labels) -> Floats:
    """Minus the cross-entropy in nats (the paper's attack)."""
    return -metrics.cross_entropy(logits, labels)


def confidence(logits: Logits, labels: Labels) -> Floats:
    """Probability of the true class."""
    value: Floats = np.exp(loss(logits, labels))
    return value


def entropy(logits: Logits, labels: Labels) -> Floats:
    """Minus the entropy of the prediction in nats; the true class plays no part."""
    del labels
    p = _probabilities(logits)
    value: Floats = (p * np.log(np.maximum(p, TINY))).sum(axis=1)
    return value


def modified_entropy(logits: Logits, labels: Labels) -> Floats:
    """Minus Song and Mittal's (USENIX Security 2021) entropy, which knows the true class."""
    p = _probabilities(logits)
    rows = np.arange(len(labels))
    own = p[rows, labels]
    rest = p * np.log(np.maximum(1 - p, TINY))
    value: Floats = (1 - own) * np.log(np.maximum(own, TINY)) + rest.sum(axis=1) - rest[rows, labels]
    return value


def margin(logits: Logits, labels: Labels) -> Floats:
    """Logit of the true class less the largest other logit."""
    own, others = _apart(logits, labels)
    value: Floats = (own - others.max(axis=1)).astype(np.float64)
    return value


def log_odds(logits: Logits, labels: Labels) -> Floats:
    """LiRA's logit-scaled confidence log(p / (1 - p)) of the true class (Carlini et al. 2022)."""
    own, others = _apart(logits, labels)
    top = others.max(axis=1)
    others -= top[:, None]
    value: Floats = (own - top - np.log(np.exp(others, out=others).sum(axis=1))).astype(np.float64)
    return value


def correctness(logits: Logits, labels: Labels) -> Floats:
    """1 where the prediction is right, 0 where it is not (the released benchmark's statistic)."""
    right: Floats = (logits.argmax(axis=1) == labels).astype(np.float64)
    return right


def _probabilities(logits: Logits) -> Floats:
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    raised: Floats = np.exp(shifted)
    shares: Floats = raised / raised.sum(axis=1, keepdims=True)
    return shares


def _apart(logits: Logits, labels: Labels) -> tuple[NDArray[Any], NDArray[Any]]:
    """Logit of the true class (n,), and the others with the true one at minus infinity (n, K)."""
    rows = np.arange(len(labels))
    others = logits.astype(np.promote_types(logits.dtype, np.float32))
    own = others[rows, labels].copy()
    others[rows, labels] = -np.inf
    return own, others
