"""Pictures on the device: gathered, augmented and normalised a whole batch at a time."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor
from torch.nn import functional as F

RESIDENT_SHARE = 0.5  # of the free device memory that pictures may take; the rest is the model's


Array = NDArray[np.generic]


class Pixels:
    """All pictures of a dataset, (N, H, W, C) of any type, with what turns them into network input.

    They live on the device if they fit; else they stay where they are and batches are copied over.

    Args:
        images: (N, H, W, C), usually uint8; may be a memory map.
        labels: (N,) class numbers.
        mean, std: per channel, for pixels scaled to 0..1 (uint8) or as they are (floats).
        flip: whether training mirrors half of the pictures.
        pad: how many black pixels a training crop may shift by.
        memory_share: of the free device memory that the pictures may take.
    """

    def __init__(
        self,
        images: Array | Tensor,
        labels: Array | Tensor,
        device: torch.device,
        *,
        mean: tuple[float, ...] = (0.0,),
        std: tuple[float, ...] = (1.0,),
        flip: bool = False,
        pad: int = 0,
        memory_share: float = RESIDENT_SHARE,
    ) -> None:
        self.device = device
        self.images = _resident(_tensor(images), device, memory_share)
        self.labels = _tensor(labels).long().to(device)
        unit = 255.0 if self.images.dtype == torch.uint8 else 1.0
        shape = (1, 1, 1, -1)
        self._scale = (1 / (torch.tensor(std) * unit)).view(shape).to(device)
        self._shift = (-torch.tensor(mean) / torch.tensor(std)).view(shape).to(device)
        self.flip, self.pad = flip, pad

    def brighten(self, factor: float) -> None:
        """Multiply all network input from now on."""
        self._scale, self._shift = self._scale * factor, self._shift * factor

    def gather(self, index: Tensor, moves: Tensor | None = None) -> Tensor:
        """Network input (B, C, H, W), channels-last, of the pictures at `index`, moved if `moves` is given.

        `index` is where `images` are.
        `moves` is (B, 3) int64: rows and columns to shift by (0 .. 2 pad), and 1 to mirror.
        """
        return self.shown(self.rows(index), moves)

    def rows(self, index: Tensor) -> Tensor:
        """The pictures at `index` as they are kept (B, H, W, C), on the device."""
        return self.images.index_select(0, index).to(self.device, non_blocking=True)

    def shown(self, rows: Tensor, moves: Tensor | None = None) -> Tensor:
        """Network input (B, C, H, W) of some `rows`."""
        pixels = rows if moves is None else _moved(rows, moves, self.pad)
        return (pixels * self._scale + self._shift).permute(0, 3, 1, 2)

    @property
    def resident(self) -> bool:
        """Whether all pictures lie on the device."""
        return self.images.device == self.labels.device

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of network input."""
        _, height, width, channels = self.images.shape
        return max(channels, self._scale.shape[-1]), height, width

    @property
    def augmentable(self) -> bool:
        """Whether there is any augmentation for this dataset."""
        return self.flip or self.pad > 0

    def draw_moves(self, count: int, generator: Generator) -> Tensor | None:
        """Random moves (count, 3) for an epoch, or None where this dataset is not augmented."""
        if not self.augmentable:
            return None
        shift = torch.randint(0, 2 * self.pad + 1, (count, 2), generator=generator)
        mirror = torch.randint(0, 2, (count, 1), generator=generator) * int(self.flip)
        return sent(torch.cat([shift, mirror], dim=1), self.device)


@dataclass(frozen=True)
class Batch:
    """Some pictures of a part: what there is to copy of them is small, and `x` is made when it is wanted.

    Attributes:
        pixels: where they come from.
        picked: (B,) their places there; or, where not all lie on the device, their `rows`.
        moves: (B, 3) how they are augmented, or None.
        y: (B,) int64 class numbers.
        position: (B,) int64 places within the part.
    """

    pixels: Pixels
    picked: Tensor
    moves: Tensor | None
    y: Tensor
    position: Tensor

    @cached_property
    def x(self) -> Tensor:
        """Network input (B, C, H, W) float32, channels-last."""
        return self.pixels.shown(self.rows, self.moves)

    @property
    def rows(self) -> Tensor:
        """The pictures as they are kept (B, H, W, C), not moved."""
        return self.pixels.rows(self.picked) if self.pixels.resident else self.picked

    def tensors(self) -> list[Tensor]:
        """All that makes it this batch and no other."""
        moves = [] if self.moves is None else [self.moves]
        return [self.picked, self.y, self.position, *moves]

    def like(self, tensors: Sequence[Tensor]) -> Self:
        """A batch of the same pixels with other `tensors`."""
        picked, y, position, *moves = tensors
        return type(self)(self.pixels, picked, moves[0] if moves else None, y, position)


class Pictures:
    """One part of a dataset (retain, forget, val, ...): an ordered selection of its pictures.

    Args:
        order, moves: the part's own random streams, for shuffling and for augmentation.
        augment: whether batches are augmented unless asked otherwise.
        fixed: whether every pass has the order of the first.
        tick: told the share of a pass that is done, after each batch.
    """

    def __init__(
        self,
        pixels: Pixels,
        indices: Array | Tensor,
        *,
        order: Generator,
        moves: Generator,
        augment: bool = True,
        fixed: bool = False,
        tick: Callable[[float], None] = lambda share: None,
    ) -> None:
        self.pixels = pixels
        # indices stay beside the pictures: gathering from the host must not ask the device where to look
        self.indices = _tensor(indices).long().to(pixels.images.device)
        self.labels = pixels.labels[self.indices.to(pixels.device)]
        self.augment, self.fixed = augment, fixed
        self._first: Tensor | None = None  # the order of the first pass
        self._order, self._moves, self._tick = order, moves, tick

    def __len__(self) -> int:
        return len(self.indices)

    def count(self, size: int) -> int:
        """How many batches of at most `size` pictures a pass has."""
        return math.ceil(len(self) / size)

    @property
    def moving(self) -> bool:
        """Whether pictures are shown differently each time."""
        return self.augment and self.pixels.augmentable

    def batches(self, size: int, *, shuffle: bool = True, augment: bool | None = None) -> Iterator[Batch]:
        """One pass over the part in equal batches of at most `size` pictures (`cut`)."""
        order = self._shuffled() if shuffle else torch.arange(len(self))
        wanted = self.augment if augment is None else augment
        moves = self.pixels.draw_moves(len(order), self._moves) if wanted else None
        shown = sent(order, self.labels.device)
        where = self.indices[shown if self.pixels.resident else order]
        order, labels = shown, self.labels[shown]
        for start, end in cut(len(order), size):
            picked = where[start:end] if self.pixels.resident else self.pixels.rows(where[start:end])
            moved = None if moves is None else moves[start:end]
            yield Batch(self.pixels, picked, moved, labels[start:end], order[start:end])
            self._tick(end / len(order))

    def endless(self, size: int, *, augment: bool | None = None) -> Iterator[Batch]:
        """Passes over the part, one after the other, without end."""
        while True:
            yield from self.batches(size, augment=augment)

    def of_classes(self, labels: Tensor) -> Pictures:
        """The pictures whose class occurs among `labels`."""
        wanted = torch.isin(self.labels, labels)
        return self._like(self.indices[wanted.to(self.indices.device)])

    def at(self, positions: Tensor) -> Pictures:
        """The pictures at some places of this part."""
        return self._like(self.indices[positions.to(self.indices.device)])

    def first(self, count: int) -> Pictures:
        """The first `count` pictures, or all where there are fewer."""
        return self._like(self.indices[:count])

    def pick(self, places: Tensor) -> Pictures:
        """The pictures at some `places` (n,) of this part, in that order."""
        return self._like(self.indices[places.to(self.indices.device)])

    def sample(self, count: int, generator: Generator) -> Pictures:
        """A random subset of `count` pictures, without replacement, drawn from `generator`."""
        return self.pick(torch.randperm(len(self), generator=generator)[:count])

    def __add__(self, other: Pictures) -> Pictures:
        """Both parts as one: this part's pictures first, with this part's streams."""
        return self._like(torch.cat([self.indices, other.indices]))

    def _like(self, indices: Tensor) -> Pictures:
        return Pictures(
            self.pixels,
            indices,
            order=self._order,
            moves=self._moves,
            augment=self.augment,
            fixed=self.fixed,
            tick=self._tick,
        )

    def _shuffled(self) -> Tensor:
        if self._first is None or not self.fixed:
            self._first = torch.randperm(len(self), generator=self._order)
        return self._first


def cut(total: int, size: int) -> Iterator[tuple[int, int]]:
    """Where the batches of a pass over `total` pictures start and end.

    There are k = ceil(total / size), as few as may be. Each has floor(total / k) pictures, and each of the
    first total mod k one more: none is larger than `size`, and no two differ by more than one. A rest of a
    few pictures would be a step as long as any, and for BatchNorm an update of its statistics.
    """
    count = math.ceil(total / size)
    start = 0
    for number in range(count):
        end = start + total // count + (number < total % count)
        yield start, end
        start = end


def _tensor(values: Array | Tensor) -> Tensor:
    if isinstance(values, Tensor):
        return values
    with warnings.catch_warnings():  # a memory map is read-only, and nothing here writes to it
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(np.asarray(values))


def sent(values: Tensor, device: torch.device) -> Tensor:
    """A tensor of the host's on the device, which the host does not wait for."""
    return values.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else values


def _resident(images: Tensor, device: torch.device, share: float) -> Tensor:
    if device.type != "cuda":
        return images
    free, _ = torch.cuda.mem_get_info(device)
    return images.to(device) if images.nbytes <= share * free else images


def _moved(pixels: Tensor, moves: Tensor, pad: int) -> Tensor:
    """Each picture of (B, H, W, C) shifted within a black border and mirrored where asked, in one gather."""
    count, height, width, channels = pixels.shape
    padded = F.pad(pixels, (0, 0, pad, pad, pad, pad))
    rows = moves[:, 0, None] + torch.arange(height, device=pixels.device)
    columns = torch.arange(width, device=pixels.device).expand(count, width)
    columns = moves[:, 1, None] + torch.where(moves[:, 2, None] == 1, width - 1 - columns, columns)
    across = width + 2 * pad
    first = torch.arange(count, device=pixels.device) * (height + 2 * pad) * across
    flat = first[:, None, None] + rows[:, :, None] * across + columns[:, None, :]
    moved = padded.view(-1, channels).index_select(0, flat.view(-1))
    return moved.view(count, height, width, channels)
