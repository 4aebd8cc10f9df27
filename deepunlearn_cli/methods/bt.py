"""BT: a competent and an incompetent teacher."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from deepunlearn_cli.core.fields import real
from deepunlearn_cli.methods._method import Method, Sizes, batch, decay, heat, passes, rate

if TYPE_CHECKING:
    from torch import Tensor, nn

    from deepunlearn_cli.engine.pictures import Batch
    from deepunlearn_cli.engine.task import Task


@dataclass(frozen=True)
class BadTeacher(Method):
    """Learn the forget set from a network that knows nothing, and retained pictures from the original.

    KL(teacher || model) at temperature T, divided by the batch and by the number of classes, without T^2, as
    in the authors' code; all forget pictures with a random 30 % of the retained ones, shuffled together; Adam
    1e-4, 1 epoch, batch 256; train mode. The incompetent teacher is a fresh network of the model's own
    architecture (the benchmark takes a ResNet18 for every student).
    """

    title = "BT"
    paper = "Chundawat et al. 2023, arXiv 2205.08096"
    needs = ("retain", "forget")
    partly: ClassVar = {"retain": "a random share of it is taught (retain_share)"}
    epochs: int = passes(1, "the forget set and a share of the retain set")
    lr: float = rate(1e-4)
    weight_decay: float = decay(0.0)
    batch_size: int = batch(256)
    retain_share: float = real(0.3, 0.01, 1.0, help="share of the retain set that is taught", search=False)
    temperature: float = heat(1.0)

    def unlearn(self, model: nn.Module, task: Task) -> nn.Module:
        """Distillation from two teachers."""
        import torch

        from deepunlearn_cli.engine.distill import divergence

        kept = task.retain.sample(round(self.retain_share * len(task.retain)), task.stream("subset"))
        both = kept + task.forget  # positions from len(kept) on are to be forgotten
        competent = task.lessons(task.teacher(model), both)
        incompetent = task.lessons(task.teacher(task.fresh("incompetent")), both)

        def loss(shown: Batch) -> Tensor:
            forgotten = (shown.position >= len(kept))[:, None]
            target = torch.where(forgotten, incompetent(shown), competent(shown))
            return divergence(target, task.forward(model, shown), self.temperature) / task.classes

        optimizer = task.adam(model, lr=self.lr, weight_decay=self.weight_decay)
        for _ in task.epochs(self.epochs, optimizer):
            for shown in both.batches(self.batch_size):
                task.step(optimizer, loss, shown)
        return model

    def work(self, n: Sizes) -> float:
        """The forget set and a share of retain, with both teachers looking at the same pictures."""
        return self.epochs * (self.retain_share * n.retain + n.forget) * 5 / 3
