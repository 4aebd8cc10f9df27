"""Pictures that a method makes, shown to a model beside those of a dataset."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from torch import Tensor

from deepunlearn_cli.engine.pictures import Batch, Pictures, Pixels

Make = Callable[[Tensor], Tensor]  # numbers (B,) of made pictures -> the pictures (B, H, W, C)


def showing(batch: Batch, rows: Tensor) -> Batch:
    """A batch with other pictures, `rows` (B, H, W, C) in the units of its pixels, not moved."""
    other = replace(batch, moves=None)
    vars(other)["x"] = batch.pixels.shown(rows)  # in the place of the cached one
    return other


class Enlarged(Pictures):
    """A part and, after its own pictures, some that were made: shuffled together, these never augmented.

    Args:
        part: whose pixels, augmentation and random streams it has.
        make: gives made pictures by their numbers from 0 up, as floats in the units of the part's pixels. The
            numbers are where the pixels are kept, the pictures are wanted on the device.
        labels: (M,) class numbers of the made pictures, on the device.
    """

    def __init__(self, part: Pictures, make: Make, labels: Tensor) -> None:
        kept = part.pixels
        made = torch.arange(len(labels), device=part.indices.device) + len(kept.labels)
        super().__init__(
            _Beside(kept, make, labels),
            torch.cat([part.indices, made]),
            order=part._order,
            moves=part._moves,
            augment=part.augment,
            fixed=part.fixed,
            tick=part._tick,
        )
        self._own = len(part)
        self._still = torch.tensor([kept.pad, kept.pad, 0], device=kept.device)

    def batches(self, size: int, *, shuffle: bool = True, augment: bool | None = None) -> Iterator[Batch]:
        """One pass over all pictures, as of any part."""
        for batch in super().batches(size, shuffle=shuffle, augment=augment):
            if batch.moves is None:
                yield batch
            else:
                made = (batch.position >= self._own)[:, None]
                yield replace(batch, moves=torch.where(made, self._still, batch.moves))


class _Beside(Pixels):
    """Some pixels, and made ones after them."""

    def __init__(self, kept: Pixels, make: Make, labels: Tensor) -> None:
        vars(self).update(vars(kept))
        self._kept, self._make, self._first = kept, make, len(kept.labels)
        self.labels = torch.cat([kept.labels, labels])

    def rows(self, index: Tensor) -> Tensor:
        """The pictures at `index` as floats (B, H, W, C), on the device: as of `kept`, or made."""
        made = index >= self._first
        kept = self._kept.rows(torch.where(made, 0, index))
        drawn = self._make(torch.where(made, index - self._first, 0)).to(self.device, non_blocking=True)
        return torch.where(made.to(self.device, non_blocking=True)[:, None, None, None], drawn, kept)
