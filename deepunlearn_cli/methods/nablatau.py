"""nabla-tau: ascend on the forget set until it looks unseen, and no further."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from deepunlearn_cli.core.fields import flag, real
from deepunlearn_cli.methods._method import Method, Sizes, batch, passes, per_step, rate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor, nn

    from deepunlearn_cli.engine.pictures import Batch
    from deepunlearn_cli.engine.task import Task

REFRESH = 5  # passes over the forget set between two looks at the validation loss
END = 0.1  # of the learning rate, reached in a straight line


@dataclass(frozen=True)
class NablaTau(Method):
    """Push the forget loss up only while it lies below the validation loss, and retain meanwhile.

    alpha ReLU(L_v - CE(forget))^2 + (1 - alpha) CE(retain), one forget and one retain batch a step. L_v, the
    mean loss of the current model on validation data it never trained on, is looked up every 5 passes over
    forget. alpha starts at 5/3 of the forget share (at most 1) and falls to 0 in a straight line; so many
    passes over forget that forget and retain batches together make `epochs` passes over retain; AdamW 1e-3,
    weight decay 0.01, falling to a tenth; no augmentation. With `frozen_norm`, as in the authors' CIFAR
    notebooks, the network stays in eval mode. The log has for every pass the share of batches on which the
    ascent acted, L_v and alpha; if it never acted the run says so: it was fine-tuning.

    It lifts forgotten pictures to the loss of unseen ones of all classes: for the removal of a whole class
    that is too little, and the run says so. Judge it on test data, since validation data steer it.
    """

    title = "nabla-tau"
    paper = "Trippa et al. 2024, arXiv 2403.14339"
    aliases = ("nabla-tau",)
    needs = ("retain", "forget", "val")
    partly: ClassVar = {"retain": "one batch of it goes with each forget batch"}
    epochs: int = passes(6, "the retain set that all batches together amount to")
    lr: float = rate(1e-3)
    weight_decay: float = real(0.01, 1e-5, 1e-1, log=True, zero=True, help="decoupled weight decay")
    batch_size: int = batch(256)
    strength: float = real(5 / 3, 0.1, 10.0, log=True, help="alpha at the start, over the forget share")
    frozen_norm: bool = flag(True, help="eval mode: running statistics stay as they are", search=False)

    def unlearn(self, model: nn.Module, task: Task) -> nn.Module:
        """Adaptive ascent beside descent."""
        from contextlib import nullcontext

        from deepunlearn_cli.engine.fit import as_in_use

        self._warn_of_class_removal(task)
        with as_in_use(model) if self.frozen_norm else nullcontext():
            self._train(model, task)
        return model

    def work(self, n: Sizes) -> float:
        """`epochs` passes over retain in all, and looks at the validation set."""
        rounds = self.rounds(n)
        steps = rounds * math.ceil(n.forget / self.batch_size)
        return (
            rounds * n.forget
            + steps * per_step(n.retain, self.batch_size)
            + math.ceil(rounds / REFRESH) * n.val / 3
        )

    def rounds(self, n: Sizes) -> int:
        """Passes over the forget set: int(epochs * retain batches / (2 * forget batches)), at least 1."""
        retain, forget = (math.ceil(size / self.batch_size) for size in (n.retain, n.forget))
        return max(1, int(self.epochs * retain / (2 * forget)))

    def alpha(self, round_: int, rounds: int, share: float) -> float:
        """Weight of the ascent in a pass over forget, counted from 0."""
        return min(1.0, self.strength * share) * (1 - round_ / rounds)

    def _train(self, model: nn.Module, task: Task) -> None:
        import torch

        from deepunlearn_cli.engine.fit import linear_to
        from deepunlearn_cli.engine.predict import mean_loss

        n = Sizes(len(task.retain), len(task.forget), len(task.val), task.classes)
        rounds = self.rounds(n)
        optimizer = task.adam(model, lr=self.lr, weight_decay=self.weight_decay, decoupled=True)
        retained = task.retain.endless(self.batch_size, augment=False)
        bound = torch.zeros(())
        for round_ in task.epochs(rounds, optimizer, linear_to(END)):
            if round_ % REFRESH == 0:
                bound = mean_loss(model, task.val, task)
            alpha = self.alpha(round_, rounds, n.forget / n.training)
            task.note(val_loss=bound, alpha=alpha)
            fixed = bound, alpha, 1 - alpha
            for forget in task.forget.batches(self.batch_size, augment=False):
                task.step(optimizer, partial(self._terms, model, task), forget, next(retained), *fixed)
        self._tell_activity(task)

    @staticmethod
    def _terms(
        model: nn.Module,
        task: Task,
        forget: Batch,
        retain: Batch,
        bound: Tensor,
        ascent: float,
        descent: float,
    ) -> Iterator[Tensor]:
        gap = bound - task.loss(model, forget)
        task.note(ascent_active=gap > 0)
        yield ascent * gap.relu().square()
        yield descent * task.loss(model, retain)

    def _tell_activity(self, task: Task) -> None:
        """All passes have as many batches, so the mean over passes is that over batches."""
        shares = [entry["ascent_active"] for entry in task.log]
        task.facts["ascent_active_share"] = sum(shares) / len(shares)
        if not any(shares):
            task.warn(
                "nabla-tau's ascent never acted: no batch of forgotten pictures had a smaller loss than the "
                "validation set, so this was fine-tuning; either there is nothing to forget, or the original "
                "was trained on the validation set too"
            )

    def _warn_of_class_removal(self, task: Task) -> None:
        if not set(task.forget.labels.tolist()) & set(task.retain.labels.tolist()):
            task.warn(
                "nabla-tau removes whole classes only in part: it raises their loss to the mean validation "
                "loss, while a retrained model knows nothing of them"
            )
