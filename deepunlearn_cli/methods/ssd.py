"""SSD: selective synaptic dampening."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from deepunlearn_cli.core.fields import choice, real
from deepunlearn_cli.methods._method import Method, Sizes

if TYPE_CHECKING:
    from torch import Tensor, nn

    from deepunlearn_cli.engine.pictures import Batch, Pictures
    from deepunlearn_cli.engine.task import Task


@dataclass(frozen=True)
class SelectiveSynapticDampening(Method):
    """Shrink the weights that matter much more to the forget set than to all training data; no training.

    Importance I = mean over batches of the squared gradient of the batch loss, in eval mode, without
    augmentation. Where I_forget > alpha * I_all, the weight is multiplied by min(lambda I_all / I_forget, 1).
    Authors' settings: alpha 10, lambda 1, batches of 128 for both sets. Squares of batch means depend on the
    batch size, so all batches have 128 pictures, and those left over are left out: with 136 pictures to
    forget, a batch of 8 made a TinyViT lose a quarter of its weights, and all it knew. Deterministic.
    """

    title = "SSD"
    paper = "Foster et al. 2024, arXiv 2308.07707"
    needs = ("retain", "forget")
    touches = "what matters to forget alone"
    revision = 3
    alpha: float = real(10.0, 0.1, 100.0, log=True, help="how much more a weight must matter to be dampened")
    dampening: float = real(1.0, 0.1, 5.0, log=True, help="lambda: the strength of dampening")
    batch_size: int = choice(128, (64, 128, 256), help="pictures per gradient", search=False)

    def unlearn(self, model: nn.Module, task: Task) -> nn.Module:
        """Two importances and one multiplication."""
        from deepunlearn_cli.engine.frozen import size

        forget = self._importance(model, task.forget, task)
        every = self._importance(model, task.train, task)
        touched = sum(
            self.dampen(weight, of_forget, of_all)
            for weight, of_forget, of_all in zip(model.parameters(), forget, every, strict=True)
        )
        task.facts["touched_share"] = int(touched) / size(model)
        return model

    def work(self, n: Sizes) -> float:
        """The forget set and all of training, in whole batches."""
        return sum(self._whole(size) * min(size, self.batch_size) for size in (n.forget, n.training))

    def _whole(self, size: int) -> int:
        """Batches of the full size, or the one smaller that there is."""
        return max(1, size // self.batch_size)

    def dampen(self, weight: Tensor, of_forget: Tensor, of_all: Tensor) -> Tensor:
        """Shrink the selected coordinates in place; gives their number."""
        import torch

        selected = of_forget > self.alpha * of_all
        factor = (self.dampening * of_all / of_forget).clamp(max=1.0)
        with torch.no_grad():
            weight.copy_(torch.where(selected, weight * factor, weight))
        return selected.sum()

    def _importance(self, model: nn.Module, part: Pictures, task: Task) -> list[Tensor]:
        import torch

        from deepunlearn_cli.engine.gradients import look

        weights, batches = list(model.parameters()), self._whole(len(part))
        total = [torch.zeros_like(weight) for weight in weights]

        def add(batch: Batch) -> None:
            gradients = task.gradients(task.loss(model, batch), weights)
            torch._foreach_addcmul_(total, gradients, gradients, value=1 / batches)

        look(model, part.first(batches * self.batch_size), task, self.batch_size, add)
        return total
