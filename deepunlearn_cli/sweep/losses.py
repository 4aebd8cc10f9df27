"""The losses of trials, over originals and against one another."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from deepunlearn_cli.evaluation.losses import ACCURACIES, NAMES, Losses, losses, norm

NORM, COST = "norm", "work"  # the four in one number; the optional objective beside them

__all__ = ["ACCURACIES", "COST", "NAMES", "NORM", "Losses", "losses", "mean", "norm", "pareto"]


def mean(several: Iterable[Losses]) -> Losses:
    """Each loss averaged, over originals."""
    columns = list(zip(*several, strict=True))
    return tuple(math.fsum(column) / len(column) for column in columns)


def pareto(points: Sequence[Losses]) -> list[int]:
    """Positions of the points that no other dominates; of equal points the first."""
    distinct = {one: i for i, one in reversed(list(enumerate(points)))}
    return sorted(i for one, i in distinct.items() if not any(_dominates(other, one) for other in distinct))


def _dominates(a: Losses, b: Losses) -> bool:
    return all(x <= y for x, y in zip(a, b, strict=True)) and a != b
