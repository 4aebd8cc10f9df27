"""Pictures to bytes: resizing arrays and decoding files, with Pillow."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from struct import error as StructError
from typing import TYPE_CHECKING, NamedTuple, TypeVar
from zlib import error as ZlibError

import numpy as np

from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.core.preparation import BILINEAR
from deepunlearn_cli.core.shared import Progress
from deepunlearn_cli.data._dataset import Pixels
from deepunlearn_cli.data._listing import shown
from deepunlearn_cli.system import machine

if TYPE_CHECKING:
    from PIL.Image import Image

Result = TypeVar("Result")

BATCH = 256  # pictures per piece of work
LARGE = 128  # pixels a side, from which on decoding takes longer than opening (guide, Speed)
# what Pillow's readers raise for broken files
UNREADABLE = (
    OSError, SyntaxError, ValueError, EOFError, TypeError, KeyError, IndexError, OverflowError,
    AttributeError, NotImplementedError, MemoryError, StructError, ZlibError,
)  # fmt: skip
INTERPOLATIONS = (BILINEAR, "bicubic", "lanczos", "nearest", "box")  # Pillow's, by its names
DEEP = {"I", "I;16", "I;16B", "I;16L", "F"}  # Pillow modes of more than 8 bits


def array_filler(label: str, *parts: Pixels) -> Callable[[Pixels, Progress], None]:
    """A `Plan.fill` for arrays (N, h, w, c), one after the other; resized to the target where they differ.

    A single channel fills all channels of the target.
    """

    def fill(out: Pixels, progress: Progress) -> None:
        done = 0
        for part in parts:
            for start in range(0, len(part), BATCH):
                piece = part[start : start + BATCH]
                out[done : done + len(piece)] = _resized(piece, out.shape[1:3])
                done += len(piece)
                progress(done, len(out), f"decoding {label}")

    return fill


def file_filler(label: str, paths: Sequence[Path], resize: bool) -> Callable[[Pixels, Progress], None]:
    """A `Plan.fill` for picture files, of large ones on as many threads as there are cores.

    Filling raises `UsageFailure`, naming all such files, for pictures that cannot be read, have more than 8
    bits per channel or, unless `resize`, are of another size than the first.
    """

    def fill(out: Pixels, progress: Progress) -> None:
        faults = Faults([], [])
        starts = range(0, len(paths), BATCH)
        work = partial(_decode_batch, out, paths, resize, faults)
        # closing the iterator cancels what has not begun, also when Ctrl-C comes inside `progress`
        with (
            _quiet(),
            ThreadPoolExecutor(_threads(paths)) as pool,
            closing(_mapped(pool, work, starts)) as results,
        ):
            for done in results:
                progress(done, len(paths), f"decoding {label}")
        faults.check(f"{paths[0]} has {out.shape[2]}x{out.shape[1]} pixels")

    return fill


def _threads(paths: Sequence[Path]) -> int:
    """Threads that decode fastest: Pillow decodes beside other threads, but opens files beside none."""
    _, size = next(_readable(paths), ("", (0, 0)))
    return machine.cores() if min(size) >= LARGE else 1


class Faults(NamedTuple):
    """Pictures that cannot be used, each with its reason: broken ones, and those of another size."""

    broken: list[str]
    odd: list[str]

    def check(self, first: str) -> None:
        """Refuse them, if there are some; `first` says the size that all should have."""
        if self.broken:
            many = f"{len(self.broken)} pictures" if len(self.broken) > 1 else "picture"
            raise UsageFailure(
                f"cannot use {many} {shown(sorted(self.broken))}", "repair, convert or remove them"
            )
        if self.odd:
            raise UsageFailure(
                f"{len(self.odd)} pictures differ in size: {first}, {shown(sorted(self.odd))}",
                "--image-size 64 makes them all equal",
            )


def shape_of(paths: Sequence[Path], image_size: int | None) -> tuple[int, int, int]:
    """(H, W, C) of a folder of pictures: the first one's size, or `image_size`; one channel if all are grey.

    Raises:
        UsageFailure: no picture can be read. (Others that cannot are named when all are decoded.)
    """
    with _quiet():
        modes = _readable(paths)
        first = next(modes, None)
        if first is None:
            faults = Faults([], [])
            for path in paths:
                _noted(path, faults)
            faults.check("")
            raise AssertionError("a picture was read the second time")
        grey = first[0] == "L" and all(mode == "L" for mode, _ in modes)  # stops at the first in colour
    width, height = (image_size, image_size) if image_size else first[1]
    return height, width, 1 if grey else 3


def _readable(paths: Sequence[Path]) -> Iterator[tuple[str, tuple[int, int]]]:
    """Mode and (width, height) of each picture that can be read."""
    for path in paths:
        with suppress(Unreadable):
            yield _peek(path)


def _noted(path: Path, faults: Faults) -> None:
    try:
        _peek(path)
    except Unreadable as fault:
        faults.broken.append(str(fault))


def unreadable(paths: Sequence[Path]) -> list[int]:
    """Which files are no pictures, by how they begin (a torn end shows when they are decoded)."""
    return [index for index, path in enumerate(paths) if not _opens(path)]


def _opens(path: Path) -> bool:
    try:
        _peek(path)
    except Unreadable:
        return False
    return True


class Unreadable(Exception):
    """A picture, by its path, and why it cannot be read."""


@contextmanager
def _quiet() -> Iterator[None]:
    """What Pillow has to say of pictures that it reads all the same never mixes with ours."""
    logging.getLogger("PIL").addHandler(logging.NullHandler())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _peek(path: Path) -> tuple[str, tuple[int, int]]:
    return _with_picture(path, lambda picture: (picture.mode, picture.size))


def _mapped(pool: ThreadPoolExecutor, work: Callable[[int], int], starts: range) -> Generator[int]:
    yield from pool.map(work, starts)


def _decode_batch(out: Pixels, paths: Sequence[Path], resize: bool, faults: Faults, start: int) -> int:
    end = min(start + BATCH, len(paths))
    height, width, channels = out.shape[1:]
    for index in range(start, end):
        try:
            picture = _with_picture(paths[index], partial(_converted, "L" if channels == 1 else "RGB"))
        except Unreadable as fault:
            faults.broken.append(str(fault))
            continue
        if picture.size != (width, height) and not resize:
            faults.odd.append(f"{paths[index]} {picture.size[0]}x{picture.size[1]}")
        else:
            out[index] = np.asarray(_fitted(picture, width, height)).reshape(out.shape[1:])
    return end


def _with_picture(path: Path, use: Callable[[Image], Result]) -> Result:
    from PIL import Image

    try:
        with Image.open(path) as picture:
            if picture.mode in DEEP:
                raise ValueError("more than 8 bits per channel")
            return use(picture)
    except (*UNREADABLE, Image.DecompressionBombError) as error:
        reason = (
            " ".join(str(error).replace(f"'{path}'", "it").replace(str(path), "it").split())
            or type(error).__name__
        )
        raise Unreadable(f"{path}: {reason}") from None


def _converted(mode: str, picture: Image) -> Image:
    return picture.convert(mode)


_interpolation = [BILINEAR]  # of the dataset that is being decoded: threads that decode have no context


@contextmanager
def resized_by(interpolation: str) -> Iterator[None]:
    """Pictures that are decoded within are resized in this way.

    Raises:
        UsageFailure: there is no such way.
    """
    if interpolation not in INTERPOLATIONS:
        raise UsageFailure(
            f"--interpolation {interpolation!r} is none of {', '.join(INTERPOLATIONS)}", "bilinear, say"
        )
    _interpolation.append(interpolation)
    try:
        yield
    finally:
        _interpolation.pop()


def _fitted(picture: Image, width: int, height: int) -> Image:
    from PIL.Image import Resampling

    if picture.size == (width, height):
        return picture
    return picture.resize((width, height), Resampling[_interpolation[-1].upper()])


def _resized(images: Pixels, size: tuple[int, ...]) -> Pixels:
    from PIL import Image

    if images.shape[1:3] == size:
        return images
    flat = images[..., 0] if images.shape[-1] == 1 else images
    resized = [np.asarray(_fitted(Image.fromarray(image), size[1], size[0])) for image in flat]
    return np.stack(resized).reshape(len(images), *size, images.shape[-1])
