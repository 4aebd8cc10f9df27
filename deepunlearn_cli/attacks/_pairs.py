"""How two results of an attack differ on the same samples, and one from guessing."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from deepunlearn_cli.attacks._features import Floats
from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.core.shared import Outputs
from deepunlearn_cli.evaluation import intervals

# Held-out predictions share their classifiers: where there is little to see, the accuracy of identical sides
# varies up to 1.34 times (differences of two models up to 1.44 times) as much as independent samples would,
# measured for 50 to 1,000 a side. So a pair of samples counts as one.
PAIRED = 2


def difference(metric: str, ours: Outputs, theirs: Outputs) -> intervals.Estimate:
    """`accuracy` or `auc` of one result less that of another, with its standard error.

    The samples of both are paired, so that what is hard about a sample itself cancels. `theirs` must hold
    the samples of `ours`, which equal seeds, forget sets and datasets give.

    Raises:
        UsageFailure: they are not of the same samples.
    """
    for part in ("forget", "against"):
        if not np.array_equal(ours[part]["index"], theirs[part]["index"]):
            hint = "attack both with one --draw-seed"
            raise UsageFailure("the attack and its control saw other samples", hint)
    if metric == "auc":
        return intervals.auc_difference(_scores(ours), _scores(theirs))
    assert metric == "accuracy", f"no difference of {metric} is known"
    return _shared(intervals.mean(_right(ours) - _right(theirs)))


def advantage(metric: str, ours: Outputs) -> intervals.Estimate:
    """`accuracy` or `auc` less 0.5, with its standard error."""
    if metric == "auc":
        forget, other = _scores(ours)
        constant = np.zeros(len(forget)), np.zeros(len(other))
        return intervals.auc_difference((forget, other), constant)
    assert metric == "accuracy", f"no advantage of {metric} is known"
    own = _shared(intervals.mean(_right(ours)))
    return intervals.Estimate(own.value - 0.5, own.error, own.df)


def _scores(parts: Outputs) -> tuple[Floats, Floats]:
    return parts["forget"]["score"], parts["against"]["score"]


def _shared(independent: intervals.Estimate) -> intervals.Estimate:
    """The estimate with the error of predictions that share their classifiers."""
    return replace(independent, error=math.sqrt(PAIRED) * independent.error)


def _right(parts: Outputs) -> Floats:
    """Share of guesses that were right, of every sample that was guessed."""
    shares = np.concatenate([parts["forget"]["guess"], 1 - parts["against"]["guess"]])
    known: Floats = shares[np.isfinite(shares)]
    return known
