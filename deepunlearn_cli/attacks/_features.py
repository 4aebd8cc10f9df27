"""What an attack looks at: one number per sample, larger for samples that look more like members."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepunlearn_cli.core.errors import RunFailed, UsageFailure
from deepunlearn_cli.core.shared import Part
from deepunlearn_cli.evaluation import metrics

Floats = NDArray[np.float64]
Logits = NDArray[np.floating[Any]]
Labels = NDArray[np.integer[Any]]
Feature = Callable[[Logits, Labels], Floats]

FPRS = {"tpr_1": 0.01, "tpr_01": 0.001}  # false positive rates at which the true positive rate is reported
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


FEATURES: Mapping[str, Feature] = {
    "loss": loss,
    "confidence": confidence,
    "entropy": entropy,
    "modified-entropy": modified_entropy,
    "margin": margin,
    "log-odds": log_odds,
}
LARGER_FOR_MEMBERS = {"confidence", "margin", "log-odds"}  # as named, before any change of sign


def feature_of(name: str, part: Part, where: str) -> Floats:
    """A feature (n,) of one split's `logits` (n, K) and `labels` (n,), or of saved `values` (n,) of it.

    Raises:
        RunFailed: some are not finite.
        UsageFailure: labels that the logits have no column for, or none, or another number of them.
    """
    if "values" in part:
        sign = 1 if name in LARGER_FOR_MEMBERS else -1
        values = sign * np.asarray(part["values"], np.float64)
    else:
        check(part["logits"], part["labels"], where)
        with np.errstate(invalid="ignore"):
            values = FEATURES[name](part["logits"], part["labels"])
    if bad := int((~np.isfinite(values)).sum()):
        noun = {"loss": "losses"}.get(name, f"values of {name}")
        hint = "the model has diverged; try a smaller learning rate (-p lr=...)"
        raise RunFailed(f"{bad} of {len(values)} {noun} on {where} are not finite", hint)
    return values


def check(logits: Logits, labels: Labels, where: str) -> None:
    """Refuse logits and labels that do not belong together.

    Raises:
        UsageFailure: saying what is wrong with which split.
    """
    if logits.ndim != 2 or labels.ndim != 1 or len(logits) != len(labels):
        shapes = f"logits {logits.shape} and labels {labels.shape}"
        raise UsageFailure(f"{where}: {shapes} are not (n, classes) and (n,)", "one row per picture")
    if len(labels) and not 0 <= labels.min() <= labels.max() < logits.shape[1]:
        raise UsageFailure(
            f"{where}: label {labels.max()} has no column in logits of {logits.shape[1]} classes",
            "labels count from 0",
        )


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
