"""CF-k: catastrophic forgetting in the last k blocks."""

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
class CatastrophicForgettingK(Method):
    """Fine-tune the last k blocks and the classifier on the retain set; all before them is frozen.

    Training is that of Kurmanji et al. 2023 (`cfk_unlearn` in `MIA_experiments.ipynb` of SCRUB's code): SGD
    0.01, constant for 10 epochs, without momentum or weight decay, batches of 64, train mode, no pull towards
    the starting weights (their small-scale notebook and the benchmark train in eval mode, with one). So are
    blocks: a stage of a ResNet or TinyViT, a block of a ViT; k above their number means all of them. Two
    things are not that notebook's: the classifier is the first of what is trained, as Goel et al. 2022 define
    the method, and what is frozen keeps its BatchNorm statistics too, which both released codes let drift.
    """

    title = "CF-k"
    paper = "Goel et al. 2022, arXiv 2201.06640; settings of Kurmanji et al. 2023, arXiv 2302.09880"
    aliases = ("cf-k",)
    touches = "the last k blocks, the classifier"
    epochs: int = passes(10)
    blocks: int = whole(1, 1, 4, help="k: how many blocks are trained, counted from the end")
    lr: float = rate(1e-2)
    decay_rate: float = real(1.0, 0.01, 1.0, help="factor of the learning rate after 50, 80 and 90 %")
    momentum: float = inertia(0.0)
    weight_decay: float = decay(0.0)
    batch_size: int = batch(64)

    def unlearn(self, model: nn.Module, task: Task) -> nn.Module:
        """Plain training of the tail."""
        return train_tail(model, task, self, anew=False)

    def work(self, n: Sizes) -> float:
        """The retain set (backward through the tail alone, which is not credited)."""
        return self.epochs * n.retain
