"""What an attack looks at: one number per sample, larger for samples that look more like members."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from deepunlearn_cli.core.errors import RunFailed, UsageFailure
from deepunlearn_cli.core.shared import Part
from deepunlearn_cli.evaluation.features import (
    Floats,
    Labels,
    Logits,
    confidence,
    entropy,
    log_odds,
    loss,
    margin,
    modified_entropy,
)

Feature = Callable[[Logits, Labels], Floats]

FPRS = {"tpr_1": 0.01, "tpr_01": 0.001}  # false positive rates at which the true positive rate is reported


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
