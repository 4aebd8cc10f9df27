"""What the families read by torchvision share: files, download, decoding."""

from __future__ import annotations

import io
import socket
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

import numpy as np

from deepunlearn_cli.core.errors import Failure, NotFound, UsageFailure
from deepunlearn_cli.core.shared import Progress
from deepunlearn_cli.data._dataset import Indices, Pixels
from deepunlearn_cli.data._family import RAW_VARIABLE, Family, Plan
from deepunlearn_cli.data._pictures import array_filler

Result = TypeVar("Result")

TIMEOUT = 30  # seconds without a byte before a download is given up
SHOWN = 3  # missing files named in an error


class TorchvisionFamily(Family):
    """A dataset with official files. Content is fixed, so decoded pictures outlive the files."""

    fixed = True
    size = 32
    classes = 10
    files: ClassVar[tuple[str, ...]]  # relative to the raw folder
    archives: ClassVar[tuple[str, ...]] = ()  # relative to the raw folder; unpacked where they lie
    mean: ClassVar[tuple[float, ...]]
    std: ClassVar[tuple[float, ...]]
    flip: ClassVar[bool]
    pad: ClassVar[int] = 0  # at 32 pixels; grows with the image size

    @abstractmethod
    def part(self, train: bool, download: bool = False) -> Any:
        """Torchvision's dataset object of the training or the test part."""

    @abstractmethod
    def arrays(self, part: Any) -> tuple[Pixels, Indices]:
        """Pictures uint8 (N, h, w, c) and labels int64 (N,) of a part."""

    def names(self, part: Any) -> tuple[str, ...]:
        """Class names, by label."""
        return tuple(map(str, range(self.classes or 0)))

    def stamp(self) -> list[tuple[str, int, int]]:
        """Name, size and time of change of the files that are there."""
        facts = [(name, (self.raw / name).stat()) for name in self.files if (self.raw / name).is_file()]
        return [(name, fact.st_size, fact.st_mtime_ns) for name, fact in facts]

    def fetch(self, progress: Progress) -> None:
        """Unpack archives that are there, else download, unless all files are there.

        Raises:
            NotFound: files are missing and it is offline, or the download fails.
            UsageFailure: an archive is damaged.
        """
        if self._missing():
            self._read(self._unpack)
        if self._missing() and self.offline:
            raise self._not_found("")
        if self._missing():
            self._download(progress)

    def plan(self) -> Plan:
        """Both parts in the benchmark's transforms (arXiv 2410.01276, `munl/datasets` of its code).

        Raises:
            UsageFailure: the files are damaged.
        """
        train, test = self._read(lambda: (self.part(train=True), self.part(train=False)))
        parts = [self.arrays(train), self.arrays(test)]
        side = self.image_size or 32
        return Plan(
            name=self.label,
            shape=(side, side, 3),
            labels=np.concatenate([labels for _, labels in parts]),
            train_size=len(parts[0][1]),
            classes=self.names(train),
            fill=array_filler(self.label, *(images for images, _ in parts)),
            flip=self.flip,
            pad=self.pad * side // 32,
            mean=self.mean,
            std=self.std,
        )

    def files_of(self, wanted: Callable[[str], bool]) -> list[Path]:
        """All of them: no archive with a checksum can be rewritten, and what is decoded needs none."""
        del wanted
        return [path for name in (*self.files, *self.archives) if (path := self.raw / name).is_file()]

    def _missing(self) -> list[str]:
        return [name for name in self.files if not (self.raw / name).is_file()]

    def _unpack(self) -> None:
        from torchvision.datasets.utils import extract_archive

        for archive in map(self.raw.joinpath, self.archives):
            if archive.is_file():
                extract_archive(str(archive), str(archive.parent))

    def _download(self, progress: Progress) -> None:
        try:
            with _quiet_downloads(self.label, progress):
                self.part(train=True, download=True)
                self.part(train=False, download=True)
        except (OSError, RuntimeError, ValueError, EOFError) as error:
            reason = " ".join(str(error).split()).rpartition("got: ")[2]  # of the last mirror
            raise self._not_found(reason[:120] or type(error).__name__) from None

    def _read(self, action: Callable[[], Result]) -> Result:
        from tarfile import TarError
        from zlib import error as ZlibError

        faults = (OSError, RuntimeError, ValueError, AssertionError, EOFError, TarError, ZlibError, KeyError)
        try:
            with redirect_stdout(io.StringIO()):
                return action()
        except faults as error:
            raise self._damaged(error) from None

    def _not_found(self, reason: str) -> Failure:
        missing = self._missing()
        more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
        lead = f"cannot download {self.label} ({reason}): " if reason else f"{self.label}: "
        wanted = " ".join(self.archives or self.files)
        first = "" if reason else "run once without --offline, or "
        return NotFound(
            f"{lead}missing {', '.join(missing[:SHOWN])}{more} in {self.raw}",
            f"{first}put {wanted} from {self.source} into {self.raw} ({RAW_VARIABLE} names another folder)",
        )

    def _damaged(self, error: BaseException) -> Failure:
        places = sorted({name.partition("/")[0] for name in self.files})
        reason = " ".join(str(error).split())[:80] or type(error).__name__
        return UsageFailure(
            f"the files of {self.label} in {self.raw} are damaged ({reason})",
            f"remove {' '.join(str(self.raw / place) for place in places)} and run again without --offline",
        )


class GreyFamily(TorchvisionFamily):
    """MNIST and its like: 28 pixels grey, three equal channels and 32 pixels as in the benchmark."""

    flip = True  # the benchmark mirrors all of them, digits included

    def arrays(self, part: Any) -> tuple[Pixels, Indices]:
        """Pictures (N, 28, 28, 1) and labels (N,)."""
        return part.data.numpy()[..., None], part.targets.numpy().astype(np.int64)


class CifarFamily(TorchvisionFamily):
    """CIFAR-10 and CIFAR-100."""

    flip = True
    pad = 4

    def arrays(self, part: Any) -> tuple[Pixels, Indices]:
        """Pictures (N, 32, 32, 3) and labels (N,)."""
        return part.data, np.asarray(part.targets, dtype=np.int64)

    def names(self, part: Any) -> tuple[str, ...]:
        """As in the official files."""
        return tuple(part.classes)


@contextmanager
def _quiet_downloads(label: str, progress: Progress) -> Iterator[None]:
    """Torchvision prints nothing, reports to `progress`, and gives up on a dead line."""
    import torchvision.datasets.utils as downloads

    class Bar:
        def __init__(self, total: float | None = None, **_: Any) -> None:
            self.done, self.total = 0.0, float(total or 0)

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def update(self, count: float) -> None:
            self.done += count
            progress(self.done, max(self.total, self.done), f"downloading {label}")

    before = (socket.getdefaulttimeout(), getattr(downloads, "tqdm", None))
    socket.setdefaulttimeout(TIMEOUT)
    downloads.tqdm = Bar
    try:
        with redirect_stdout(io.StringIO()):
            yield
    finally:
        socket.setdefaulttimeout(before[0])
        downloads.tqdm = before[1]
