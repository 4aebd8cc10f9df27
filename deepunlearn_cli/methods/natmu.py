"""NatMU: natural machine unlearning."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from deepunlearn_cli.core.fields import real
from deepunlearn_cli.methods._method import Method, Sizes, batch, decay, passes, rate

if TYPE_CHECKING:
    from torch import Generator, Tensor, nn

    from deepunlearn_cli.engine.pictures import Pictures
    from deepunlearn_cli.engine.task import Task

MASKS = 4  # hybrids per forgotten picture


@dataclass(frozen=True)
class NaturalUnlearning(Method):
    """Train on retain and on forgotten pictures blended with retained ones of other classes, as these.

    Each forgotten picture x_f makes four hybrids m x_f + (1 - m) x_r, x_r a random retained picture of one of
    the four wrong classes that the original finds likeliest, labelled with that class. The masks m are waves
    that rise to the middle of the picture and fall (or fall and rise), along rows or columns, moved by
    `shift` and cut at 0 and 1; they stretch with the picture, as the authors' do from 32 to 64 pixels.
    Hybrids are bytes where pictures are, and unaugmented. Authors' settings for CIFAR-10: shift -0.19, 5
    epochs, batch 128, AdamW 1e-3, weight decay 2e-3, cosine per step (CIFAR-100: -0.03, whole classes of it
    -0.053).

    A retained picture serves once while its class lasts, and the class then starts over: the authors' code
    hands the rest to a random class, or never ends. With fewer than four wrong classes the likeliest serve
    again. The rate is a step behind theirs, whose last step has none.
    """

    title = "NatMU"
    paper = "He et al. 2024, arXiv 2405.15495"
    needs = ("retain", "forget")
    epochs: int = passes(5, "the retain set and the hybrids")
    lr: float = rate(1e-3)
    weight_decay: float = decay(2e-3, "(decoupled)")
    batch_size: int = batch(128)
    shift: float = real(-0.19, -0.5, 0.5, help="added to the masks: more of the forgotten picture is shown")

    def unlearn(self, model: nn.Module, task: Task) -> nn.Module:
        """Hybrids, then plain training."""
        from deepunlearn_cli.engine.fit import annealed
        from deepunlearn_cli.engine.optimizers import set_rate

        part = self.blended(task, others(model, task))
        optimizer = task.adam(model, lr=self.lr, weight_decay=self.weight_decay, decoupled=True)
        steps = part.count(self.batch_size)
        for epoch in task.epochs(self.epochs, optimizer):
            for step, shown in enumerate(part.batches(self.batch_size), epoch * steps):
                set_rate(optimizer.param_groups[0], annealed(step, self.epochs * steps, self.lr, 0.0))
                task.step(optimizer, partial(task.loss, model), shown)
        return model

    def work(self, n: Sizes) -> float:
        """A look at forget, then retain and the hybrids."""
        return n.forget / 3 + self.epochs * (n.retain + MASKS * n.forget)

    def blended(self, task: Task, classes: Tensor) -> Pictures:
        """Retain and after it the hybrids with pictures of `classes` (forgotten pictures, MASKS)."""
        import torch

        from deepunlearn_cli.engine.made import Enlarged

        kept, _, height, width = task.retain.pixels, *task.retain.pixels.shape
        places = drawn(classes.flatten(), task.retain.labels, task.stream("partners"))
        partners = task.retain.indices[places.to(task.retain.indices.device)]
        masks = waves(height, width, self.shift).to(kept.device)

        def make(numbers: Tensor) -> Tensor:
            mask = masks[(numbers % MASKS).to(kept.device, non_blocking=True)]
            forgotten = kept.rows(task.forget.indices[numbers // MASKS])
            mixed = kept.rows(partners[numbers]) * (1 - mask) + forgotten * mask
            return mixed.floor() if kept.images.dtype == torch.uint8 else mixed

        return Enlarged(task.retain, make, classes.flatten())


def others(model: nn.Module, task: Task) -> Tensor:
    """The likeliest wrong classes (n, MASKS) of the forgotten pictures, of those that retain has pictures of.

    Raises:
        UsageFailure: there is none for some picture.
    """
    import torch

    from deepunlearn_cli.engine.device import forward_size
    from deepunlearn_cli.engine.fit import as_in_use

    with as_in_use(model):
        passing = task.forget.batches(forward_size(task.device), shuffle=False, augment=False)
        logits = torch.cat([task.teach(model, shown) for shown in passing])
    there = torch.isin(torch.arange(task.classes, device=task.device), task.retain.labels)
    wrong = there.repeat(len(logits), 1).scatter(1, task.forget.labels[:, None], value=False)
    if not wrong.any(dim=1).all():
        raise task.refuse("natmu finds forgotten pictures of which every retained one has the class")
    order = logits.masked_fill(~wrong, -torch.inf).argsort(dim=1, descending=True, stable=True)
    rank = torch.arange(MASKS, device=task.device) % wrong.sum(dim=1, keepdim=True)
    return order.gather(1, rank)


def drawn(wanted: Tensor, labels: Tensor, generator: Generator) -> Tensor:
    """Random places (k,) among `labels` (n,), one for each `wanted` class (k,).

    All of a class are drawn before one of them is drawn again.
    """
    import torch

    order = torch.randperm(len(labels), generator=generator).to(labels.device)
    order = order[labels[order].argsort(stable=True)]  # by class, at random within
    sizes, asked = torch.bincount(labels), torch.bincount(wanted)
    turn, queue = torch.empty_like(wanted), wanted.argsort(stable=True)
    turn[queue] = torch.arange(len(wanted), device=wanted.device) - (asked.cumsum(0) - asked)[wanted[queue]]
    return order[(sizes.cumsum(0) - sizes)[wanted] + turn % sizes[wanted]]


def waves(height: int, width: int, shift: float) -> Tensor:
    """The four masks (4, height, width, 1): along rows, along columns, and both upside down."""
    import torch

    def wave(length: int) -> Tensor:
        half, place = (length + 1) // 2, torch.arange(length)
        return torch.minimum(place, 2 * half - 1 - place) / half

    down = wave(height)[:, None].expand(height, width)
    across = wave(width)[None, :].expand(height, width)
    falling = [(peak - mask) for mask, peak in ((down, down.max()), (across, across.max()))]
    return (torch.stack([down, across, *falling]) + shift).clamp(0, 1)[..., None]
