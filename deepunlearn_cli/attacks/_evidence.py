"""What a verdict on one model goes by: every sample of both sides, in classes alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepunlearn_cli.attacks import _samples
from deepunlearn_cli.attacks._features import FPRS
from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.core.shared import Outputs, Part
from deepunlearn_cli.evaluation import class_mix, intervals
from deepunlearn_cli.evaluation import sides as figures
from deepunlearn_cli.evaluation.equivalence import Gap
from deepunlearn_cli.evaluation.power import forget_needed
from deepunlearn_cli.evaluation.sides import Sides

# the order of the loss and of the confidence, where neither saturates
UNSATURATED = {"loss": "log-odds", "confidence": "log-odds"}


@dataclass(frozen=True)
class Evidence:
    """Scores of all samples of both sides, none cut away.

    Attributes:
        sides: the scores, unseen ones weighted to the forget set's class mix where the mixes differ.
        index: of the samples of either side.
        matched: whether they are weighted.
        left_out: forgotten samples of classes that no unseen one has.
    """

    sides: Sides
    index: tuple[NDArray[np.integer[Any]], NDArray[np.integer[Any]]]
    matched: bool
    left_out: int

    @property
    def samples(self) -> float:
        """On the smaller side; weighted ones count as many equal ones as vary as much."""
        return min(self.sides.sizes)

    def about(self) -> dict[str, Any]:
        """Its sizes, and the figures of the whole order, as plain data."""
        sizes = {"n_forget": len(self.sides.forget), "n_unseen": len(self.sides.unseen)}
        matching = {"class_matched": self.matched, "left_out": self.left_out}
        return sizes | matching | _ranked(self.sides)


def collected(outputs: Outputs, against: str, feature: str) -> Evidence:
    """From what a model said of its forget set and of samples that it never saw.

    Raises:
        UsageFailure: the outputs have no such split.
        RunFailed: scores are not finite.
    """
    forget, unseen = scored(outputs, against, feature)
    mix = class_mix.match(forget["label"], unseen["label"])
    sides = Sides.of(forget["score"][mix.kept], unseen["score"], mix.weights)
    index = forget["index"][mix.kept], unseen["index"]
    return Evidence(sides, index, mix.matched, int((~mix.kept).sum()))


def scored(outputs: Outputs, against: str, feature: str) -> tuple[Part, Part]:
    """`index`, `label` and `score` of every sample of the forget set and of those it is held against.

    Raises:
        UsageFailure: the outputs have no such split.
        RunFailed: scores are not finite.
    """
    given = any("values" in part for part in outputs.values())  # of that feature, and no logits for another
    chosen = feature if given else UNSATURATED.get(feature, feature)
    forget, unseen = _samples.sides(outputs, against, chosen).values()
    return forget, unseen


def gaps(metrics: Sequence[str], ours: Evidence, control: Evidence | None) -> list[Gap]:
    """Figures of a model less its control's on the same samples, or less guessing.

    Raises:
        UsageFailure: they are not of the same samples.
    """
    if control and not all(map(np.array_equal, ours.index, control.index)):
        raise UsageFailure("the attack and its control saw other samples", "give scores of the same pictures")
    return figures.gaps(ours.sides, control.sides if control else None, metrics)


def needed(metrics: Sequence[str], ours: Evidence, control: Evidence | None, tolerance: float) -> int | None:
    """Forgotten samples for a PASS with 80 % probability where the model equals its control."""
    return forget_needed(ours.sides, control.sides if control else None, tolerance, metrics)


def _ranked(sides: Sides) -> dict[str, float | None]:
    """`auc` (Newcombe), and the tails from above, with the ends of their intervals; None: too few samples."""
    n, m = (int(size) for size in sides.sizes)
    area = figures.area(sides)
    ends = intervals.auc_interval(area, n, m)
    scores: dict[str, float | None] = {"auc": area, "auc_low": ends[0], "auc_high": ends[1]}
    for name, rate in FPRS.items():
        value, low, high = figures.tail_interval(sides, rate) or (None, None, None)
        scores |= {name: value, f"{name}_low": low, f"{name}_high": high}
    return scores
