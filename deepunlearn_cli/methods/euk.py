"""EU-k: exact unlearning of the last k blocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from deepunlearn_cli.core.fields import real, whole
from deepunlearn_cli.methods._method import Method, Sizes, batch, decay, inertia, passes, rate
from deepunlearn_cli.methods._tail import train_tail

if TYPE_CHECKING:
    from torch import nn

    from deepunlearn_cli.engine.task import Task


@dataclass(frozen=True)
class ExactUnlearningK(Method):
    """Draw the last k blocks and the classifier anew and train them on the retain set; the rest is frozen.

    CF-k with a fresh tail: weights, BatchNorm scales and running statistics are those of a new network (the
    released codes keep old statistics under new weights). Blocks, what is frozen and training as in CF-k,
    after Kurmanji et al. 2023 (`euk_unlearn` in `MIA_experiments.ipynb`), but 10 epochs: theirs are those of
    the original training.
    """

    title = "EU-k"
    paper = "Goel et al. 2022, arXiv 2201.06640; settings of Kurmanji et al. 2023, arXiv 2302.09880"
    aliases = ("eu-k",)
    touches = "the last k blocks, the classifier, anew"
    epochs: int = passes(10)
    blocks: int = whole(1, 1, 4, help="k: how many blocks are drawn anew, counted from the end")
    lr: float = rate(1e-2)
    decay_rate: float = real(1.0, 0.01, 1.0, help="factor of the learning rate after 50, 80 and 90 %")
    momentum: float = inertia(0.0)
    weight_decay: float = decay(0.0)
    batch_size: int = batch(64)

    def unlearn(self, model: nn.Module, task: Task) -> nn.Module:
        """A fresh tail, trained."""
        return train_tail(model, task, self, anew=True)

    def work(self, n: Sizes) -> float:
        """The retain set (backward through the tail alone, which is not credited)."""
        return self.epochs * n.retain
