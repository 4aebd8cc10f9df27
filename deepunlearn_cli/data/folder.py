"""`folder:PATH`: own pictures, one folder per class."""

from __future__ import annotations

from collections import Counter
from functools import cached_property
from pathlib import Path
from unicodedata import normalize

import numpy as np

from deepunlearn_cli.core.errors import NotFound, UsageFailure
from deepunlearn_cli.core.names import printable
from deepunlearn_cli.data import _layout
from deepunlearn_cli.data._classes import check_part, numbered
from deepunlearn_cli.data._dataset import Indices
from deepunlearn_cli.data._family import Family, Plan, hold_out
from deepunlearn_cli.data._layout import LAYOUT, Parts
from deepunlearn_cli.data._listing import SYSTEM, File, Survey, digest, shown, survey
from deepunlearn_cli.data._pictures import file_filler, shape_of


class Folder(Family):
    """The layout of torchvision's ImageFolder, with or without `train/` and `test/`.

    Parts are found by the usual words in any case (`Train`, `testing`). Classes and pictures are sorted by
    name; without `test/`, 20 % of the pictures are the test part by the benchmark's rule for UTKFace. Size is
    the pictures' own if all are equal; one channel if all are grey; mean and deviation are the training
    part's. Augmentation as for CIFAR: mirrored, and cropped with a padding of an eighth of the size.
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
        return f"folder:{printable(self.folder.resolve().name)}"

    @cached_property
    def found(self) -> Survey:
        """Everything in the folder."""
        return survey(self.folder)

    @cached_property
    def parts(self) -> Parts:
        """The folders of the parts, if there are some."""
        return _layout.parts_of(self.folder, self.found, self.asked.split_folders, self.asked.classes)

    @cached_property
    def files(self) -> list[File]:
        """All pictures, the training part before the test part, sorted."""
        if not self.parts.all:
            return self.found.files
        return [
            file for part in self.parts.all for file in self.found.files if file.path.startswith(f"{part}/")
        ]

    def stamp(self) -> list[str]:
        """The folder's place, the digest of its listing, and of what is left out of it."""
        if not self.folder.is_dir():
            raise NotFound(f"no folder {self.folder}", f"name a folder of pictures: {LAYOUT}")
        if not self.found.files:
            said = "; ".join(_layout.left_out(self.found, Parts()))
            raise UsageFailure(f"no pictures in {self.folder}{said and f', but {said}'}", LAYOUT)
        return [str(self.folder.resolve()), digest(self.files), *self._aside()]

    def plan(self) -> Plan:
        """Raises `UsageFailure` for another layout, classes that differ, and pictures that cannot be used."""
        labels, classes = self._labels()
        order, train_size = self._order()
        if not self.parts.all:
            check_part(self.label, classes, labels[order[:train_size]], drawn=True)
        paths = [self.files[index].path for index in order]
        places = [self.folder / path for path in paths]
        shape = shape_of(places, self.image_size)
        numbers, uncounted = self._numbers(paths)
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
            numbers=numbers,
            uncounted=uncounted,
            left_out=_layout.left_out(self.found, self.parts),
            split_folders=self.asked.split_folders or "",
        )

    def _aside(self) -> list[str]:
        """What is left out, where something is: another state of the folder, though of equal pictures."""
        others = _layout.left_out(self.found, self.parts)
        return ["; ".join(others)] if others else []

    def _labels(self) -> tuple[Indices, tuple[str, ...]]:
        split = [self._inner(file).split("/") for file in self.files]
        loose = [file.path for file, path in zip(self.files, split, strict=True) if len(path) < 2]
        if loose:
            raise UsageFailure(
                f"{len(loose)} pictures in {self.folder} are in no class, as {loose[0]}", LAYOUT
            )
        _layout.check_classes(self.folder, self.found, self.parts, self.asked.classes)
        labels, classes = numbered([path[0] for path in split])
        self._check_spelling()
        for group in (self.parts.train, self.parts.test) if self.parts.all else (("",),):
            self._check_group(group, classes)
        return labels, classes

    def _inner(self, file: File) -> str:
        """A picture's path within its part."""
        return file.path.partition("/")[2] if self.parts.all else file.path

    def _check_spelling(self) -> None:
        """Refuse two classes in one place whose names look the same."""
        for part in self.parts.all or ("",):
            here = {path.partition("/")[0] for path in _layout.inner(self.files, part)}
            counts = Counter(normalize("NFC", name) for name in here)
            if twice := sorted(name for name, count in counts.items() if count > 1):
                raise UsageFailure(
                    f"{self.folder / part} has folders whose names differ in their Unicode form only: "
                    f"{shown(twice)}",
                    "join them",
                )

    def _check_group(self, group: tuple[str, ...], classes: tuple[str, ...]) -> None:
        """Every class, empty class folders included, must have pictures in this part."""
        places = [self.folder / part for part in group]
        present = {normalize("NFC", path.split("/")[0]) for path in map(self._inner, self._of(group))}
        folders = {e.name for place in places for e in place.iterdir() if e.is_dir() and _is_class(e.name)}
        wanted = {normalize("NFC", name) for name in (*folders, *classes)}
        lacking = sorted(wanted - present)
        if lacking:
            raise UsageFailure(
                f"{len(lacking)} classes have no pictures in {places[0]}: {shown(lacking)}",
                f"add pictures to them, or remove these classes everywhere ({LAYOUT})",
            )

    def _of(self, group: tuple[str, ...]) -> list[File]:
        return [f for f in self.files if group == ("",) or f.path.partition("/")[0] in group]

    def _order(self) -> tuple[Indices, int]:
        if not self.parts.all:
            train, test = hold_out(len(self.files), self.label)
            return np.concatenate([train, test]), len(train)
        return np.arange(len(self.files), dtype=np.int64), len(self._of(self.parts.train))

    def _numbers(self, paths: list[str]) -> tuple[tuple[int, ...], str]:
        """The pictures' numbers as ImageFolder counts them; or why they cannot be told."""
        if max(map(len, self.parts), default=0) > 1:
            return (), "several folders make up a part"
        counted = [p for part in self.parts.all or ("",) for p in _layout.imagefolder_order(self.found, part)]
        if sorted(counted) != sorted(paths):
            other = sorted(set(counted) ^ set(paths))
            return (), f"ImageFolder would count other pictures ({shown(other, 2)})"
        places = {path: number for number, path in enumerate(counted)}
        numbers = tuple(places[path] for path in paths)
        return (() if numbers == tuple(range(len(paths))) else numbers), ""


def _is_class(name: str) -> bool:
    return not name.startswith(".") and name.lower() not in SYSTEM
