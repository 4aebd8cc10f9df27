"""RNI: reset the head, noise in random layers, fine-tune."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from deepunlearn_cli.core.fields import real, whole
from deepunlearn_cli.methods._method import Method, Sizes, batch, decay, inertia, passes, rate

if TYPE_CHECKING:
    from torch import nn

    from deepunlearn_cli.engine.task import Task


@dataclass(frozen=True)
class RandomNoiseInjection(Method):
    """Reset the classifier and train all; then, epoch by epoch, noise into random layers; then train all.

    In a noisy epoch `layers` random weight tensors and all normalisation layers are trainable, and 0.7 of the
    former get noise N(0, 0.04^2). Of 9 epochs the first trains everything, 4 are noisy, 4 train everything
    again. SGD 2e-4, batch 64, momentum starts anew in every epoch.

    Seventh-prize entry of the NeurIPS 2023 competition (sunkroos), with the benchmark's settings. As the
    write-up says, the whole network trains in the first epoch, and a tensor may be chosen again; the
    benchmark does neither. One rate serves the last phase (its last authors' epoch was at 1e-3).
    """

    title = "RNI"
    paper = "sunkroos, NeurIPS 2023 competition, 7th prize"
    touches = "classifier, random layers, then all"
    epochs: int = passes(9)
    fine_share: float = real(0.45, 0.0, 1.0, help="share of the epochs that fine-tune at the end")
    lr: float = rate(2e-4)
    fine_lr: float = rate(2e-4, "of the fine-tuning")
    momentum: float = inertia(0.9)
    weight_decay: float = decay(5e-4)
    batch_size: int = batch(64)
    layers: int = whole(9, 1, 1000, help="tensors that train in a noisy epoch", search=False)
    noise_share: float = real(0.7, 0.0, 1.0, help="share of them that get noise")
    noise_std: float = real(0.04, 0.0, 1.0, help="standard deviation of the noise")

    def unlearn(self, model: nn.Module, task: Task) -> nn.Module:
        """Reset, then three phases under one optimiser that forgets its momentum after each epoch."""
        from deepunlearn_cli.engine.layers import head, renew
        from deepunlearn_cli.engine.optimizers import forget_momentum

        last = head(model, task.layout)
        if not last:
            raise task.refuse("rni finds no classifier that learns in this model")
        renew(last, model, task.fresh("reset"))
        optimizer = task.sgd(model, self)
        for epoch in task.epochs(self.epochs, optimizer, self.schedule):
            forget_momentum(optimizer)
            model.requires_grad_(True)
            if 0 < epoch < self.epochs - self.fine_epochs:
                self._shake(model, task)
            for retain in task.retain.batches(self.batch_size):
                task.step(optimizer, partial(task.loss, model), retain)
        return model.requires_grad_(True)

    def work(self, n: Sizes) -> float:
        """The retain set."""
        return self.epochs * n.retain

    @property
    def fine_epochs(self) -> int:
        """Epochs at the end that train all weights."""
        return round(self.fine_share * self.epochs)

    def schedule(self, epoch: int, epochs: int) -> float:
        """Factor of `lr`: the last phase has a rate of its own."""
        return 1.0 if epoch < epochs - self.fine_epochs else self.fine_lr / self.lr

    def _shake(self, model: nn.Module, task: Task) -> None:
        """Noise into some of the chosen tensors; these and normalisation layers alone stay trainable."""
        import torch

        from deepunlearn_cli.engine.layers import add_noise, plain_weights

        others = plain_weights(model)
        order = torch.randperm(len(others), generator=task.stream("layers chosen")).tolist()
        chosen = [others[i] for i in order[: self.layers]]
        add_noise(chosen[: int(self.noise_share * len(chosen))], self.noise_std, task.stream("noise"))
        kept = {id(weight) for weight in chosen}
        for weight in others:
            weight.requires_grad_(id(weight) in kept)
