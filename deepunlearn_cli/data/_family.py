"""What a dataset family is: where its files are, what state they are in, and how to decode them."""

from __future__ import annotations

import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypedDict

import numpy as np

from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.core.names import encoded
from deepunlearn_cli.core.plugins import identity, name_of
from deepunlearn_cli.core.preparation import BILINEAR
from deepunlearn_cli.core.recipe import canonical
from deepunlearn_cli.core.shared import Progress
from deepunlearn_cli.core.specs import SPLIT_SEED
from deepunlearn_cli.data._dataset import Indices, Pixels

DECODER = 1  # raise it when the same files would be decoded to other pictures
RAW_VARIABLE = "DEEPUNLEARN_DATA"
TEST_SHARE = 0.2  # of datasets without an official test part, as the benchmark does for UTKFace


@dataclass(frozen=True)
class Plan:
    """How a source is decoded; the attributes are those of `Dataset`.

    Attributes:
        name: label for people.
        shape: (H, W, C) of every picture.
        labels: int64 (N,).
        train_size: the first so many pictures are the training part.
        classes: names, by label.
        fill: writes all N pictures into a uint8 (N, H, W, C) array.
        flip: whether training may mirror pictures.
        pad: pixels of padding for the random crop.
        mean: per channel; empty for "take it from the training part".
        std: per channel; empty as `mean`.
        paths: of the pictures, for folders.
        numbers, uncounted, left_out, split_folders: as of `Dataset`.
    """

    name: str
    shape: tuple[int, int, int]
    labels: Indices
    train_size: int
    classes: tuple[str, ...]
    fill: Callable[[Pixels, Progress], None]
    flip: bool
    pad: int
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    paths: tuple[str, ...] = ()
    numbers: tuple[int, ...] = ()
    uncounted: str = ""
    left_out: tuple[str, ...] = ()
    split_folders: str = ""

    @property
    def about(self) -> dict[str, Any]:
        """What is known of the source beside the pictures: no part of the fingerprint."""
        names = ("name", "paths", "numbers", "uncounted", "left_out", "split_folders")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class Asked:
    """What somebody said about a source.

    Attributes:
        split_folders: `TRAIN,TEST`, the folders of the parts; None where their names tell.
        classes: names in the order of the model's outputs; empty for the source's own order.
    """

    split_folders: str | None = None
    classes: tuple[str, ...] = ()


NOTHING = Asked()


class FamilyRow(TypedDict):
    """A family as a plain row.

    Attributes:
        name: as a spec is written: `digits`, `folder:PATH`.
        size: height and width in pixels; None for the pictures' own.
        classes: how many; None for the source's own.
        source: where the files come from.
    """

    name: str
    summary: str
    size: int | None
    classes: int | None
    source: str


class Family(ABC):
    """One kind of dataset.

    Args:
        argument: what follows the colon in `folder:PATH`; empty for families that take nothing.
        raw: folder of downloaded files (`$DEEPUNLEARN_DATA`).
        image_size: wanted height and width in pixels; None for the pictures' own.
        offline: never touch the network.
        asked: what somebody said about the source.
    """

    summary: ClassVar[str]
    source: ClassVar[str]  # where the files come from
    size: ClassVar[int | None] = None  # pixels; None: the pictures' own
    classes: ClassVar[int | None] = None  # None: the source's own
    takes: ClassVar[str] = ""  # what to write after the colon
    pictures: ClassVar[tuple[int, int] | None] = None  # for training and tests, where they are always so many
    fixed: ClassVar[bool] = False  # the same pictures everywhere: once decoded, the files may go

    def __init__(
        self,
        argument: str,
        raw: Path,
        image_size: int | None = None,
        offline: bool = False,
        asked: Asked = NOTHING,
    ) -> None:
        self.argument = argument
        self.raw = raw
        self.image_size = image_size or self.size
        self.offline = offline
        self.asked = asked
        self.interpolation = BILINEAR

    @property
    def label(self) -> str:
        """The dataset's name for people."""
        return name_of(type(self))

    def fetch(self, progress: Progress) -> None:  # noqa: B027
        """Get the files if they are missing. `NotFound` if that cannot be done."""

    @abstractmethod
    def stamp(self) -> Any:
        """The state of the source's files as plain data; quick, nothing is decoded.

        Raises:
            NotFound: there are none.
        """

    @abstractmethod
    def plan(self) -> Plan:
        """How to decode the source. `UsageFailure` if it cannot be."""

    def files_of(self, wanted: Callable[[str], bool]) -> list[Path]:
        """Files in the raw folder that hold pictures whose path is `wanted`; where nobody can tell, all."""
        del wanted
        return []

    def key(self, stamp: Any) -> str:
        """SHA-256 (hex) of the source in this state."""
        said: list[Any] = [list(vars(self.asked).values())] if self.asked != NOTHING else []
        said += [self.interpolation] if self.interpolation != BILINEAR else []
        state = canonical([DECODER, identity(type(self)), self.image_size, stamp, *said])
        return hashlib.sha256(encoded(state)).hexdigest()


def raw_folder(home: Path) -> Path:
    """Where downloaded files are: `$DEEPUNLEARN_DATA`, or `raw` beside the decoded datasets."""
    named = os.environ.get(RAW_VARIABLE)
    return Path(named).expanduser() if named else home / "raw"


def hold_out(count: int, name: str) -> tuple[Indices, Indices]:
    """Indices (training, test) of a source without an official test part.

    The benchmark's rule for UTKFace: of `default_rng(123).permutation(n)` the first `int(0.2 n)` are the
    test part, the others, in that order, the training part.

    Raises:
        UsageFailure: too few pictures for a test part.
    """
    size = int(TEST_SHARE * count)
    if size == 0:
        raise UsageFailure(
            f"{name}: {count} pictures are too few to set {TEST_SHARE:.0%} aside as test part",
            "add pictures, or give the test part yourself (see `deepunlearn datasets`)",
        )
    order = np.random.default_rng(SPLIT_SEED).permutation(count)
    return order[size:], order[:size]


class FileFamily(Family):
    """A kind of dataset that is one file of the user's."""

    source = "your disk"
    takes = "FILE"

    @property
    def file(self) -> Path:
        """The file, as the user named it."""
        return Path(self.argument).expanduser()

    @property
    def label(self) -> str:
        """The kind, and the file's name without its ending."""
        return f"{super().label}:{self.file.stem}"
