"""DELETE: decoupled distillation to erase."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deepunlearn_cli.core.fields import flag, whole
from deepunlearn_cli.methods._method import Method, Sizes, batch, decay, inertia, rate

if TYPE_CHECKING:
    from torch import Tensor, nn

    from deepunlearn_cli.engine.pictures import Batch
    from deepunlearn_cli.engine.task import Task

GONE = -1e10  # the teacher's logit of the true class


@dataclass(frozen=True)
class DecoupledDistillation(Method):
    """Learn from the original what it would say of forgotten pictures if their class were no answer.

    KL(original's softmax with the true class at -1e10 || model), mean over the batch, on the forget set
    alone; the original is frozen, in eval mode, and sees the same augmented pictures. Authors' settings: SGD
    1e-4, momentum 0.9, no weight decay, 20 epochs, batch 128; train mode, so that BatchNorm's statistics
    follow the forget set (with `frozen_norm` they stay, as the authors have it for one class of Tiny
    ImageNet).

    It is made for the removal of whole classes. Pictures of classes that stay also lose their true answer,
    which a retrained model gives most of them: of a random forget set that is far too much. The run says so
    where every class is among the forgotten.
    """

    title = "DELETE"
    paper = "Zhou et al. 2025, arXiv 2503.23751"
    needs = ("forget",)
    epochs: int = whole(20, 1, 100, help="passes over the forget set")
    lr: float = rate(1e-4)
    momentum: float = inertia(0.9)
    weight_decay: float = decay(0.0)
    batch_size: int = batch(128)
    frozen_norm: bool = flag(False, help="BatchNorm's running statistics are used and kept", search=False)

    def unlearn(self, model: nn.Module, task: Task) -> nn.Module:
        """Distillation from the original without the true class."""
        from deepunlearn_cli.engine.distill import divergence
        from deepunlearn_cli.engine.statistics import running

        self._warn_of_random_sets(task)
        lessons = task.lessons(task.teacher(model), task.forget)

        def loss(forget: Batch) -> Tensor:
            target = lessons(forget).scatter(1, forget.y[:, None], GONE)
            return divergence(target, task.forward(model, forget))

        optimizer = task.sgd(model, self)
        with running(model) if self.frozen_norm else nullcontext():
            for _ in task.epochs(self.epochs, optimizer):
                for forget in task.forget.batches(self.batch_size):
                    task.step(optimizer, loss, forget)
        return model

    def work(self, n: Sizes) -> float:
        """The forget set, with the original looking at the same pictures."""
        return self.epochs * n.forget * 4 / 3

    def _warn_of_random_sets(self, task: Task) -> None:
        if len(set(task.forget.labels.tolist())) == task.classes:
            task.warn(
                "delete removes whole classes, and here every class has pictures to forget: it takes the "
                "true answer from them, which a retrained model gives most of them"
            )
