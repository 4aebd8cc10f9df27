"""The sharpness of a training objective: the top eigenvalue of its Hessian, by power iteration.

Source: Thudi et al. 2022, Unrolling SGD (arXiv 2109.13398): sigma, the top singular value of the Hessian, is
the absolute value of this eigenvalue (the authors' code takes its square root instead).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import islice

import torch
from torch import Generator, Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from deepunlearn_cli.engine.fit import as_in_use
from deepunlearn_cli.engine.objective import Objective
from deepunlearn_cli.engine.pictures import Batch, Pictures

PICTURES = 512  # the first so many, as in the authors' code
CHUNK = 512  # pictures whose graph is held at a time
PRODUCTS = 20  # at most, of an estimate
CLOSE = 1e-3  # relative change of the eigenvalue that ends an estimate


class Sharpness:
    """Estimates for one model after the other, each starting from the eigenvector of the one before.

    Args:
        part: its first `PICTURES` pictures are the data, unaugmented.
        objective: what training minimises; in fp32, with every layer as in evaluation.
        generator: of the first start vector, drawn on the CPU.
    """

    def __init__(self, part: Pictures, objective: Objective, generator: Generator) -> None:
        passes = part.batches(CHUNK, shuffle=False, augment=False)
        self.batches = list(islice(passes, math.ceil(PICTURES / CHUNK)))
        self.objective, self.generator = objective, generator
        self.products = 0  # of the last estimate
        self._vector: list[Tensor] | None = None

    def eigenvalue(self, model: nn.Module) -> float:
        """The eigenvalue of largest magnitude, signed; 0 for a Hessian of zeros. Waits for the device."""
        weights = [weight for weight in model.parameters() if weight.requires_grad]
        vector, value = self._vector or self._drawn(weights), float("nan")
        with as_in_use(model), sdpa_kernel(SDPBackend.MATH):  # the other kernels have no second derivative
            product = _Products(model, weights, self.batches, self.objective)
            for self.products in range(1, PRODUCTS + 1):
                image = product(vector)
                before, value = value, float(_dot(vector, image))
                length = float(_dot(image, image).sqrt())
                if length == 0 or abs(value - before) <= CLOSE * abs(value):
                    break
                vector = list(torch._foreach_div(image, length))
        self._vector = vector
        return value

    def _drawn(self, weights: Sequence[Tensor]) -> list[Tensor]:
        drawn = [
            torch.randn(weight.shape, generator=self.generator).to(weight.device, weight.dtype)
            for weight in weights
        ]
        return list(torch._foreach_div(drawn, float(_dot(drawn, drawn).sqrt())))


class _Products:
    """Hessian-vector products by double backward; with one batch its first graph is built once."""

    def __init__(
        self, model: nn.Module, weights: Sequence[Tensor], batches: Sequence[Batch], objective: Objective
    ) -> None:
        self.model, self.weights, self.batches, self.objective = model, list(weights), batches, objective
        self.total = sum(len(batch.y) for batch in batches)
        self.held = self._gradients(batches[0]) if len(batches) == 1 else None

    def __call__(self, vector: Sequence[Tensor]) -> list[Tensor]:
        sums = [torch.zeros_like(weight) for weight in self.weights]
        for batch in self.batches:
            gradients = self.held or self._gradients(batch)
            if not any(gradient.requires_grad for gradient in gradients):
                continue  # linear in the weights
            along, kept = _dot(gradients, vector), self.held is not None
            found = torch.autograd.grad(along, self.weights, retain_graph=kept, materialize_grads=True)
            torch._foreach_add_(sums, found)
        return sums

    def _gradients(self, batch: Batch) -> tuple[Tensor, ...]:
        share = len(batch.y) / self.total
        loss = self.objective(self.model(batch.x).float(), batch.y) * share
        return torch.autograd.grad(loss, self.weights, create_graph=True, materialize_grads=True)


def _dot(a: Sequence[Tensor], b: Sequence[Tensor]) -> Tensor:
    return torch.stack([(x * y).sum() for x, y in zip(a, b, strict=True)]).sum()
