"""CT: convolution transpose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from deepunlearn_cli.methods._method import Method, Sizes, batch, decay, inertia, passes, rate

if TYPE_CHECKING:
    from torch import Tensor, nn

    from deepunlearn_cli.engine.task import Task


@dataclass(frozen=True)
class ConvolutionTranspose(Method):
    """Transpose every square convolution kernel, then fine-tune on the retain set.

    The kernel half of the fifth-prize entry of the NeurIPS 2023 competition (toshi_k and marvelworld), with
    the benchmark's settings: SGD 1e-3, momentum 0.9, weight decay 5e-4, cosine over 3 epochs, batch 64.
    1x1 and non-square kernels stay; the share of weights it touched is in the run's facts.
    """

    title = "CT"
    paper = "toshi_k and marvelworld, NeurIPS 2023 competition, 5th prize"
    touches = "square kernels, then all"
    epochs: int = passes(3)
    lr: float = rate(1e-3)
    momentum: float = inertia(0.9)
    weight_decay: float = decay(5e-4)
    batch_size: int = batch(64)

    def unlearn(self, model: nn.Module, task: Task) -> nn.Module:
        """Transposition, then plain training with an optimiser made afterwards."""
        from deepunlearn_cli.engine.fit import cosine
        from deepunlearn_cli.engine.layers import share

        kernels = square_kernels(model)
        if not kernels:
            raise task.refuse("ct finds no square convolution kernel larger than 1x1 in this model")
        task.facts["touched_share"] = share(model, kernels)
        for kernel in kernels:
            transpose(kernel)
        task.fit(model, task.retain, self, cosine)
        return model

    def work(self, n: Sizes) -> float:
        """The retain set."""
        return self.epochs * n.retain


def square_kernels(model: nn.Module) -> list[Tensor]:
    """The weights of all convolutions with square kernels larger than 1x1."""
    from deepunlearn_cli.engine.layers import convolutions

    return [c.weight for c in convolutions(model) if c.kernel_size[0] == c.kernel_size[1] > 1]


def transpose(kernel: Tensor) -> None:
    """Swap rows and columns in place."""
    import torch

    with torch.no_grad():
        kernel.copy_(kernel.transpose(-1, -2).clone())
