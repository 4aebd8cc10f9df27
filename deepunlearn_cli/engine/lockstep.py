"""Unlearning error, and training an original and its retrained model in lockstep.

Source: Thudi et al. 2022, Unrolling SGD (arXiv 2109.13398), and the authors' code.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Protocol

from torch import nn
from torch.optim import Optimizer

from deepunlearn_cli.engine import statistics
from deepunlearn_cli.engine.fit import Schedule, Steps
from deepunlearn_cli.engine.hessian import Sharpness
from deepunlearn_cli.engine.objective import Objective
from deepunlearn_cli.engine.optimizers import set_rate
from deepunlearn_cli.engine.task import Reading, Task
from deepunlearn_cli.engine.track import Track, Updates
from deepunlearn_cli.engine.weights import copied, distance, moved

SIGMAS = {"": 1.0, "_sqrt": 0.5}  # power of |eigenvalue|: the paper's, the authors' code's
POWERS = {"": 2, "_power1": 1}  # of the learning rate: the paper's, and what a first-order bound gives
AVERAGES = {"": "all", "_now": "last"}  # eigenvalues: of all readings so far (the paper's), or the last


def unlearning_errors(rate: float, way: float, eigenvalues: Sequence[float], steps: int) -> dict[str, float]:
    """E = rate^p |w_t - w0| sigma (t - 1) / 2 in all its variants; `e` is the paper's.

    Args:
        rate: the learning rate (its mean over the steps so far).
        way: |w_t - w0|.
        eigenvalues: top eigenvalues of the Hessian, in the order of their readings.
        steps: t.
    """
    errors = {}
    for (sigma, form), (power, p), average in product(SIGMAS.items(), POWERS.items(), AVERAGES):
        read = [abs(value) ** form for value in (eigenvalues if not average else eigenvalues[-1:])]
        mean = math.fsum(read) / len(read)
        errors[f"e{sigma}{power}{average}"] = rate**p * way * mean * (steps - 1) / 2
    return errors


class Gauge:
    """Reads distance from the start, sharpness and unlearning error off a model in training."""

    def __init__(self, model: nn.Module, task: Task, objective: Objective) -> None:
        self.start = copied(model)
        self.sharpness = Sharpness(task.train, objective, task.stream("hessian"))
        self.eigenvalues: list[float] = []

    def read(self, model: nn.Module, steps: int, rate: float) -> Reading:
        """`way`, `eigenvalue`, `sigma` (the mean of absolute values so far), `products`, and every `e`."""
        self.eigenvalues.append(self.sharpness.eigenvalue(model))
        way = distance(copied(model), self.start)
        sigma = math.fsum(map(abs, self.eigenvalues)) / len(self.eigenvalues)
        read = {"way": way, "eigenvalue": self.eigenvalues[-1], "sigma": sigma}
        errors = unlearning_errors(rate, way, self.eigenvalues, steps)
        return {"step": steps, **read, "products": self.sharpness.products, **errors}


class Training(Steps, Protocol):
    """What both models are trained by."""

    @property
    def annealing(self) -> Schedule:
        """Factor of the learning rate by epoch."""

    def descent(self, model: nn.Module, task: Task) -> Optimizer:
        """What takes the steps over the weights of a model."""


class Lockstep:
    """M, trained with the forget set, and M', without it: the same start, the same retain batches.

    Args:
        start: w0, to be copied.
        task: `retain` and `forget` in a fixed order.
        objective: what both minimise.

    Raises:
        UsageFailure: the batches are too small for BatchNorm layers that are new.
    """

    def __init__(self, start: nn.Module, task: Task, training: Training, objective: Objective) -> None:
        self.task, self.training, self.objective = task, training, objective
        self.original, self.retrained = (copy.deepcopy(start).train() for _ in range(2))
        statistics.check(self.original, task.retain, training.batch_size)
        self.updates, self.gauge = Updates(self.original), Gauge(start, task, objective)
        own = copy.deepcopy(start).train()
        self.gradient = Track(own, 0.0, training.batch_size, objective).gradient(task)
        self.steps, self.rates, self.forget_rates = 0, 0.0, 0.0

    def run(self, points: int) -> Iterator[Reading]:
        """Train; readings at about so many evenly spaced steps, the last one included.

        None falls between two forget batches of an epoch, so that a reading is of whole passes over them.
        """
        size = self.training.batch_size
        forget, retain = (part.count(size) for part in (self.task.forget, self.task.retain))
        total = self.training.epochs * (forget + retain)
        marks = sorted({math.ceil(total * k / points) for k in range(1, points + 1)})
        for epoch in self._trained():
            if marks and self.steps >= marks[0]:
                marks = [mark for mark in marks if mark > self.steps]
                yield {"epoch": epoch + 1, **self._read()}

    def _trained(self) -> Iterator[int]:
        """Train; stops after every step on retain and every pass over forget, with the epoch's number."""
        task, size = self.task, self.training.batch_size
        models = (self.original, self.retrained)
        optimizers = [self.training.descent(model, task) for model in models]
        losses = [task.towards(self.objective, model) for model in models]
        for epoch in task.epochs(self.training.epochs, optimizers[0], self.training.annealing):
            lr = float(optimizers[0].param_groups[0]["lr"])
            set_rate(optimizers[1].param_groups[0], lr)
            with self.updates.watched():
                task.descend(optimizers[0], self.original, task.forget, size, self.objective)
            self.forget_rates += lr
            self._count(task.forget.count(size), lr)
            yield epoch
            for batch in task.retain.batches(size):
                for loss, optimizer in zip(losses, optimizers, strict=True):
                    task.step(optimizer, loss, batch)
                self._count(1, lr)
                yield epoch

    def _count(self, steps: int, lr: float) -> None:
        self.steps += steps
        self.rates += steps * lr

    def _read(self) -> Reading:
        """Distances from M' of M (`v_original`) and of M unlearned by both methods, and the gauge's."""
        target = copied(self.retrained)
        return {
            **self.gauge.read(self.original, self.steps, self.rates / self.steps),
            "v": distance(moved(self.original, self.gradient, self.forget_rates), target),
            "v_amnesiac": distance(moved(self.original, self.updates.total, -1.0), target),
            "v_original": distance(copied(self.original), target),
        }
