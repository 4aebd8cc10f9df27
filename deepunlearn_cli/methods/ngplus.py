"""NG+: negative gradient, with the retain set as its counterweight."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from deepunlearn_cli.core.fields import real
from deepunlearn_cli.methods._method import Method, Sizes, batch, decay, inertia, passes, per_step, rate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor, nn

    from deepunlearn_cli.engine.pictures import Batch
    from deepunlearn_cli.engine.task import Task


@dataclass(frozen=True)
class NegativeGradientPlus(Method):
    """Descend on the retain loss while ascending on the forget loss.

    Settings of SCRUB's small-scale notebook: plain SGD 0.01 without momentum or weight decay, 10 epochs,
    alpha 0.95. Train mode and no anchor, as in its library code (the benchmark runs it in eval mode); the
    forget set is drawn afresh each time it starts over.
    """

    title = "NG+"
    paper = "Kurmanji et al. 2023, arXiv 2302.09880"
    aliases = ("ng+",)
    needs = ("retain", "forget")
    partly: ClassVar = {"forget": "one batch of it goes with each retain batch"}
    epochs: int = passes(10)
    lr: float = rate(1e-2)
    momentum: float = inertia(0.0)
    weight_decay: float = decay(0.0)
    batch_size: int = batch(256)
    alpha: float = real(0.95, 0.0, 1.0, help="weight of the retain loss against the forget loss")

    def unlearn(self, model: nn.Module, task: Task) -> nn.Module:
        """Steps down alpha CE(retain) - (1 - alpha) CE(forget)."""
        optimizer = task.sgd(model, self)
        for _ in task.epochs(self.epochs, optimizer):
            for retain, forget in task.pairs(self.batch_size):
                task.step(optimizer, partial(self._terms, model, task), retain, forget)
        return model

    def _terms(self, model: nn.Module, task: Task, retain: Batch, forget: Batch) -> Iterator[Tensor]:
        yield self.alpha * task.loss(model, retain)
        yield -(1 - self.alpha) * task.loss(model, forget)

    def work(self, n: Sizes) -> float:
        """The retain set, and a forget batch beside each of its batches."""
        steps = math.ceil(n.retain / self.batch_size)
        return self.epochs * (n.retain + steps * per_step(n.forget, self.batch_size))
