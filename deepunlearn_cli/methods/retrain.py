"""Retrain: the exact reference, and the way every original is trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from deepunlearn_cli.fields import real, whole
from deepunlearn_cli.methods._method import Method, Sizes

if TYPE_CHECKING:
    from torch import nn

    from deepunlearn_cli.engine.task import Task


@dataclass(frozen=True)
class Retrain(Method):
    """Train from scratch on the retain set alone: the model that every other method is measured against.

    It starts from the original's initial weights (same seed) and, unless told otherwise, takes the original's
    own settings. With nothing to forget the retain set is the whole training set, and this is how originals
    are trained: SGD with cosine annealing (benchmark-protocol section 3; 182 epochs on CIFAR, 50 elsewhere).
    """

    title = "Retrain"
    control = True
    paper = "the definition of exact unlearning"
    from_scratch = True
    epochs: int = whole(50, 1, 100_000, help="passes over the training set", search=False)
    lr: float = real(0.1, 1e-6, 10.0, log=True, help="learning rate, annealed to 0 by a cosine", search=False)
    momentum: float = real(0.9, 0.0, 0.999, help="SGD momentum", search=False)
    weight_decay: float = real(5e-4, 0.0, 1.0, help="SGD weight decay", search=False)
    batch_size: int = whole(256, 1, 65_536, help="pictures per step", search=False)

    def unlearn(self, model: nn.Module, task: Task) -> nn.Module:
        """A fresh model, trained; the original's weights are not looked at."""
        from deepunlearn_cli.engine.fit import cosine

        del model
        fresh = task.fresh("init").train()
        task.fit(fresh, task.retain, self, cosine)
        return fresh

    def work(self, n: Sizes) -> float:
        """The retain set."""
        return self.epochs * n.retain
