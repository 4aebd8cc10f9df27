"""The sharpness of a training objective: the top eigenvalue of its Hessian, by power iteration.

Source: Thudi et al. 2022, Unrolling SGD (arXiv 2109.13398): sigma, the top singular value of the Hessian, is
the absolute value of this eigenvalue (the authors' code takes its square root instead).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence

import torch
from torch import Generator, Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.nn.attention import SDPBackend, sdpa_kernel

from deepunlearn_cli.engine.fit import as_in_use
from deepunlearn_cli.engine.objective import Objective
from deepunlearn_cli.engine.pictures import Batch, Pictures

PICTURES = 256  # the first so many; the authors take 512, which is twice the time
CHUNK = 128  # pictures that are differentiated together
ROOM = 4e9  # bytes that the graphs of all gradients may take; larger ones are built anew for each product
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
        self.batches = list(part.first(PICTURES).batches(CHUNK, shuffle=False, augment=False))
        self.objective, self.generator = objective, generator
        self.products = 0  # of the last estimate
        self._vector: list[Tensor] | None = None

    def eigenvalue(self, model: nn.Module) -> float:
        """The eigenvalue of largest magnitude, signed; 0 for a Hessian of zeros. Waits for the device."""
        # Second derivatives of channels-last convolutions take 1.7 times as long on a CPU.
        twin = copy.deepcopy(model).to(memory_format=torch.contiguous_format)
        with as_in_use(twin), sdpa_kernel(SDPBackend.MATH):  # other kernels have no second derivative
            product = HessianProducts(twin, self.batches, self.objective)
            return self._iterate(product, self._vector or self._drawn(product.weights))

    def _iterate(self, product: HessianProducts, vector: list[Tensor]) -> float:
        value = math.nan
        for self.products in range(1, PRODUCTS + 1):
            image = product(vector)
            before, value = value, float(dot(vector, image))
            length = float(dot(image, image).sqrt())
            if length == 0 or abs(value - before) <= CLOSE * abs(value):
                break
            vector = list(torch._foreach_div(image, length))
        self._vector = vector
        return value

    def _drawn(self, weights: Sequence[Tensor]) -> list[Tensor]:
        drawn = [torch.randn(weight.shape, generator=self.generator).to(weight) for weight in weights]
        return list(torch._foreach_div(drawn, float(dot(drawn, drawn).sqrt())))


class HessianProducts:
    """Products of the Hessian of an objective's mean over batches with vectors, by double backward."""

    def __init__(self, model: nn.Module, batches: Sequence[Batch], objective: Objective) -> None:
        self.model, self.batches, self.objective = model, batches, objective
        self.weights = [weight for weight in model.parameters() if weight.requires_grad]
        self.total = sum(len(batch.y) for batch in batches)
        first, size = self._measured(batches[0])
        self._keeps = size * len(batches) <= ROOM
        self._graphs = [first, *map(self._gradients, batches[1:])] if self._keeps else []

    def __call__(self, vector: Sequence[Tensor]) -> list[Tensor]:
        """H v, in the order of `weights`."""
        sums = [torch.zeros_like(weight) for weight in self.weights]
        for gradients in self._graphs or map(self._gradients, self.batches):
            along = dot(gradients, vector)
            if along.requires_grad:  # else the loss is linear in the weights
                product = torch.autograd.grad(
                    along, self.weights, retain_graph=self._keeps, materialize_grads=True
                )
                torch._foreach_add_(sums, product)
        return sums

    def _gradients(self, batch: Batch) -> tuple[Tensor, ...]:
        logits = self.model(batch.x.contiguous()).float()
        loss = self.objective(logits, batch.y) * (len(batch.y) / self.total)
        return torch.autograd.grad(loss, self.weights, create_graph=True, materialize_grads=True)

    def _measured(self, batch: Batch) -> tuple[tuple[Tensor, ...], int]:
        """Gradients of a batch, and the bytes that their graph holds."""
        sizes: dict[int, int] = {}

        def note(value: Tensor) -> Tensor:
            storage = value.untyped_storage()
            sizes[storage.data_ptr()] = storage.nbytes()
            return value

        with saved_tensors_hooks(note, lambda value: value):
            return self._gradients(batch), sum(sizes.values())


def dot(a: Sequence[Tensor], b: Sequence[Tensor]) -> Tensor:
    """Inner product of two sets of weights."""
    return torch.stack([(x * y).sum() for x, y in zip(a, b, strict=True)]).sum()
