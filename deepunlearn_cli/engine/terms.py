"""What samples add to the gradient of one weight, kept as it is or as factors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

FEW = 6  # positions up to which products of pairs of positions cost less than written-out gradients
ROOM = 2**26  # numbers in one intermediate table


@dataclass(frozen=True)
class Written:
    """Per-sample gradients of one weight as they are: (B, P)."""

    gradients: Tensor

    @property
    def width(self) -> int:
        """Numbers kept per sample."""
        return self.gradients[0].numel()

    def squares(self) -> Tensor:
        """Sum over samples of the squared gradient (P,)."""
        return self.gradients.square().sum(0)

    def gram(self) -> Tensor:
        """Inner products of all pairs of samples (B, B)."""
        return self.gradients @ self.gradients.T

    def along(self, direction: Tensor) -> Tensor:
        """Inner product of each sample's gradient with a direction of the weight's shape (B,)."""
        return self.gradients @ direction.flatten()

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """One term for the samples of several."""
        return cls(torch.cat([part.gradients for part in parts]))


@dataclass(frozen=True)
class Factored:
    """Per-sample gradients of one weight as factors: inputs (B, G, L, Q), errors (B, G, L, O).

    G groups (of a grouped convolution), L positions, Q inputs and O outputs of a group.
    """

    inputs: Tensor
    errors: Tensor

    @property
    def width(self) -> int:
        """Numbers kept per sample."""
        return self.inputs[0].numel() + self.errors[0].numel()

    def squares(self) -> Tensor:
        """Sum over samples of the squared gradient (P,)."""
        if self.inputs.shape[2] > FEW:
            return self.written().squares()
        inputs, errors = _pairs(self.inputs), _pairs(self.errors, twice=True)
        return torch.bmm(_by_group(errors).transpose(1, 2), _by_group(inputs)).flatten()

    def gram(self) -> Tensor:
        """Inner products of all pairs of samples (B, B), by the cheaper of two ways."""
        count, _, positions, q = self.inputs.shape
        o = self.errors.shape[3]
        if positions**2 * (q + o) < q * o:
            step = max(1, ROOM // (count * positions**2))
            return torch.cat([self._products(start, start + step) for start in range(0, count, step)])
        step = max(1, ROOM // (count * q * self.inputs.shape[1]))
        total = torch.zeros(count, count, device=self.inputs.device)
        for errors in torch.split(self.errors, step, dim=3):
            total += Factored(self.inputs, errors).written().gram()
        return total

    def along(self, direction: Tensor) -> Tensor:
        """Inner product of each sample's gradient with a direction of the weight's shape (B,)."""
        groups, o, q = self.inputs.shape[1], self.errors.shape[3], self.inputs.shape[3]
        seen = self.inputs @ direction.reshape(groups, o, q).transpose(1, 2)
        return (seen * self.errors).flatten(1).sum(1)

    def written(self) -> Written:
        """The gradients themselves."""
        return Written((self.errors.transpose(2, 3) @ self.inputs).flatten(1))

    def smaller(self) -> Factored | Written:
        """This term in whichever form takes less memory."""
        _, groups, _, q = self.inputs.shape
        return self.written() if groups * q * self.errors.shape[3] < self.width else self

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """One term for the samples of several."""
        return cls(torch.cat([part.inputs for part in parts]), torch.cat([part.errors for part in parts]))

    def _products(self, start: int, end: int) -> Tensor:
        """Some rows of the Gram matrix: sums over pairs of positions of products of inner products."""
        count, _, positions, _ = self.inputs.shape
        some_inputs, some_errors = _by_group(self.inputs[start:end]), _by_group(self.errors[start:end])
        alike = some_inputs @ _by_group(self.inputs).transpose(1, 2)
        table = alike * (some_errors @ _by_group(self.errors).transpose(1, 2))
        return table.sum(0).view(-1, positions, count, positions).sum((1, 3))


Term = Factored | Written


def _by_group(factors: Tensor) -> Tensor:
    """(B, G, L, X) as (G, B L, X)."""
    return factors.transpose(0, 1).flatten(1, 2)


def _pairs(factors: Tensor, *, twice: bool = False) -> Tensor:
    """Products of all pairs of positions (B, G, L (L + 1) / 2, X); `twice` counts those of two different."""
    one, other = torch.tril_indices(factors.shape[2], factors.shape[2], device=factors.device)
    weight = (2.0 - (one == other).float())[:, None] if twice else 1.0
    return factors[:, :, one] * factors[:, :, other] * weight
