"""What samples add to the gradient of one weight, kept as it is or as factors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional as F

BLOCK = 128  # samples whose inner products with the ones before them are taken together
SQUARING = 8  # multiplications that squaring and summing one written-out number costs
ROOM = 2**23  # numbers in one intermediate table
CACHED = 2**21  # the same, where several passes over the table follow: it stays in a CPU's cache
ON_CARD = 2**28  # the same for either on a card, where every piece is launches (1 GB)


@dataclass(frozen=True)
class Written:
    """Per-sample gradients of one weight as they are: (C, B, P) for C losses of B samples."""

    gradients: Tensor

    @property
    def width(self) -> int:
        """Numbers kept per sample."""
        return self.gradients[:, 0].numel()

    def squares(self) -> Tensor:
        """Sum over losses and samples of the squared gradient (P,)."""
        return self.gradients.square().sum((0, 1))

    def smaller(self) -> Written:
        """This term in the form that takes less memory."""
        return self

    def gram(self) -> Tensor:
        """Inner products of all pairs of samples (B, B), for the first loss."""
        rows = self.gradients[0]
        return _symmetric(len(rows), BLOCK, lambda start, end: rows[start:end] @ rows[:end].T)

    def along(self, direction: Tensor) -> Tensor:
        """Inner product of each sample's first gradient with a direction of the weight's shape (B,)."""
        return self.gradients[0] @ direction.flatten()

    def blank(self, count: int) -> Written:
        """Room for as much of `count` samples, to be filled by `put`."""
        losses, _, numbers = self.gradients.shape
        return Written(self.gradients.new_empty(losses, count, numbers))

    def put(self, start: int, part: Self) -> None:
        """Write what a part's samples add, the first of them at `start`."""
        self.gradients[:, start : start + part.gradients.shape[1]] = part.gradients


@dataclass(frozen=True)
class Factored:
    """Per-sample gradients of one weight as factors: inputs (B, G, L, Q), errors (C, B, G, L, O).

    C losses, B samples, G groups (of a grouped convolution), L positions, Q inputs and O outputs of a group.
    """

    inputs: Tensor
    errors: Tensor

    @property
    def width(self) -> int:
        """Numbers kept per sample."""
        return self.inputs[0].numel() + self.errors[:, 0].numel()

    def squares(self) -> Tensor:
        """Sum over losses and samples of the squared gradient (P,).

        Written out, each gradient costs a product for each of its L positions. As a sum over pairs of
        positions, sum_c (sum_l e_cl a_l)^2 = sum_(l, m) (a_l a_m) sum_c e_cl e_cm, all losses and samples
        share one product.
        """
        losses, _, _, positions, _ = self.errors.shape
        if positions * (positions + 1) / 2 > losses * (positions + SQUARING):
            return self._written_squares()
        width = self.inputs[0, :, 0].numel() + self.errors[0, 0, :, 0].numel()
        step = max(1, self._room(CACHED) // (positions * (positions + 1) // 2 * width))
        total = torch.zeros(1, device=self.inputs.device)
        for inputs, errors in zip(
            torch.split(self.inputs, step), torch.split(self.errors, step, dim=1), strict=True
        ):
            total = total + _pair_squares(inputs, errors)
        return total.flatten()

    def gram(self) -> Tensor:
        """Inner products of all pairs of samples (B, B) for the first loss, by the cheaper of two ways."""
        count, groups, positions, q = self.inputs.shape
        o = self.errors.shape[4]
        if positions**2 * (q + o) < q * o:
            step = min(BLOCK, max(1, self._room(ROOM) // (count * positions**2)))
            return _symmetric(count, step, self._products)
        total = torch.zeros(count, count, device=self.inputs.device)
        for errors in torch.split(self.errors, max(1, self._room(ROOM) // (count * q * groups)), dim=4):
            total += Factored(self.inputs, errors).written().gram()
        return total

    def along(self, direction: Tensor) -> Tensor:
        """Inner product of each sample's first gradient with a direction of the weight's shape (B,)."""
        groups, o, q = self.inputs.shape[1], self.errors.shape[4], self.inputs.shape[3]
        seen = self.inputs @ direction.reshape(groups, o, q).transpose(1, 2)
        return (seen * self.errors[0]).flatten(1).sum(1)

    def written(self) -> Written:
        """The gradients themselves."""
        return Written((self.errors.transpose(3, 4) @ self.inputs).flatten(2))

    def smaller(self) -> Factored | Written:
        """This term in whichever form takes less memory."""
        size = self.inputs[0, :, 0].numel() * self.errors.shape[4] * len(self.errors)
        return self.written() if size < self.width else self

    def blank(self, count: int) -> Factored:
        """Room for as much of `count` samples, to be filled by `put`."""
        losses, _, *of_a_sample = self.errors.shape
        errors = self.errors.new_empty(losses, count, *of_a_sample)
        return Factored(self.inputs.new_empty(count, *self.inputs.shape[1:]), errors)

    def put(self, start: int, part: Self) -> None:
        """Write what a part's samples add, the first of them at `start`."""
        self.inputs[start : start + len(part.inputs)] = part.inputs
        self.errors[:, start : start + len(part.inputs)] = part.errors

    def _room(self, of_a_cpu: int) -> int:
        return ON_CARD if self.inputs.is_cuda else of_a_cpu

    def _written_squares(self) -> Tensor:
        losses, _, groups, _, o = self.errors.shape
        total = torch.zeros(groups, o, self.inputs.shape[3], device=self.inputs.device)
        if self.inputs.is_cuda:
            step = max(1, ON_CARD // (losses * total.numel()))
            pieces = zip(torch.split(self.inputs, step), torch.split(self.errors, step, dim=1), strict=True)
            for inputs, errors in pieces:
                total += torch.linalg.vector_norm(errors.transpose(3, 4) @ inputs, dim=(0, 1)).square()
            return total.flatten()
        for index, inputs in enumerate(self.inputs):  # one sample's gradients stay in the cache
            rows = self.errors[:, index].permute(1, 0, 3, 2).flatten(1, 2)
            for gradient in (rows @ inputs).chunk(losses, dim=1):
                total.addcmul_(gradient, gradient)
        return total.flatten()

    def _products(self, start: int, end: int) -> Tensor:
        """Inner products of some samples with all up to the last of them: sums over pairs of positions."""
        positions, errors = self.inputs.shape[2], self.errors[0]
        alike = _by_group(self.inputs[start:end]) @ _by_group(self.inputs[:end]).transpose(1, 2)
        table = alike * (_by_group(errors[start:end]) @ _by_group(errors[:end]).transpose(1, 2))
        return table.sum(0).view(end - start, positions, end, positions).sum((1, 3))


Term = Factored | Written


def _symmetric(count: int, step: int, rows: Callable[[int, int], Tensor]) -> Tensor:
    """A symmetric matrix (count, count) from its rows, each computed up to the end of its block."""
    bounds = [(start, min(start + step, count)) for start in range(0, count, step)]
    below = torch.cat([F.pad(rows(start, end), (0, count - end)) for start, end in bounds])
    return below.tril() + below.tril(-1).T


def _pair_squares(inputs: Tensor, errors: Tensor) -> Tensor:
    """Sum over losses, samples and pairs of positions (G, O, Q)."""
    together = sum(_pairs(error, 2.0) for error in errors)
    assert isinstance(together, Tensor)
    return torch.bmm(_by_group(together).transpose(1, 2), _by_group(_pairs(inputs, 1.0)))


def _pairs(factors: Tensor, others: float) -> Tensor:
    """Products of all pairs of positions (B, G, L (L + 1) / 2, X), those of two different times `others`."""
    rows = [(factors[:, :, i : i + 1], factors[:, :, i + 1 :]) for i in range(factors.shape[2])]
    return torch.cat([part for one, rest in rows for part in (one * one, one * others * rest)], dim=2)


def _by_group(factors: Tensor) -> Tensor:
    """(B, G, L, X) as (G, B L, X)."""
    return factors.transpose(0, 1).flatten(1, 2)
