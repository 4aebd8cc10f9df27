"""FCS: forget by contrast, round by round with repair."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from deepunlearn_cli.core.fields import real
from deepunlearn_cli.methods._method import Method, Sizes, batch, decay, heat, inertia, passes, per_step, rate

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import SGD

    from deepunlearn_cli.engine.pictures import Batch
    from deepunlearn_cli.engine.task import Task

RATED_FOR = 64  # the batch size for which the write-up gives the learning rate on the retain set


@dataclass(frozen=True)
class ForgetByContrast(Method):
    """Flatten the answers on the forget set, then alternate rounds of contrast and of repair.

    1. One pass over forget: KL(uniform || model), SGD 0.005. 2. Rounds: a pass over forget, each batch beside
    a retain batch, minimising the mean of -log softmax(z_forget z_retain^T / t) over all pairs (a forgotten
    picture shall be equally like all retained ones), SGD 3e-4 on a cosine per step; then a pass over retain
    with cross-entropy, SGD 0.001 * batch / 64, weight decay 0.01. Three optimisers, each with a momentum of
    its own; train mode; no label of the forget set is read.

    First-prize entry of the NeurIPS 2023 competition (fanchuan): 8 rounds, batch 256, t = 1.15. As there, the
    products are of logits, and in the contrast retain batches take no gradient but move BatchNorm statistics.
    """

    title = "FCS"
    paper = "fanchuan, NeurIPS 2023 competition, 1st prize"
    needs = ("retain", "forget")
    epochs: int = passes(8, "the forget set and the retain set, one round each")
    lr: float = rate(5e-3, "of the first pass")
    retain_lr: float = rate(1e-3, "on retain, for batches of 64")
    forget_lr: float = rate(3e-4, "of the contrast")
    forget_lr_end: float = real(1e-6, 1e-6, 1e-1, log=True, help="learning rate at the end of the contrast")
    momentum: float = inertia(0.9)
    weight_decay: float = decay(1e-2, "on retain")
    batch_size: int = batch(256)
    temperature: float = heat(1.15)

    def unlearn(self, model: nn.Module, task: Task) -> nn.Module:
        """One flattening pass, then rounds."""
        flatten = task.sgd(model, self, weight_decay=0.0)
        for _ in task.epochs(1, flatten):
            for forget in task.forget.batches(self.batch_size):
                task.step(flatten, lambda shown: uniformity(task.forward(model, shown)), forget)
        repair = task.sgd(model, self, lr=self.retain_lr * self.batch_size / RATED_FOR)
        contrast = task.sgd(model, self, lr=self.forget_lr, weight_decay=0.0)
        for epoch in task.epochs(self.epochs, repair):
            self._contrast(model, task, contrast, epoch)
            for retain in task.retain.batches(self.batch_size):
                task.step(repair, partial(task.loss, model), retain)
        return model

    def work(self, n: Sizes) -> float:
        """Forget once; in each round forget, retain batches beside it (forward only), and retain."""
        beside = math.ceil(n.forget / self.batch_size) * per_step(n.retain, self.batch_size)
        return n.forget + self.epochs * (n.forget + beside / 3 + n.retain)

    def _contrast(self, model: nn.Module, task: Task, optimizer: SGD, epoch: int) -> None:
        from deepunlearn_cli.engine.fit import annealed
        from deepunlearn_cli.engine.optimizers import set_rate

        def loss(forget: Batch, retain: Batch) -> Tensor:
            others = task.teach(model, retain)
            return dissimilarity(task.forward(model, forget), others, self.temperature)

        beside = task.retain.endless(self.batch_size)  # the forget set may have more batches
        steps = task.forget.count(self.batch_size)
        for step, forget in enumerate(task.forget.batches(self.batch_size)):
            done = epoch * steps + step
            lr = annealed(done, self.epochs * steps, self.forget_lr, self.forget_lr_end)
            set_rate(optimizer.param_groups[0], lr)
            task.step(optimizer, loss, forget, next(beside))


def uniformity(logits: Tensor) -> Tensor:
    """KL(uniform || softmax(logits)), mean over the batch (B, K)."""
    from torch.nn import functional as F

    return -F.log_softmax(logits, dim=1).mean() - math.log(logits.shape[1])


def dissimilarity(forget: Tensor, retain: Tensor, temperature: float) -> Tensor:
    """Mean over all pairs of -log softmax over retain of z_forget z_retain^T / t; logits (Bf, K), (Br, K)."""
    from torch.nn import functional as F

    return -F.log_softmax(forget @ retain.T / temperature, dim=1).mean()
