"""FT: fine-tune on the retain set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from deepunlearn_cli.methods._method import Method, Sizes, batch, decay, inertia, passes, rate

if TYPE_CHECKING:
    from torch import nn

    from deepunlearn_cli.engine.task import Task


@dataclass(frozen=True)
class FineTune(Method):
    """Train on with the retain set alone and count on forgetting by neglect.

    Settings of Unlearn-Sparse (Jia et al. 2023): SGD 0.01, momentum 0.9, weight decay 5e-4, 10 epochs; the
    cosine schedule is the benchmark's. The plain baseline that other methods are a difference from.
    """

    title = "FT"
    paper = "Jia et al. 2023, arXiv 2304.04934"
    epochs: int = passes(10)
    lr: float = rate(1e-2)
    momentum: float = inertia(0.9)
    weight_decay: float = decay(5e-4)
    batch_size: int = batch(256)

    def unlearn(self, model: nn.Module, task: Task) -> nn.Module:
        """Cross-entropy on retain batches."""
        from deepunlearn_cli.engine.fit import cosine

        task.fit(model, task.retain, self, cosine)
        return model

    def work(self, n: Sizes) -> float:
        """The retain set."""
        return self.epochs * n.retain
