"""`npz:FILE`: own pictures as NumPy arrays."""

from __future__ import annotations

from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from deepunlearn_cli.core.errors import Failure, NotFound, UsageFailure
from deepunlearn_cli.data._dataset import Indices, Pixels
from deepunlearn_cli.data._family import FileFamily, Plan, hold_out
from deepunlearn_cli.data._pictures import array_filler

LAYOUT = "np.savez(FILE, x_train=..., y_train=..., x_test=..., y_test=...) with uint8 pictures (N, H, W[, C])"


class Npz(FileFamily):
    """Arrays `x_train y_train x_test y_test`: uint8 (N, H, W) or (N, H, W, C), C 1 or 3; labels from 0 up.

    Without `x_test` and `y_test`, 20 % of the pictures are the test part by the benchmark's rule for
    UTKFace. Mean and deviation are the training part's. Training crops with a padding of an eighth of the
    size and does not mirror: what the pictures show is not known.
    """

    summary = "own arrays x_train y_train x_test y_test"

    def stamp(self) -> list[Any]:
        """The file's place, size and time of change."""
        if not self.file.is_file():
            raise NotFound(f"no file {self.file}", LAYOUT)
        facts = self.file.stat()
        return [str(self.file.resolve()), facts.st_size, facts.st_mtime_ns]

    def plan(self) -> Plan:
        """Raises `UsageFailure`, naming the array, for anything but the layout above."""
        arrays = self._arrays()
        parts = self._parts(arrays)
        height, width, channels = parts[0][0].shape[1:]
        if self.image_size:
            height = width = self.image_size
        labels = np.concatenate([labels for _, labels in parts])
        return Plan(
            name=self.label,
            shape=(height, width, channels),
            labels=labels,
            train_size=len(parts[0][1]),
            classes=tuple(map(str, range(int(labels.max()) + 1))),
            fill=array_filler(self.label, *(images for images, _ in parts)),
            flip=False,
            pad=min(height, width) // 8,
        )

    def _arrays(self) -> dict[str, NDArray[Any]]:
        try:
            loaded = np.load(self.file, allow_pickle=False)
        except (OSError, ValueError, EOFError, BadZipFile):
            raise self._refuse("is not an npz file") from None
        if not isinstance(loaded, np.lib.npyio.NpzFile):
            raise self._refuse("is a single array, not an npz file")
        with loaded:
            return {name: self._array(loaded, name) for name in self._names(loaded.files)}

    def _names(self, there: list[str]) -> list[str]:
        tested = {"x_test", "y_test"} & set(there)
        names = ["x_train", "y_train", *(["x_test", "y_test"] if tested else [])]
        for name in names:
            if name not in there:
                raise self._refuse(f"has no array {name}, only {', '.join(there) or 'nothing'}")
        return names

    def _array(self, loaded: Any, name: str) -> NDArray[Any]:
        try:
            array: NDArray[Any] = loaded[name]
        except ValueError as error:
            fault = "holds pickled objects" if "allow_pickle" in str(error) else "cannot be read"
            raise self._refuse(f"{name} {fault}") from None
        except (OSError, EOFError, BadZipFile, RuntimeError):
            raise self._refuse(f"{name} is damaged") from None
        return array

    def _parts(self, arrays: dict[str, NDArray[Any]]) -> list[tuple[Pixels, Indices]]:
        parts = [
            self._checked(part, arrays[f"x_{part}"], arrays[f"y_{part}"])
            for part in ("train", "test")
            if f"x_{part}" in arrays
        ]
        if len(parts) == 1:
            images, labels = parts[0]
            return [(images[chosen], labels[chosen]) for chosen in hold_out(len(labels), self.label)]
        shapes = [images.shape[1:] for images, _ in parts]
        if shapes[0] != shapes[1]:
            raise self._refuse(f"x_test has pictures of {_by(shapes[1])}, x_train of {_by(shapes[0])}")
        return parts

    def _checked(self, part: str, x: NDArray[Any], y: NDArray[Any]) -> tuple[Pixels, Indices]:
        labels = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
        if x.dtype != np.uint8:
            raise self._refuse(
                f"x_{part} is {x.dtype}, not uint8", "pictures of 0..1: (x * 255).round().astype('uint8')"
            )
        images = x[..., None] if x.ndim == 3 else x
        if images.ndim != 4 or images.shape[3] not in (1, 3) or 0 in images.shape:
            raise self._refuse(
                f"x_{part} is {_by(x.shape)}, not (N, H, W) or (N, H, W, C) with 1 or 3 channels"
            )
        if labels.ndim != 1 or labels.dtype.kind not in "iu":
            raise self._refuse(f"y_{part} is {labels.dtype} {_by(y.shape)}, not whole numbers (N,)")
        if len(labels) != len(images):
            raise self._refuse(f"y_{part} has {len(labels)} labels for {len(images)} pictures in x_{part}")
        self._check_labels(part, labels)
        return images, labels.astype(np.int64)

    def _check_labels(self, part: str, labels: NDArray[Any]) -> None:
        limit = 1 << 16  # beyond it, a label is an error rather than a class
        wrong = np.flatnonzero((labels < 0) | (labels >= limit))
        if len(wrong):
            first = f"y_{part}[{wrong[0]}] = {labels[wrong[0]]}"
            raise self._refuse(f"{first}: labels are from 0 to {limit - 1} ({len(wrong)} are not)")

    def _refuse(self, fault: str, hint: str = LAYOUT) -> Failure:
        return UsageFailure(f"{self.file}: {fault}", hint)


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "a single number"
