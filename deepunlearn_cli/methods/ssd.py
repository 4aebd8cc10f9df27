"""SSD: selective synaptic dampening (authors' code: if-loops/selective-synaptic-dampening)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from deepunlearn_cli.core.errors import RunFailed
from deepunlearn_cli.core.fields import choice, real
from deepunlearn_cli.methods._method import Method, Sizes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, nn

    from deepunlearn_cli.engine.pictures import Batch, Pictures
    from deepunlearn_cli.engine.task import Task

MIXED = 0  # seed of the one order in which every run mixes the retain set: the method stays deterministic


@dataclass(frozen=True)
class SelectiveSynapticDampening(Method):
    """Shrink the weights that matter much more to the forget set than to all training data; no training.

    Importance I = mean over batches of the squared gradient of the batch loss, in eval mode, without
    augmentation. Where I_forget > alpha * I_all, the weight is multiplied by min(lambda I_all / I_forget, 1).
    Authors' settings: alpha 10 (5 for whole classes on a ViT), lambda 1, batches of 128 (of 64 for whole
    classes).

    Squares of batch means depend on the size and the class mix of batches. They are those of the authors'
    loaders (`forget_random_main.py`, `forget_full_class_main.py`): first what is retained, mixed, or class by
    class where whole classes go; then what is forgotten; in whole batches, and a last one of what is left.
    Only a forget set of more than a batch is cut equally: theirs ends in a batch of what is left, and of 136
    pictures those 8 cost a TinyViT all it knew, and two of five small ResNets a third and three quarters of
    their test accuracy. Deterministic.
    """

    title = "SSD"
    paper = "Foster et al. 2024, arXiv 2308.07707"
    needs = ("retain", "forget")
    touches = "what matters to forget alone"
    revision = 4  # 3: what was left over of the last batch, forgotten pictures all, had no part in I_all
    alpha: float = real(10.0, 0.1, 100.0, log=True, help="how much more a weight must matter to be dampened")
    dampening: float = real(1.0, 0.1, 5.0, log=True, help="lambda: the strength of dampening")
    batch_size: int = choice(128, (64, 128, 256), help="pictures per gradient", search=False)

    def unlearn(self, model: nn.Module, task: Task) -> nn.Module:
        """Two importances and one multiplication.

        Raises:
            RunFailed: nothing matters to forget so much more.
        """
        from deepunlearn_cli.engine.frozen import size

        forget = self._importance(model, [task.forget], task)
        every = self._importance(model, self._every(task), task)
        touched = sum(
            self.dampen(weight, of_forget, of_all)
            for weight, of_forget, of_all in zip(model.parameters(), forget, every, strict=True)
        )
        task.facts["touched_share"] = int(touched) / size(model)
        if not touched:
            raise RunFailed(f"no weight matters {self.alpha:g} times more to forget", "lower -p alpha=...")
        return model

    def work(self, n: Sizes) -> float:
        """The forget set and all of training."""
        return n.forget + n.training

    def dampen(self, weight: Tensor, of_forget: Tensor, of_all: Tensor) -> Tensor:
        """Shrink the selected coordinates in place; gives their number."""
        import torch

        selected = of_forget > self.alpha * of_all
        factor = (self.dampening * of_all / of_forget).clamp(max=1.0)
        with torch.no_grad():
            weight.copy_(torch.where(selected, weight * factor, weight))
        return selected.sum()

    def _every(self, task: Task) -> list[Pictures]:
        """What the authors' loader of all training data gives: whole batches, then what is left."""
        import torch

        kept, gone = task.retain, task.forget
        order = torch.randperm(len(kept), generator=torch.Generator().manual_seed(MIXED))
        if not torch.isin(kept.labels, gone.labels).any():
            order = kept.labels.argsort(stable=True)
        every = kept.pick(order) + gone
        whole = len(every) // self.batch_size * self.batch_size
        return [every.first(whole), every.pick(torch.arange(whole, len(every)))]

    def _importance(self, model: nn.Module, parts: Sequence[Pictures], task: Task) -> list[Tensor]:
        """Mean over the batches of all parts of their squared gradients, by weight."""
        import torch

        from deepunlearn_cli.engine.gradients import look

        weights, batches = list(model.parameters()), sum(part.count(self.batch_size) for part in parts)
        total = [torch.zeros_like(weight) for weight in weights]

        def add(batch: Batch) -> None:
            gradients = task.gradients(task.loss(model, batch), weights)
            torch._foreach_addcmul_(total, gradients, gradients, value=1 / batches)

        for part in parts:
            look(model, part, task, self.batch_size, add)
        return total
