"""`npz:FILE`: own pictures as NumPy arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepunlearn_cli.core.errors import Failure, NotFound, UsageFailure
from deepunlearn_cli.core.npy import DAMAGED, check_header
from deepunlearn_cli.data._classes import check_part
from deepunlearn_cli.data._dataset import Indices, Pixels
from deepunlearn_cli.data._family import FileFamily, Plan, hold_out
from deepunlearn_cli.data._listing import shown
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
        parts, numbers = self._parts(arrays)
        height, width, channels = parts[0][0].shape[1:]
        if self.image_size:
            height = width = self.image_size
        labels = np.concatenate([labels for _, labels in parts])
        classes = tuple(map(str, range(int(labels.max()) + 1)))
        self._check_classes(classes, [labels for _, labels in parts], drawn=len(numbers) > 0)
        return Plan(
            name=self.label,
            shape=(height, width, channels),
            labels=labels,
            train_size=len(parts[0][1]),
            classes=classes,
            fill=array_filler(self.label, *(images for images, _ in parts)),
            flip=False,
            pad=min(height, width) // 8,
            numbers=tuple(numbers),
            left_out=self.left_out,
        )

    def _check_classes(self, classes: tuple[str, ...], parts: list[Indices], *, drawn: bool) -> None:
        """Every number from 0 to the largest label is a class, and each must have pictures.

        Raises:
            UsageFailure: naming those without training pictures, or without pictures in a given test part.
        """
        present = [set(labels.tolist()) for labels in parts]
        if len(classes) < 2:
            raise self._refuse("has the label 0 only: there is no telling one class apart")
        nowhere = [name for name in classes if not any(int(name) in part for part in present)]
        if nowhere:
            raise self._refuse(
                f"labels go up to {classes[-1]}, and {len(nowhere)} of them have no pictures: "
                f"{shown(nowhere)}",
                "number the classes 0, 1, ... without gaps: y = np.unique(y, return_inverse=True)[1], over "
                "all parts together",
            )
        check_part(self.label, classes, parts[0], drawn=drawn)
        lacking = [name for name in classes if int(name) not in present[1]]
        if lacking and not drawn:
            raise self._refuse(f"y_test has no pictures of {len(lacking)} classes: {shown(lacking)}")

    @property
    def left_out(self) -> tuple[str, ...]:
        """Arrays of the file that are not read."""
        return tuple(f"array {name}" for name in self.there if name not in self._names(self.there))

    def _arrays(self) -> dict[str, NDArray[Any]]:
        try:
            loaded = np.load(self.file, allow_pickle=False)
        except (*DAMAGED, ValueError):
            raise self._refuse("is not an npz file") from None
        if not isinstance(loaded, np.lib.npyio.NpzFile):
            raise self._refuse("is a single array, not an npz file")
        with loaded:
            self.there = list(loaded.files)
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
            check_header(loaded.zip, name)
            array: NDArray[Any] = loaded[name]
        except ValueError as error:
            fault = "holds pickled objects" if "allow_pickle" in str(error) else f"cannot be read: {error}"
            raise self._refuse(f"{name} {fault}") from None
        except DAMAGED:
            raise self._refuse(f"{name} is damaged") from None
        return array

    def _parts(self, arrays: dict[str, NDArray[Any]]) -> tuple[list[tuple[Pixels, Indices]], list[int]]:
        """Pictures and labels of both parts; where these were drawn, the positions in `x_train`, too."""
        parts = [
            self._checked(part, arrays[f"x_{part}"], arrays[f"y_{part}"])
            for part in ("train", "test")
            if f"x_{part}" in arrays
        ]
        if len(parts) == 1:
            images, labels = parts[0]
            drawn = hold_out(len(labels), self.label)
            return [(images[chosen], labels[chosen]) for chosen in drawn], np.concatenate(drawn).tolist()
        shapes = [images.shape[1:] for images, _ in parts]
        if shapes[0] != shapes[1]:
            raise self._refuse(f"x_test has pictures of {_by(shapes[1])}, x_train of {_by(shapes[0])}")
        return parts, []

    def _checked(self, part: str, x: NDArray[Any], y: NDArray[Any]) -> tuple[Pixels, Indices]:
        labels = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
        if x.dtype != np.uint8:
            raise self._refuse(f"x_{part} is {x.dtype}, not uint8", _to_bytes(x))
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


def _to_bytes(x: NDArray[Any]) -> str:
    """How numbers that are no bytes become the bytes of their pictures, by what they look like."""
    if x.dtype.kind not in "biuf" or not x.size or not np.isfinite(x).all():
        return LAYOUT
    low, high = float(x.min()), float(x.max())
    if x.dtype.kind == "b" or (low >= 0 and high <= 1 and x.dtype.kind == "f"):
        return "they look like 0..1: (x * 255).round().astype('uint8')"
    if low >= 0 and high <= 255:
        whole = x.dtype.kind in "iu"
        return f"they look like 0..255: {'x' if whole else 'x.round()'}.astype('uint8')"
    return f"they go from {low:g} to {high:g}: give the bytes 0..255 from before they were normalised"


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "a single number"
