"""AMUN: adversarial machine unlearning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from deepunlearn_cli.core.fields import real, whole
from deepunlearn_cli.methods._method import Method, Sizes, batch, decay, inertia, passes, rate

if TYPE_CHECKING:
    from torch import Tensor, nn

    from deepunlearn_cli.engine.adversarial import Adversarial
    from deepunlearn_cli.engine.task import Task

FALL = 0.1  # of the learning rate
BALLS = 3  # that pictures take: 3.2 were measured on CIFAR-10 pictures, 5.4 on digits


@dataclass(frozen=True)
class AdversarialUnlearning(Method):
    """Train on all pictures and on near twins of the forgotten ones, as the wrong classes they pass for.

    1. For each forgotten picture an adversarial example of the original: L2-PGD, 50 steps of a tenth of the
    ball's radius, which starts at 0.04 (pixels from 0 to 1) and doubles until the answer is wrong. 2. Train
    on retain, forget and these examples with their wrong answers, shuffled together, the examples
    unaugmented: the model stops being sure where it only remembered. Authors' settings: SGD 0.01, momentum
    0.9, weight decay 5e-4, batch 128, 10 epochs, the rate a tenth after each (they tried 1, 5 and 10 epochs
    between falls).

    Unlike the authors' code, which would never end, a picture that nothing turns gets the likeliest wrong
    class and the run says so; and gradients have length 1 however small they are. What
    the attack costs depends on the pictures: `work` is that of three balls.
    """

    title = "AMUN"
    paper = "Ebrahimpour-Boroojeny et al. 2025, arXiv 2503.00917"
    needs = ("retain", "forget")
    estimated = True
    epochs: int = passes(10, "the retain and forget sets and the examples")
    lr: float = rate(0.01)
    momentum: float = inertia(0.9)
    weight_decay: float = decay(5e-4)
    batch_size: int = batch(128)
    decay_every: int = whole(1, 1, 10, help="epochs after which the learning rate falls to a tenth")
    radius: float = real(
        0.04, 1e-3, 1.0, log=True, help="L2 radius of the first ball, pixels 0..1", search=False
    )
    steps: int = whole(50, 1, 1000, help="attack steps in each ball", search=False)

    def unlearn(self, model: nn.Module, task: Task) -> nn.Module:
        """An attack on the original, then plain training."""
        from deepunlearn_cli.engine.made import Enlarged

        found = self.attack(model, task)
        kept = task.forget.pixels.images.device
        rows = found.rows.to(kept)

        def make(numbers: Tensor) -> Tensor:
            return rows.index_select(0, numbers)

        task.fit(model, Enlarged(task.train, make, found.labels), self, self.schedule)
        return model

    def attack(self, model: nn.Module, task: Task) -> Adversarial:
        """An example for each forgotten picture."""
        from deepunlearn_cli.engine.adversarial import examples

        found = examples(model, task.forget, task, radius=self.radius, steps=self.steps, size=self.batch_size)
        missed = len(task.forget) - int(found.fooled.sum())
        if missed:
            task.warn(
                f"amun found no adversarial example for {missed} of {len(task.forget)} pictures to forget, "
                "as if the answer did not depend on them: they served as their likeliest wrong class"
            )
        return found

    def schedule(self, epoch: int, epochs: int) -> float:
        """Factor of the learning rate in an epoch."""
        del epochs
        return float(FALL ** (epoch // self.decay_every))

    def work(self, n: Sizes) -> float:
        """The attack, whose steps make no gradient of a weight and so cost two thirds; then all pictures."""
        return BALLS * n.forget * (2 * self.steps + 1) / 3 + self.epochs * (n.training + n.forget)
