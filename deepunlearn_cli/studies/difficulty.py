"""How hard a request is: how well the original knows the pictures, and how they sit among the retained."""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING

from deepunlearn_cli.evaluation import intervals, metrics

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from deepunlearn_cli.core.shared import Outputs
    from deepunlearn_cli.data import ForgetSet

NEIGHBOURS = 10
ALIKE = (0.4, 0.15, 0.25)  # a size of 2.5 times, memory, company
MOST_ASKED, MOST_AROUND = 500, 5000  # pictures looked at, and among which: drawn where there are more


@dataclass(frozen=True)
class Difficulty:
    """A request in figures.

    Attributes:
        share: log10 of the part of the training pictures that is to be forgotten.
        known: probability that the original has a lower loss on one of them than on one that it never saw
            (validation): 0.5 is no memory of them.
        mixed: share of the pictures to be kept, among the ten whose logits are nearest to one of them, that
            are of another class: 1 for a class that goes whole.
    """

    share: float
    known: float
    mixed: float

    def features(self) -> tuple[float, ...]:
        """The figures in order, each in units in which 1 is as far as two requests may be alike."""
        return tuple(value / unit for value, unit in zip(astuple(self), ALIKE, strict=True))

    def like(self, other: Difficulty) -> bool:
        """Whether no figure of two requests lies further apart than that."""
        pairs = zip(self.features(), other.features(), strict=True)
        return all(abs(ours - theirs) <= 1 for ours, theirs in pairs)


def difficulty(outputs: Outputs, forget: ForgetSet) -> Difficulty:
    """Of a forget set, by what an original said of its pictures."""
    import numpy as np

    logits, labels, index = (
        np.concatenate([outputs[part][name] for part in ("retain", "forget") if part in outputs])
        for name in ("logits", "labels", "index")
    )
    asked = np.isin(index, forget.indices)
    losses = metrics.cross_entropy(logits, labels)
    unseen = metrics.cross_entropy(outputs["val"]["logits"], outputs["val"]["labels"])
    known = intervals.auc(-losses[asked], -unseen) if len(unseen) else 0.5
    share = math.log10(max(1, int(asked.sum())) / len(asked))
    return Difficulty(share, known, _mixed(logits, labels, asked))


def _mixed(logits: NDArray[np.floating], labels: NDArray[np.integer], asked: NDArray[np.bool_]) -> float:
    import numpy as np

    draw = np.random.default_rng(0)
    few = draw.permutation(np.flatnonzero(asked))[:MOST_ASKED]
    around = draw.permutation(np.flatnonzero(~asked))[:MOST_AROUND]
    ours, theirs = logits[few].astype(np.float64), logits[around].astype(np.float64)
    far = (ours**2).sum(1)[:, None] - 2 * ours @ theirs.T + (theirs**2).sum(1)[None]
    count = min(NEIGHBOURS, len(around))
    nearest = np.argpartition(far, count - 1, axis=1)[:, :count]
    return float((labels[around][nearest] != labels[few][:, None]).mean())
