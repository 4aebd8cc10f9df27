"""`folder:PATH`: own pictures, one folder per class."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np

from deepunlearn_cli.core.errors import NotFound, UsageFailure
from deepunlearn_cli.data._dataset import Indices
from deepunlearn_cli.data._family import Family, Plan, hold_out
from deepunlearn_cli.data._listing import File, digest, listing
from deepunlearn_cli.data._pictures import file_filler, shape_of

LAYOUT = "expected PATH/CLASS/*.jpg, or PATH/train/CLASS/*.jpg with PATH/test/CLASS/*.jpg"


class Folder(Family):
    """The layout of torchvision's ImageFolder, with or without `train/` and `test/`.

    Classes and pictures are sorted by name; without `test/`, 20 % of the pictures are the test part by the
    benchmark's rule for UTKFace. Size is the pictures' own if all are equal; one channel if all are grey;
    mean and deviation are the training part's. Augmentation as for CIFAR: mirrored, and cropped with a
    padding of an eighth of the size.
    """

    summary = "own pictures, one folder per class, perhaps below train/ and test/"
    source = "your disk"
    takes = "PATH"

    @property
    def folder(self) -> Path:
        """The folder, as the user named it."""
        return Path(self.argument).expanduser()

    @property
    def label(self) -> str:
        """`folder:` and the folder's own name."""
        return f"folder:{self.folder.resolve().name}"

    @cached_property
    def files(self) -> list[File]:
        """All pictures, `train/` before `test/`, sorted."""
        if self.parts:
            return [
                file._replace(path=f"{part}/{file.path}")
                for part in self.parts
                for file in listing(self.folder / part)
            ]
        return listing(self.folder)

    @cached_property
    def parts(self) -> tuple[str, ...]:
        """`train` and `test` if they are there, else nothing."""
        there = tuple(part for part in ("train", "test") if (self.folder / part).is_dir())
        if len(there) == 1 and any(entry.is_dir() for entry in (self.folder / there[0]).iterdir()):
            lacking = "test" if there == ("train",) else "train"
            raise UsageFailure(
                f"{self.folder} has {there[0]}/ but no {lacking}/",
                f"add {lacking}/, or name {self.folder / there[0]} to have a test part drawn from it",
            )
        return there if len(there) == 2 else ()

    def stamp(self) -> list[str]:
        """The folder's place and the digest of its listing."""
        if not self.folder.is_dir():
            raise NotFound(f"no folder {self.folder}", f"name a folder of pictures: {LAYOUT}")
        if not self.files:
            raise UsageFailure(f"no pictures in {self.folder}", LAYOUT)
        return [str(self.folder.resolve()), digest(self.files)]

    def plan(self) -> Plan:
        """Raises `UsageFailure` for another layout, classes that differ, and pictures that cannot be used."""
        labels, classes = self._labels()
        order, train_size = self._order()
        paths = [self.files[index].path for index in order]
        places = [self.folder / path for path in paths]
        shape = shape_of(places, self.image_size)
        return Plan(
            name=self.label,
            shape=shape,
            labels=labels[order],
            train_size=train_size,
            classes=classes,
            fill=file_filler(self.label, places, resize=self.image_size is not None),
            flip=True,
            pad=min(shape[:2]) // 8,
            paths=tuple(paths),
        )

    def _labels(self) -> tuple[Indices, tuple[str, ...]]:
        depth = len(self.parts[:1])  # of the class in a path
        split = [file.path.split("/") for file in self.files]
        loose = [file.path for file, path in zip(self.files, split, strict=True) if len(path) < depth + 2]
        if loose:
            raise UsageFailure(
                f"{len(loose)} pictures in {self.folder} are in no class, as {loose[0]}", LAYOUT
            )
        names = [path[depth] for path in split]
        classes = tuple(sorted(set(names)))
        for part in self.parts or ("",):
            present = {name for name, path in zip(names, split, strict=True) if not part or path[0] == part}
            self._check_classes(self.folder / part, present, set(classes))
        numbers = {name: number for number, name in enumerate(classes)}
        return np.array([numbers[name] for name in names], dtype=np.int64), classes

    def _check_classes(self, place: Path, present: set[str], classes: set[str]) -> None:
        """Every class, empty class folders included, must have pictures in this part."""
        folders = {e.name for e in place.iterdir() if e.is_dir() and not e.name.startswith(".")}
        lacking = sorted((folders | classes) - present)
        if lacking:
            raise UsageFailure(
                f"{len(lacking)} classes have no pictures in {place}: {', '.join(lacking[:5])}",
                f"add pictures to them, or remove these classes everywhere ({LAYOUT})",
            )

    def _order(self) -> tuple[Indices, int]:
        if not self.parts:
            train, test = hold_out(len(self.files), self.label)
            return np.concatenate([train, test]), len(train)
        in_train = sum(file.path.startswith("train/") for file in self.files)
        return np.arange(len(self.files), dtype=np.int64), in_train
