"""How models are trained from scratch: the hyperparameters of originals and of their retrained models."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.core.fields import choice, real, whole
from deepunlearn_cli.core.recipe import TRAINING
from deepunlearn_cli.methods._method import Method

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer

    from deepunlearn_cli.engine.fit import Schedule
    from deepunlearn_cli.engine.objective import Objective
    from deepunlearn_cli.engine.task import Task


@dataclass(frozen=True)
class Training(Method):
    """From new weights by SGD or AdamW, on cross-entropy or with the penalty of arXiv 2109.13398."""

    revision = TRAINING
    epochs: int = whole(50, 1, 100_000, help="passes over the training set", search=False)
    lr: float = real(0.1, 1e-6, 10.0, log=True, help="learning rate", search=False)
    momentum: float = real(0.9, 0.0, 0.999, help="SGD momentum", search=False)
    weight_decay: float = real(5e-4, 0.0, 1.0, help="weight decay", search=False)
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

    optimizer: str = choice(
        "sgd",
        ("sgd", "adamw"),
        help="adamw decouples the weight decay, and wants a smaller lr (1e-3, say)",
        search=False,
        added=True,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.loss == "ce" and self.gamma > 0:
            raise UsageFailure(f"gamma={self.gamma:g} does nothing with loss=ce", "add -p loss=sd")
        if self.loss == "sd" and self.gamma == 0:
            raise UsageFailure("loss=sd without a gamma is plain cross-entropy", "add -p gamma=0.5, say")

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

    def descent(self, model: nn.Module, task: Task) -> Optimizer:
        """What takes its steps over the weights of a model."""
        if self.optimizer == "adamw":
            return task.adam(model, lr=self.lr, weight_decay=self.weight_decay, decoupled=True)
        return task.sgd(model, self)

    @property
    def inexact(self) -> dict[str, str]:
        """Why a step of `descent` is more than lr times a gradient, each with the option that mends it.

        Nothing of the kind is plain SGD, for which Unrolling SGD is exact.
        """
        cures = {
            f"optimizer={self.optimizer}": "-p optimizer=sgd" if self.optimizer != "sgd" else "",
            f"momentum={self.momentum:g}": "-p momentum=0" if self.momentum else "",
            f"weight_decay={self.weight_decay:g}": "-p weight_decay=0" if self.weight_decay else "",
        }
        return {why: cure for why, cure in cures.items() if cure}
