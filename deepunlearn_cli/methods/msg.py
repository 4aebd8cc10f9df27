"""MSG: mask small gradients."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from deepunlearn_cli.core.fields import choice, real
from deepunlearn_cli.methods._method import Method, Sizes, batch, decay, inertia, passes, rate

if TYPE_CHECKING:
    from torch import Generator, Tensor, nn

    from deepunlearn_cli.engine.task import Task

DAMPING = 0.1  # of the updates of weights that were not re-initialised (the write-up)


@dataclass(frozen=True)
class MaskSmallGradients(Method):
    """Re-initialise the weights on which retaining and forgetting agree, and let the others move little.

    1. s = mean gradient of the retain loss (on a random subset as large as the forget set) minus that of the
    forget loss, in eval mode. 2. Of each convolution, the `init_rate` weights with the smallest |s| are drawn
    anew (He normal, fan-out). 3. Train on retain; the update of every other such weight, weight decay
    included, is multiplied by 0.1; learning rate up to the middle epoch and down again.

    Second-prize entry of the NeurIPS 2023 competition (Kookmin University), with the benchmark's settings.
    The write-up selects over all layers at once (`scope=global`), the benchmark within each (`layer`). Linear
    weights take part where convolutions hold less than half of the weights (ViTs).
    """

    title = "MSG"
    paper = "Kookmin University, NeurIPS 2023 competition, 2nd prize"
    needs = ("retain", "forget")
    touches = "kernels with small gradients, then all"
    epochs: int = passes(5)
    lr: float = rate(1e-3)
    momentum: float = inertia(0.9)
    weight_decay: float = decay(5e-4)
    batch_size: int = batch(64)
    init_rate: float = real(0.3, 0.01, 1.0, help="share of weights that are drawn anew")
    scope: str = choice("layer", ("layer", "global"), help="where the smallest are chosen", search=False)

    def unlearn(self, model: nn.Module, task: Task) -> nn.Module:
        """Selection, re-initialisation, damped training."""
        from deepunlearn_cli.engine.fit import triangle
        from deepunlearn_cli.engine.gradients import Damping
        from deepunlearn_cli.engine.layers import kernels, share

        weights = kernels(model)
        if not weights:
            raise task.refuse("msg finds no convolution or linear layer in this model")
        task.facts["touched_share"] = self.init_rate * share(model, weights)
        chosen = self.choose(self._disagreement(model, weights, task))
        _draw_anew(weights, chosen, task.stream("noise"))
        factors = {w: mask + DAMPING * ~mask for w, mask in zip(weights, chosen, strict=True)}
        damping = Damping(model, self.weight_decay, factors)
        optimizer = task.sgd(model, self, weight_decay=0.0)
        for _ in task.epochs(self.epochs, optimizer, triangle):
            for retain in task.retain.batches(self.batch_size):
                task.step(optimizer, partial(task.loss, model), retain, bend=damping.apply)
        return model

    def work(self, n: Sizes) -> float:
        """Two parts the size of the forget set for the selection, then the retain set."""
        return 2 * n.forget + self.epochs * n.retain

    def choose(self, scores: list[Tensor]) -> list[Tensor]:
        """Masks of the `init_rate` coordinates with the smallest scores, of each tensor or over all."""
        from deepunlearn_cli.engine.gradients import smallest

        if self.scope == "layer":
            return [smallest([score], round(self.init_rate * score.numel()))[0] for score in scores]
        return smallest(scores, round(self.init_rate * sum(score.numel() for score in scores)))

    def _disagreement(self, model: nn.Module, weights: list[Tensor], task: Task) -> list[Tensor]:
        """|mean retain gradient - mean forget gradient| of each weight."""
        from deepunlearn_cli.engine.gradients import mean_gradients

        subset = task.retain.sample(len(task.forget), task.stream("subset"))
        retain = mean_gradients(model, weights, subset, task, self.batch_size)
        forget = mean_gradients(model, weights, task.forget, task, self.batch_size)
        return [(r - f).abs() for r, f in zip(retain, forget, strict=True)]


def _draw_anew(weights: list[Tensor], chosen: list[Tensor], noise: Generator) -> None:
    """He normal, fan-out: standard deviation sqrt(2 / (outputs * kernel area)), as torchvision's ResNets."""
    import torch

    for weight, mask in zip(weights, chosen, strict=True):
        fan_out = weight.shape[0] * weight[0, 0].numel()
        fresh = torch.randn(weight.shape, generator=noise) * (2 / fan_out) ** 0.5
        with torch.no_grad():
            weight.copy_(torch.where(mask, fresh.to(weight.device), weight))
