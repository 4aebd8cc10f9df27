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

    A block is a stage of a ResNet or TinyViT, or a block of a ViT; k above their number means all of them.
    What is frozen keeps its BatchNorm statistics too. Settings of SCRUB's variant (Kurmanji et al. 2023): SGD
    0.01, 10 epochs; the rate falls after 50, 80 and 90 % of them. Train mode and no pull towards the starting
    weights, as in Goel et al. 2022 (the benchmark trains in eval mode, with such a pull). Goel et al. count
    single layers from the end; blocks are the benchmark's and SCRUB's unit.
    """

    title = "CF-k"
    paper = "Goel et al. 2022, arXiv 2201.06640; settings of Kurmanji et al. 2023, arXiv 2302.09880"
    aliases = ("cf-k",)
    touches = "the last k blocks, the classifier"
    epochs: int = passes(10)
    blocks: int = whole(1, 1, 4, help="k: how many blocks are trained, counted from the end")
    lr: float = rate(1e-2)
    decay_rate: float = real(0.1, 0.01, 1.0, help="factor of the learning rate after 50, 80 and 90 %")
    momentum: float = inertia(0.9)
    weight_decay: float = decay(5e-4)
    batch_size: int = batch(256)

    def unlearn(self, model: nn.Module, task: Task) -> nn.Module:
        """Plain training of the tail."""
        return train_tail(model, task, self, anew=False)

    def work(self, n: Sizes) -> float:
        """The retain set (backward through the tail alone, which is not credited)."""
        return self.epochs * n.retain
