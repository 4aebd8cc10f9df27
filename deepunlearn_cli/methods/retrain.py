"""Retrain: the exact reference, and the way every original is trained."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deepunlearn_cli.errors import UsageFailure
from deepunlearn_cli.fields import choice, real, whole
from deepunlearn_cli.methods._method import Method, Sizes

if TYPE_CHECKING:
    from torch import nn

    from deepunlearn_cli.engine.fit import Schedule
    from deepunlearn_cli.engine.objective import Objective
    from deepunlearn_cli.engine.task import Task


@dataclass(frozen=True)
class Retrain(Method):
    """Train from scratch on the retain set alone: the model that every other method is measured against.

    It starts from the original's initial weights (same seed) and, unless told otherwise, takes the original's
    own settings. With nothing to forget the retain set is the whole training set, and this is how originals
    are trained: SGD with cosine annealing (benchmark-protocol section 3; 182 epochs on CIFAR, 50 elsewhere).

    `loss=sd` adds gamma times the standard deviation of each picture's logits (Thudi et al. 2022, arXiv
    2109.13398), which is meant to make later unlearning easier.
    """

    title = "Retrain"
    control = True
    paper = "the definition of exact unlearning"
    from_scratch = True
    epochs: int = whole(50, 1, 100_000, help="passes over the training set", search=False)
    lr: float = real(0.1, 1e-6, 10.0, log=True, help="learning rate", search=False)
    momentum: float = real(0.9, 0.0, 0.999, help="SGD momentum", search=False)
    weight_decay: float = real(5e-4, 0.0, 1.0, help="SGD weight decay", search=False)
    batch_size: int = whole(256, 1, 65_536, help="pictures per step", search=False)
    schedule: str = choice(
        "cosine", ("cosine", "constant"), help="of the learning rate: annealed to 0 by a cosine, or constant",
        search=False,
    )  # fmt: skip
    loss: str = choice("ce", ("ce", "sd"), help="cross-entropy, or that and the SD penalty", search=False)
    gamma: float = real(0.0, 0.0, 1e4, help="weight of the SD penalty (loss=sd)", search=False)
    gamma_form: str = choice(
        "paper",
        ("paper", "repo"),
        help="gamma as in the paper, or in units of the authors' code",
        search=False,
    )
    points: int = whole(
        10,
        0,
        10_000,
        help="times that tracked training measures the unlearning error; 0: never",
        search=False,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.loss == "ce" and self.gamma > 0:
            raise UsageFailure(f"gamma={self.gamma:g} does nothing with loss=ce", "add -p loss=sd")
        if self.loss == "sd" and self.gamma == 0:
            raise UsageFailure("loss=sd without a gamma is plain cross-entropy", "add -p gamma=0.5, say")

    def unlearn(self, model: nn.Module, task: Task) -> nn.Module:
        """A fresh model, trained; the original's weights are not looked at."""
        del model
        fresh = task.fresh("init").train()
        task.fit(fresh, task.retain, self, self.annealing, self.objective(task.classes))
        return fresh

    def work(self, n: Sizes) -> float:
        """The retain set."""
        return self.epochs * n.retain

    def objective(self, classes: int) -> Objective:
        """What is minimised, for so many classes."""
        from torch.nn import functional as F

        from deepunlearn_cli.engine.objective import paper_gamma, sd_loss

        if self.loss == "ce":
            return F.cross_entropy
        return sd_loss(self.gamma if self.gamma_form == "paper" else paper_gamma(self.gamma, classes))

    @property
    def annealing(self) -> Schedule:
        """Factor of the learning rate by epoch."""
        from deepunlearn_cli.engine.fit import constant, cosine

        return {"cosine": cosine, "constant": constant}[self.schedule]

    @property
    def rate(self) -> float:
        """The learning rates of all epochs, summed."""
        return math.fsum(self.lr * self.annealing(epoch, self.epochs) for epoch in range(self.epochs))

    @property
    def plain(self) -> bool:
        """Whether its steps are plain SGD: no momentum, no weight decay."""
        return self.momentum == 0 and self.weight_decay == 0
