"""Retrain: the exact reference, and the way every original is trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from deepunlearn_cli.methods._method import Sizes
from deepunlearn_cli.methods._training import Training

if TYPE_CHECKING:
    from torch import nn

    from deepunlearn_cli.engine.task import Task


@dataclass(frozen=True)
class Retrain(Training):
    """Train from scratch on the retain set alone: the model that every other method is measured against.

    It starts from the original's initial weights (same seed) and, unless told otherwise, takes the original's
    own settings. With nothing to forget the retain set is the whole training set, and this is how originals
    are trained: SGD with cosine annealing, as in Deep Unlearn (arXiv 2410.01276; 182 epochs on CIFAR, 50
    elsewhere). `optimizer=adamw` is there for networks that SGD does not train well.

    A pass is cut into equal batches. The benchmark's released code cuts it into batches of 256 and a rest
    (`drop_last` is False): on CIFAR-10 the last step of each epoch, and the last update of the running
    statistics, come from 4 pictures of 42,500.

    `loss=sd` adds gamma times the standard deviation of each picture's logits (Thudi et al. 2022, arXiv
    2109.13398), which is meant to make later unlearning easier.
    """

    title = "Retrained"
    control = True
    paper = "the definition of exact unlearning"
    from_scratch = True
    inert: ClassVar = {"points": "tracked training alone measures anything on its way"}

    def unlearn(self, model: nn.Module, task: Task) -> nn.Module:
        """A fresh model, trained; the original's weights are not looked at."""
        del model
        fresh = task.fresh("init").train()
        goal, descent = self.objective(task.classes), self.descent(fresh, task)
        task.fit(fresh, task.retain, self, self.annealing, goal, descent)
        return fresh

    def work(self, n: Sizes) -> float:
        """The retain set."""
        return self.epochs * n.retain
