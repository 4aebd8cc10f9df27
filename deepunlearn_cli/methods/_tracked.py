"""Tracked training: an original that unrolling methods can start from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deepunlearn_cli.methods._method import Sizes
from deepunlearn_cli.methods._training import Training

if TYPE_CHECKING:
    from torch import nn

    from deepunlearn_cli.engine.task import Task


@dataclass(frozen=True)
class Tracked(Training):
    """Training on forget batches first, then on retain batches, in the same order in every epoch.

    Kept are the sum of all updates that steps on forget batches applied (`task.updates`) and, at `points`
    ends of epochs, the unlearning error; its cost is not the training's.
    """

    title = "Tracked original"
    paper = "Thudi et al. 2022, arXiv 2109.13398"
    needs = ("retain", "forget")
    from_scratch = True

    def unlearn(self, model: nn.Module, task: Task) -> nn.Module:
        """A fresh model, trained on forget and retain."""
        from deepunlearn_cli.engine import statistics
        from deepunlearn_cli.engine.track import Updates

        del model
        fresh, goal = task.fresh("init").train(), self.objective(task.classes)
        statistics.check(fresh, task.retain, self.batch_size)
        updates, optimizer, read = Updates(fresh), self.descent(fresh, task), self._gauge(fresh, task)
        for epoch in task.epochs(self.epochs, optimizer, self.annealing):
            with updates.watched():
                task.descend(optimizer, fresh, task.forget, self.batch_size, goal)
            task.descend(optimizer, fresh, task.retain, self.batch_size, goal)
            read(epoch)
        task.updates = updates.named()
        task.facts["approximate"] = bool(self.inexact) or task.forget.moving
        return fresh

    def work(self, n: Sizes) -> float:
        """Retain and forget sets."""
        return self.epochs * n.training

    def _gauge(self, model: nn.Module, task: Task) -> Callable[[int], None]:
        """Reads the unlearning error into the log after the epochs that are due."""
        from deepunlearn_cli.engine.lockstep import Gauge

        due = {round(self.epochs * k / self.points) for k in range(1, self.points + 1)} - {0}
        gauge = Gauge(model, task, self.objective(task.classes))
        steps = task.forget.count(self.batch_size) + task.retain.count(self.batch_size)
        task.facts["track"] = {"rate": self.rate, "steps": steps * self.epochs}

        def read(epoch: int) -> None:
            if epoch + 1 in due:
                mean = sum(self.lr * self.annealing(e, self.epochs) for e in range(epoch + 1)) / (epoch + 1)
                with task.cost.aside(task.device):
                    reading = gauge.read(model, steps * (epoch + 1), mean)
                task.log.append({"epoch": epoch + 1, **reading})
                task.facts["unlearning_error"] = reading

        return read
