"""The canary's figures: sums whose distribution is known where the noise was never seen."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from deepunlearn_cli.attacks._attack import Findings
from deepunlearn_cli.attacks._probe import Tested
from deepunlearn_cli.core.errors import RunFailed
from deepunlearn_cli.core.shared import Part
from deepunlearn_cli.evaluation.intervals import Estimate
from deepunlearn_cli.evaluation.matched import two_sided

Floats = NDArray[np.float64]

P_VALUES = {"alignment": "p_value", "auc": "p_auc"}


def figures(part: Part, draws: int) -> Findings:
    """Scores from inner products `z` (k,) and ranks `rank` (k,) among so many draws.

    Raises:
        RunFailed: no picture has a gradient.
    """
    known = np.isfinite(part["z"])
    if not known.any():
        why = "the model's answers do not depend on the pictures, or are not finite"
        raise RunFailed(f"no canary has an input gradient: {why}", "deepunlearn show RUN tells how it went")
    z, ranks = part["z"][known], part["rank"]
    aligned, area = mean(_normal(z)), mean(ranks)
    scores = {
        **_ends("auc", area),
        **_ends("alignment", aligned),
        "z": float(z.mean()),
        "p_value": two_sided(float(z.sum()), len(z)),
        "p_auc": two_sided(float((ranks - 0.5).sum()), len(ranks) * (draws + 2) / (12 * draws)),
        "n": len(z),
        "left_out": int((~known).sum()),
    }
    return Findings(scores, {"canary": part})


def tested(metric: str, ours: Findings) -> Tested:
    """A figure less guessing, with its p-value."""
    part = ours.parts["canary"]
    values = part["rank"] if metric == "auc" else _normal(part["z"][np.isfinite(part["z"])])
    found = mean(values)
    gap = Estimate(found.value - 0.5, found.error, found.df)
    return Tested(metric, gap, float(ours.scores[P_VALUES[metric]]))


def mean(shares: Floats) -> Estimate:
    """Of shares (k,), 0..1; one squared difference of 1 is added, so that no error is 0."""
    k = len(shares)
    spread = float(shares.var(ddof=1)) / k if k > 1 else 0.25
    return Estimate(float(shares.mean()), math.sqrt(spread + 1 / k**2), max(1, k - 1))


def _ends(name: str, found: Estimate) -> dict[str, float]:
    low, high = found.interval()
    return {name: found.value, f"{name}_low": max(0.0, low), f"{name}_high": min(1.0, high)}


def _normal(z: Floats) -> Floats:
    from scipy.special import ndtr

    shares: Floats = ndtr(z)
    return shares
