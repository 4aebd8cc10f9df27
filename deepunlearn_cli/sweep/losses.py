"""What a sweep minimises: the paper's four losses, and the one number that sums them up.

Deep Unlearn (arXiv 2410.01276): |RA - RA_R|/3, |FA - FA_R|/3, |VA - VA_R|/3 and the discernibility |2a - 1|
of the U-MIA on forget against validation pictures. The released benchmark picks the trial whose four losses
have the smallest Euclidean norm.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from deepunlearn_cli.evaluation.metrics import indiscernibility

ACCURACIES = ("RA", "FA", "VA")
NAMES = (*(f"d{name}" for name in ACCURACIES), "discernibility")  # in this order everywhere

NORM = "norm"  # of the four

Losses = tuple[float, ...]


def losses(scores: Mapping[str, Any], reference: Mapping[str, Any]) -> Losses:
    """The four losses of a trial's scores against its retrained model's; each is at most 1, 0 is best."""
    gaps = (abs(scores[name] - reference[name]) / len(ACCURACIES) for name in ACCURACIES)
    return (*gaps, 1 - indiscernibility(scores["umia_val"]))


def mean(several: Iterable[Losses]) -> Losses:
    """Each loss averaged, over originals."""
    columns = list(zip(*several, strict=True))
    return tuple(math.fsum(column) / len(column) for column in columns)


def norm(of: Iterable[float]) -> float:
    """Euclidean norm."""
    return math.hypot(*of)


def pareto(points: Sequence[Losses]) -> list[int]:
    """Positions of the points that no other dominates; of equal points the first."""
    distinct = {one: i for i, one in reversed(list(enumerate(points)))}
    return sorted(i for one, i in distinct.items() if not any(_dominates(other, one) for other in distinct))


def _dominates(a: Losses, b: Losses) -> bool:
    return all(x <= y for x, y in zip(a, b, strict=True)) and a != b
