"""IU: influence unlearning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from deepunlearn_cli.core.fields import real, whole
from deepunlearn_cli.methods._method import Method, Sizes

if TYPE_CHECKING:
    from torch import Tensor, nn

    from deepunlearn_cli.engine.pictures import Pictures
    from deepunlearn_cli.engine.task import Task


@dataclass(frozen=True)
class InfluenceUnlearning(Method):
    """One Newton-like step that undoes the influence of the forget set, without training.

    v = (|Df| / |D|) (mean forget gradient - mean retain gradient), eval mode, no augmentation;
    theta += alpha (I + (1 / N) sum_i g_i g_i^T)^-1 v over N = 1000 retained samples with gradients g_i, the
    empirical Fisher matrix of WoodFisher. alpha = 1 is the influence function's own step.

    The inverse is exact: v - G^T (N I + G G^T)^-1 G v with the gradients as rows of G. The released recursion
    never updates its helper vector and ends at v plus a multiple of the first gradient alone. The samples are
    a random draw, not the first in the file. The authors' default alpha of 0.2 is an argument shared with
    other methods; they search 1 to 20.
    """

    title = "IU"
    paper = "Koh and Liang 2017, arXiv 1703.04730; WoodFisher form of Jia et al. 2023, arXiv 2304.04934"
    needs = ("retain", "forget")
    touches = "all weights, in one step"
    inert: ClassVar = {"batch_size": "it sets how fast gradients are made, and not what they are"}
    alpha: float = real(1.0, 0.1, 20.0, log=True, help="length of the step")
    samples: int = whole(1000, 1, 10_000, help="retained samples in the Fisher matrix", search=False)
    batch_size: int = whole(256, 1, 4096, help="pictures per gradient (of no effect but speed)", search=False)

    def unlearn(self, model: nn.Module, task: Task) -> nn.Module:
        """v, its product with the inverse, one step."""
        import torch

        weights: list[Tensor] = list(model.parameters())
        direction = self._direction(model, weights, task)
        chosen = task.retain.sample(self.samples, task.stream("subset"))
        correction = self._correction(model, chosen, direction, task)
        with torch.no_grad():
            for weight, v, c in zip(weights, direction, correction, strict=True):
                weight.add_(v - c, alpha=self.alpha)
        return model

    def work(self, n: Sizes) -> float:
        """Forget and retain sets, and the samples twice."""
        return n.training + 2 * min(self.samples, n.retain)

    def _direction(self, model: nn.Module, weights: list[Tensor], task: Task) -> list[Tensor]:
        from deepunlearn_cli.engine.gradients import mean_gradients

        forget = mean_gradients(model, weights, task.forget, task, self.batch_size)
        retain = mean_gradients(model, weights, task.retain, task, self.batch_size)
        share = len(task.forget) / (len(task.forget) + len(task.retain))
        return [f.sub_(r).mul_(share) for f, r in zip(forget, retain, strict=True)]

    def _correction(
        self, model: nn.Module, chosen: Pictures, direction: list[Tensor], task: Task
    ) -> list[Tensor]:
        """G^T (N I + G G^T)^-1 G v, one tensor per weight."""
        import torch

        from deepunlearn_cli.engine.gradients import weighted_gradients
        from deepunlearn_cli.engine.per_sample import inner_products

        along: dict[Tensor, Tensor] = dict(zip(model.parameters(), direction, strict=True))
        products, slopes = inner_products(model, chosen, along, task)
        system = products + len(chosen) * torch.eye(len(chosen), device=products.device).double()
        shares = torch.linalg.solve(system, slopes).float()
        return weighted_gradients(model, list(along), chosen, shares, task, self.batch_size)
