"""A decoded dataset: pictures as bytes on disk, labels, and the facts that training needs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from deepunlearn_cli.core.names import encoded
from deepunlearn_cli.core.recipe import canonical

Pixels: TypeAlias = NDArray[np.uint8]
Indices: TypeAlias = NDArray[np.int64]

CHUNK = 1 << 24  # bytes of pictures handled at a time


@dataclass(frozen=True, eq=False)
class Dataset:
    """Pictures of an official training part, followed by those of its test part.

    Index space of the Deep Unlearn benchmark: `0 .. train_size - 1` is the official training part, the rest
    the official test part.

    Attributes:
        name: label for people: `cifar10`, `folder:pets`, `npz:scans`.
        fingerprint: SHA-256 (hex) over header, pictures and labels.
        images: uint8 (N, H, W, C), C is 1 or 3; a memory map.
        labels: int64 (N,).
        train_size: number of pictures in the official training part.
        classes: names, by label.
        mean: per channel, of pixels scaled to 0..1.
        std: per channel, of pixels scaled to 0..1.
        flip: whether training may mirror pictures left to right.
        pad: pixels of padding for training's random crop; 0 for none.
        paths: of the pictures, relative to their folder, with `/`; empty for arrays.
        numbers: of the pictures as their owner counts them, from 0, where that is another order (the
            test part was drawn from the middle of a folder or array); empty where it is the same.
        uncounted: why numbers do not say which picture is meant; empty where they do.
        left_out: what of the source is not in the dataset, for people.
        split_folders: the folders of the parts, where somebody named them (`TRAIN,TEST`).
        purged: int64, ascending: pictures that were purged; they are blank, and nothing may read them.
    """

    name: str
    fingerprint: str
    images: Pixels
    labels: Indices
    train_size: int
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    flip: bool
    pad: int
    paths: tuple[str, ...] = ()
    numbers: tuple[int, ...] = ()
    uncounted: str = ""
    left_out: tuple[str, ...] = ()
    split_folders: str = ""
    purged: Indices = field(default_factory=lambda: np.empty(0, dtype=np.int64))

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def num_classes(self) -> int:
        """How many classes there are."""
        return len(self.classes)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(H, W, C) in pixels and channels."""
        height, width, channels = self.images.shape[1:]
        return height, width, channels

    def number_of(self, index: int) -> int:
        """A picture's number as its owner counts."""
        return self.numbers[index] if self.numbers else index

    @cached_property
    def by_number(self) -> Mapping[int, int]:
        """Indices of pictures by their owner's numbers."""
        return {number: index for index, number in enumerate(self.numbers or range(len(self)))}

    @property
    def test(self) -> Indices:
        """Indices of the official test part, in order."""
        return np.arange(self.train_size, len(self), dtype=np.int64)


def header(shape: tuple[int, ...], facts: dict[str, Any]) -> dict[str, Any]:
    """What the fingerprint covers beside the bytes; `facts` holds the attributes of these names."""
    names = ("train_size", "classes", "mean", "std", "flip", "pad")
    return {"shape": list(shape), **{name: facts[name] for name in names}}


def fingerprint(head: dict[str, Any], images: Pixels, labels: Indices, blank: Indices | None = None) -> str:
    """SHA-256 (hex) over the header's canonical JSON, the pictures' bytes and the labels' bytes.

    The pictures `blank` count as zeros, whatever they hold.
    """
    digest = hashlib.sha256(encoded(canonical(head)))
    for start, part in placed(images):
        digest.update(_blanked(part, start, blank).data)
    digest.update(labels.astype("<i8").tobytes())
    return digest.hexdigest()


def chunks(images: Pixels) -> Iterator[Pixels]:
    """`images` in contiguous pieces of about `CHUNK` bytes."""
    for _, part in placed(images):
        yield part


def placed(images: Pixels) -> Iterator[tuple[int, Pixels]]:
    """`images` in contiguous pieces of about `CHUNK` bytes, each with the index of its first picture."""
    rows = max(1, CHUNK // max(1, images[:1].nbytes))
    for start in range(0, len(images), rows):
        yield start, np.ascontiguousarray(images[start : start + rows])


def _blanked(part: Pixels, start: int, blank: Indices | None) -> Pixels:
    """A piece with zeros for these pictures; itself where it has none of them."""
    if blank is None:
        return part
    here = blank[(blank >= start) & (blank < start + len(part))] - start
    if len(here):
        part = part.copy()
        part[here] = 0
    return part


def channel_statistics(images: Pixels) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation per channel of pixels scaled to 0..1, rounded to four decimals.

    Exact counts of the 256 values are taken first, so the result does not depend on the order of sums. A
    channel without any variation gets the deviation 1.
    """
    counts = np.zeros((images.shape[-1], 256), dtype=np.int64)
    for part in chunks(images):
        for channel in range(images.shape[-1]):
            counts[channel] += np.bincount(part[..., channel].ravel(), minlength=256)
    weights = counts / counts.sum(axis=1, keepdims=True)
    values = np.arange(256) / 255
    mean = weights @ values
    std = np.sqrt((weights * (values - mean[:, None]) ** 2).sum(axis=1))
    return _rounded(mean), tuple(deviation or 1.0 for deviation in _rounded(std))


def _rounded(values: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(round(float(value), 4) for value in values)
