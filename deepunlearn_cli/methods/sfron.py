"""SFRon: saliency forgetting in the remain-preserving manifold, online."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

from deepunlearn_cli.core.fields import real, whole
from deepunlearn_cli.methods._method import Method, Sizes, batch, decay, inertia, passes, per_step, rate

if TYPE_CHECKING:
    from torch import Tensor, nn

    from deepunlearn_cli.engine.pictures import Batch, Pictures
    from deepunlearn_cli.engine.task import Task

LEAST = 1e-15  # added to both importances


@dataclass(frozen=True)
class SaliencyForgetting(Method):
    """Ascend on forget now and then, on the weights that matter to it most, and descend on retain after it.

    1. A mask of the weights w with F_forget >= threshold * F_retain, F = mean over batches of the squared
    gradient of the batch loss at the original, in eval mode. 2. Steps on retain; before every fifth, the
    first too, a step up the forget loss: `strength` times the mean of the losses weighted by 1 /
    loss^`exponent`, its gradient masked and clipped to `max_norm`. One optimiser for both, whose momentum and
    weight decay know no mask; the learning rate and the strength fall on a cosine per step. Authors' settings
    for CIFAR-10: SGD 0.01, momentum 0.9, weight decay 5e-4, strength 25, exponent 0.5, norm 7, threshold 1,
    batch 128.

    Their 1,500 steps are 4.3 passes over 45,000 retained pictures; 5 are 1,495 steps on the split of arXiv
    2410.01276. Left out: their average with earlier weights, whose weight of 1 makes it do nothing in all
    they released. A loss of exactly 0 counts as the least that float32 tells from it, since such a picture
    would take all the weight and has no gradient.
    """

    title = "SFRon"
    paper = "Huang et al. 2024, arXiv 2409.19732"
    needs = ("retain", "forget")
    epochs: int = passes(5)
    lr: float = rate(0.01)
    momentum: float = inertia(0.9)
    weight_decay: float = decay(5e-4)
    batch_size: int = batch(128)
    strength: float = real(25.0, 0.1, 100.0, log=True, help="weight of the ascent at the start")
    forget_every: int = whole(5, 1, 20, help="steps on retain for each on forget")
    threshold: float = real(1.0, 0.1, 10.0, log=True, help="how much more than to retain a weight matters")
    exponent: float = real(0.5, 0.0, 2.0, help="how much more small forget losses count", search=False)
    max_norm: float = real(7.0, 0.1, 100.0, log=True, help="length that ascents are clipped to", search=False)

    def unlearn(self, model: nn.Module, task: Task) -> nn.Module:
        """A mask, then descent with a masked ascent now and then."""
        import torch

        from deepunlearn_cli.engine.fit import annealed
        from deepunlearn_cli.engine.gradients import Damping
        from deepunlearn_cli.engine.optimizers import set_rate

        masked, weights = Damping(model, 0.0, self.masks(model, task)), list(model.parameters())

        def bend() -> None:
            masked.apply()
            torch.nn.utils.clip_grad_norm_(weights, self.max_norm)

        optimizer, forget = task.sgd(model, self), task.forget.endless(self.batch_size)
        steps, done = self.epochs * task.retain.count(self.batch_size), count()
        for _ in task.epochs(self.epochs, optimizer):
            for retain in task.retain.batches(self.batch_size):
                step = next(done)
                set_rate(optimizer.param_groups[0], annealed(step, steps, self.lr, 0.0))
                if step % self.forget_every == 0:
                    strength = annealed(step, steps, self.strength, 0.0)
                    task.step(optimizer, partial(self.ascent, model, task), next(forget), strength, bend=bend)
                task.step(optimizer, partial(task.loss, model), retain)
        return model

    def work(self, n: Sizes) -> float:
        """All pictures for the mask; then retain, and a forget batch beside every fifth of its batches."""
        steps = self.epochs * math.ceil(n.retain / self.batch_size)
        ascents = math.ceil(steps / self.forget_every)
        return n.training + self.epochs * n.retain + ascents * per_step(n.forget, self.batch_size)

    def masks(self, model: nn.Module, task: Task) -> dict[Tensor, Tensor]:
        """For each weight tensor 1 where a coordinate takes part in ascents, else 0."""
        forget, retain = (self._importance(model, part, task) for part in (task.forget, task.retain))
        chosen = [f + LEAST >= self.threshold * (r + LEAST) for f, r in zip(forget, retain, strict=True)]
        return {w: mask.to(w.dtype) for w, mask in zip(model.parameters(), chosen, strict=True)}

    def ascent(self, model: nn.Module, task: Task, forget: Batch, strength: float) -> Tensor:
        """What a step on a forget batch minimises."""
        import torch
        from torch.nn import functional as F

        losses = F.cross_entropy(task.forward(model, forget), forget.y, reduction="none")
        shares = losses.detach().clamp_min(torch.finfo(losses.dtype).eps).pow(-self.exponent)
        return -strength * (shares / shares.sum() * losses).sum()

    def _importance(self, model: nn.Module, part: Pictures, task: Task) -> list[Tensor]:
        """Mean over shuffled, augmented batches of the squared gradient of the batch loss."""
        import torch

        from deepunlearn_cli.engine.fit import as_in_use

        weights, batches = list(model.parameters()), part.count(self.batch_size)
        total = [torch.zeros_like(weight) for weight in weights]

        def add(shown: Batch) -> None:
            gradients = task.gradients(task.loss(model, shown), weights)
            torch._foreach_addcmul_(total, gradients, gradients, value=1 / batches)

        with as_in_use(model):
            for shown in part.batches(self.batch_size):
                task.launch(add, shown)
        return total
