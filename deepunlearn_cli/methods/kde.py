"""KDE: reset both ends, distil on data never seen, then on what is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from deepunlearn_cli.methods._method import Method, Sizes, batch, decay, heat, inertia, passes, rate

if TYPE_CHECKING:
    from torch import Tensor, nn

    from deepunlearn_cli.engine.pictures import Batch
    from deepunlearn_cli.engine.task import Task


@dataclass(frozen=True)
class KnowledgeDistillationEntropy(Method):
    """Reset the first and the last layer and teach them again, first on validation data, then on retain.

    1. Stem convolution and classifier are freshly initialised (normalisation layers stay). 2. Warm-up on the
    validation set: KL(original || model) at temperature 5, SGD 9e-4. 3. Retain: cross-entropy, cross-entropy
    with the original's softened answers, and KL with them, SGD 1e-3 on a cosine. No factor T^2.

    Sixth-prize entry of the NeurIPS 2023 competition (Karypidis et al.), with the benchmark's settings. As
    its first layer a ViT's patch embedding is reset too. By design it trains on the validation set: judge it
    on test data.
    """

    title = "KDE"
    paper = "Karypidis et al., NeurIPS 2023 competition, 6th prize"
    needs = ("retain", "val")
    touches = "first and last layer, then all"
    warmup_epochs: int = passes(3, "the validation set")
    epochs: int = passes(3)
    warmup_lr: float = rate(9e-4, "of the warm-up")
    lr: float = rate(1e-3)
    momentum: float = inertia(0.9)
    weight_decay: float = decay(5e-4)
    batch_size: int = batch(64)
    temperature: float = heat(5.0)

    def unlearn(self, model: nn.Module, task: Task) -> nn.Module:
        """Reset, warm-up, fine-tuning under the original's eyes."""
        from deepunlearn_cli.engine.distill import divergence
        from deepunlearn_cli.engine.fit import cosine

        teacher = task.teacher(model)
        self._reset_ends(model, task)
        on_val, warmup = task.lessons(teacher, task.val), task.sgd(model, self, lr=self.warmup_lr)

        def matching(shown: Batch) -> Tensor:
            return divergence(on_val(shown), task.forward(model, shown), self.temperature)

        for _ in task.epochs(self.warmup_epochs, warmup):
            for shown in task.val.batches(self.batch_size):
                task.step(warmup, matching, shown)
        on_retain, optimizer = task.lessons(teacher, task.retain), task.sgd(model, self)

        def distilling(retain: Batch) -> Tensor:
            return self.distillation(on_retain(retain), task.forward(model, retain), retain.y)

        for _ in task.epochs(self.epochs, optimizer, cosine):
            for retain in task.retain.batches(self.batch_size):
                task.step(optimizer, distilling, retain)
        return model

    def work(self, n: Sizes) -> float:
        """Validation and retain sets, with the original looking at the same pictures."""
        return (self.warmup_epochs * n.val + self.epochs * n.retain) * 4 / 3

    def distillation(self, teacher: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
        """CE(labels) + CE(softmax(teacher / T)) + KL(softmax(teacher / T) || softmax(logits / T))."""
        from torch.nn import functional as F

        from deepunlearn_cli.engine.distill import divergence

        soft = F.cross_entropy(logits / self.temperature, F.softmax(teacher / self.temperature, dim=1))
        return F.cross_entropy(logits, labels) + soft + divergence(teacher, logits, self.temperature)

    def _reset_ends(self, model: nn.Module, task: Task) -> None:
        from deepunlearn_cli.engine.layers import head, renew, share, stem

        ends = [*stem(model, task.layout), *head(model, task.layout)]
        if not ends:
            raise task.refuse("kde finds no layer to reset in this model")
        renew(ends, model, task.fresh("reset"))
        task.facts["touched_share"] = share(model, ends)
