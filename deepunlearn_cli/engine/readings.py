"""Figures of the steps of an epoch, summed on the device, which nothing waits for until they are read."""

from __future__ import annotations

import torch
from torch import Tensor


class Readings:
    """Sums of figures by name, in tensors that stay in place, so that recorded steps add to them too."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, Tensor] = {}

    def add(self, name: str, value: Tensor | float, *, more: bool = False) -> None:
        """Add a figure (a scalar), or `more` of the one that was added last."""
        if name not in self._sums:
            self._sums[name], self._counts[name] = torch.zeros(2, device=self._device)
        self._sums[name].add_(value.detach() if isinstance(value, Tensor) else value)
        if not more:
            self._counts[name].add_(1)

    def means(self) -> dict[str, float]:
        """The mean of every figure that was added since the last call. Waits for the device, once."""
        if not self._sums:
            return {}
        pairs = torch.stack([*self._sums.values(), *self._counts.values()]).view(2, -1).T.tolist()
        for total in (*self._sums.values(), *self._counts.values()):
            total.zero_()
        return {name: value / count for name, (value, count) in zip(self._sums, pairs, strict=True) if count}
