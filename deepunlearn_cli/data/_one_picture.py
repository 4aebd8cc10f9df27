"""One picture by itself: found by its name in a dataset, or decoded from a file as a dataset's were."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.core.npy import read_array
from deepunlearn_cli.data._dataset import Dataset, Pixels
from deepunlearn_cli.data._pictures import (
    Unreadable,
    _converted,
    _fitted,
    _resized,
    _with_picture,
    resized_by,
)

SIZE = "give the picture as it was when the data were decoded"


def index_of(named: str, dataset: Dataset) -> int | None:
    """The index of the picture of this path or, as its owner counts, of this number; None without one."""
    if named in dataset.paths:
        return dataset.paths.index(named)
    if named.isdecimal() and not dataset.uncounted:
        return dataset.by_number.get(int(named))
    return None


def decoded_picture(path: Path, shape: tuple[int, int, int], interpolation: str) -> Pixels:
    """A picture file, or pixels in `.npy`, as uint8 (H, W, C) of this shape.

    Raises:
        UsageFailure: it is no picture, or has other channels.
    """
    with resized_by(interpolation):
        try:
            return _of_array(path, shape) if path.suffix == ".npy" else _of_file(path, shape)
        except (Unreadable, ValueError, EOFError, OSError) as error:
            raise UsageFailure(f"cannot use picture {error}", SIZE) from None


def _of_file(path: Path, shape: tuple[int, int, int]) -> Pixels:
    height, width, channels = shape
    picture = _with_picture(path, partial(_converted, "L" if channels == 1 else "RGB"))
    return np.asarray(_fitted(picture, width, height)).reshape(shape)


def _of_array(path: Path, shape: tuple[int, int, int]) -> Pixels:
    pixels = read_array(path)
    if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3) or 0 in pixels.shape:
        raise ValueError(f"{path}: it holds no uint8 pixels (H, W) or (H, W, C)")
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    if pixels.shape[2] not in (1, shape[2]):
        raise ValueError(f"{path}: it has {pixels.shape[2]} channels, not {shape[2]}")
    return np.broadcast_to(_resized(pixels[None], shape[:2])[0], shape)
