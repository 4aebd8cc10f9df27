"""FF: Fisher forgetting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from deepunlearn_cli.core.fields import real
from deepunlearn_cli.methods._method import Method, Sizes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor, nn

    from deepunlearn_cli.engine.pictures import Batch
    from deepunlearn_cli.engine.task import Task

TOGETHER = 10  # classes whose gradients are taken together
TINY = 1e-8  # added to the information before it is inverted
CAP, CAP_HEAD = 1e3, 1e2  # of the variance before scaling: all weights, the classifier's
LOUDER = 10.0  # factor for the classifier, and for biases and normalisation
GONE = 1e-4  # variance, before LOUDER, of the classifier's row of a class that is forgotten altogether


@dataclass(frozen=True)
class FisherForgetting(Method):
    """Add noise where the retain set does not mind, that is where its Fisher information is small.

    F = mean over retain of sum_y p_y g_y^2, with g_y the gradient of one sample's loss had y been its label
    (eval mode, no augmentation). Variance alpha * min(1 / (F + 1e-8), 1e3), averaged over inputs; ten times
    that for the classifier (capped at 1e2), biases and normalisation. Of a class of which nothing is retained
    the classifier's row becomes N(0, 1e-3), its bias too: 1e-4, and as the authors' code has it ten times
    that, as all of the classifier. No training.

    The benchmark squares gradients of batch means, which is another and far smaller quantity, and searches
    alpha up to 1, where the noise (standard deviation sqrt(1000 alpha) in most weights) erases any network.
    """

    title = "FF"
    paper = "Golatkar et al. 2020, arXiv 1911.04933"
    touches = "all weights, by noise"
    revision = 3  # 2: the row of a class that is gone was not made louder
    # 1e-6 of Golatkar's notebook erases a ResNet18 (accuracy 0.67 becomes 0.13); SCRUB's 1e-7 does not (0.62)
    alpha: float = real(1e-7, 1e-9, 1e-5, log=True, help="scale of the noise variance")

    def unlearn(self, model: nn.Module, task: Task) -> nn.Module:
        """The Fisher information, then noise from its inverse."""
        import torch

        from deepunlearn_cli.engine.layers import add_noise, class_axes, head

        information, axes = self.information(model, task), class_axes(model, task.layout)
        last = {id(weight) for weight in head(model, task.layout)}
        gone = torch.bincount(task.retain.labels, minlength=task.classes) == 0
        for weight in model.parameters():
            axis = axes.get(weight, 0)  # of a head that is x @ W classes come last
            rows = gone if weight in axes else None
            known = information[weight].movedim(axis, 0)
            variance = self.variance(known, head=id(weight) in last, gone=rows)
            if rows is not None:
                with torch.no_grad():
                    weight.movedim(axis, 0)[rows] = 0.0
            add_noise([weight], variance.movedim(0, axis).sqrt(), task.stream("noise"))
        return model

    def work(self, n: Sizes) -> float:
        """The retain set, with a backward pass for each class."""
        return n.retain * (1 + 2 * n.classes) / 3

    def information(self, model: nn.Module, task: Task) -> dict[Tensor, Tensor]:
        """The diagonal of the model's Fisher information over the retain set, by weight."""
        import torch

        from deepunlearn_cli.engine.gradients import look
        from deepunlearn_cli.engine.per_sample import PerSample, chunk

        total: dict[Tensor, Tensor] = {weight: torch.zeros_like(weight) for weight in model.parameters()}

        def add(shown: Batch) -> None:
            logits = samples.forward(shown)
            for cotangents in self._surprises(logits.detach()):
                for weight, term in samples.terms(logits, cotangents):
                    total[weight] += term.squares().view_as(weight) / len(task.retain)

        with PerSample(model, task).watching() as samples:
            look(model, task.retain, task, chunk(task.device), add)
        return total

    def _surprises(self, logits: Tensor) -> Iterator[Tensor]:
        """sqrt(p_y) (p - onehot(y)) of every sample and class y (C, B, K), so that squares carry p_y."""
        import torch

        chances = logits.softmax(1)
        every = torch.eye(logits.shape[1], device=logits.device)
        for some in torch.split(every, TOGETHER):
            yield (chances @ some.T).T[:, :, None].sqrt() * (chances - some[:, None])

    def variance(self, information: Tensor, *, head: bool, gone: Tensor | None = None) -> Tensor:
        """Of the noise of one weight tensor, from its Fisher information; rows that are `gone` start anew."""
        spread = self.alpha * (1 / (information + TINY)).clamp(max=CAP_HEAD if head else CAP)
        if spread.dim() > 1:
            spread = spread.mean(dim=1, keepdim=True).expand_as(spread).clone()
        if gone is not None:
            spread[gone] = GONE
        return spread * (LOUDER if head or spread.dim() == 1 else 1.0)
