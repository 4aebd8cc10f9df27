"""MSG: mask small gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from deepunlearn_cli.fields import choice, real
from deepunlearn_cli.methods._method import Method, batch, decay, inertia, passes, rate

if TYPE_CHECKING:
    from torch import Generator, Tensor, nn

    from deepunlearn_cli.engine.pictures import Pictures
    from deepunlearn_cli.engine.task import Task

DAMPING = 0.1  # of the updates of weights that were not re-initialised (the write-up)
CONVOLUTIONAL = 0.5  # share of a model's weights that convolutions must hold to be the only ones reset


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
    paper = "Kookmin University, NeurIPS 2023 Machine Unlearning competition, 2nd prize"
    needs = ("retain", "forget")
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

        weights = _candidates(model)
        if not weights:
            raise task.refuse("msg finds no convolution or linear layer in this model")
        chosen = smallest(self._disagreement(model, weights, task), self.init_rate, self.scope)
        _draw_anew(weights, chosen, task.stream("noise"))
        damping = [mask + DAMPING * ~mask for mask in chosen]
        # decay goes into the gradient here, so that damping scales it too
        optimizer = task.sgd(model, self, weight_decay=0.0)
        for _ in task.epochs(self.epochs, optimizer, triangle):
            for retain in task.retain.batches(self.batch_size):
                task.backward(optimizer, task.loss(model, retain))
                self._decay_and_damp(model, weights, damping)
                optimizer.step()
        return model

    def _disagreement(self, model: nn.Module, weights: list[Tensor], task: Task) -> list[Tensor]:
        """|mean retain gradient - mean forget gradient| of each weight."""
        subset = task.retain.sample(len(task.forget), task.stream("subset"))
        retain = _mean_gradients(model, weights, subset, task, self.batch_size)
        forget = _mean_gradients(model, weights, task.forget, task, self.batch_size)
        return [(r - f).abs() for r, f in zip(retain, forget, strict=True)]

    def _decay_and_damp(self, model: nn.Module, weights: list[Tensor], damping: list[Tensor]) -> None:
        for weight in model.parameters():
            if weight.grad is not None:
                weight.grad.add_(weight.detach(), alpha=self.weight_decay)
        for candidate, factor in zip(weights, damping, strict=True):
            assert candidate.grad is not None
            candidate.grad.mul_(factor)


def smallest(scores: list[Tensor], share: float, scope: str) -> list[Tensor]:
    """Masks of exactly round(share * n) coordinates with the smallest scores, per tensor or over all."""
    import torch

    if scope == "layer":
        return [smallest([score], share, "global")[0] for score in scores]
    flat = torch.cat([score.flatten() for score in scores])
    mask = torch.zeros_like(flat, dtype=torch.bool)
    mask[flat.argsort(stable=True)[: round(share * flat.numel())]] = True
    parts = torch.split(mask, [score.numel() for score in scores])
    return [part.view_as(score) for part, score in zip(parts, scores, strict=True)]


def _candidates(model: nn.Module) -> list[Tensor]:
    from torch import nn

    convolutions: list[Tensor] = [m.weight for m in model.modules() if isinstance(m, nn.Conv2d)]
    linear: list[Tensor] = [m.weight for m in model.modules() if isinstance(m, nn.Linear)]
    total = sum(p.numel() for p in model.parameters())
    enough = sum(w.numel() for w in convolutions) >= CONVOLUTIONAL * total
    return convolutions if enough else convolutions + linear


def _mean_gradients(
    model: nn.Module, weights: list[Tensor], part: Pictures, task: Task, size: int
) -> list[Tensor]:
    """Gradient of the mean loss over a whole part, in eval mode, without augmentation."""
    import torch

    from deepunlearn_cli.engine.fit import as_in_use

    total = [torch.zeros_like(weight) for weight in weights]
    with as_in_use(model):
        for batch_ in part.batches(size, shuffle=False, augment=False):
            loss = task.loss(model, batch_) * (len(batch_.y) / len(part))
            for sum_, gradient in zip(total, task.gradients(loss, weights), strict=True):
                sum_.add_(gradient)
    return total


def _draw_anew(weights: list[Tensor], chosen: list[Tensor], noise: Generator) -> None:
    """He normal, fan-out: standard deviation sqrt(2 / (outputs * kernel area)), as torchvision's ResNets."""
    import torch

    for weight, mask in zip(weights, chosen, strict=True):
        fan_out = weight.shape[0] * weight[0, 0].numel()
        fresh = torch.randn(weight.shape, generator=noise) * (2 / fan_out) ** 0.5
        with torch.no_grad():
            weight.copy_(torch.where(mask, fresh.to(weight.device), weight))
