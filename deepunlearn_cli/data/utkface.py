"""`utkface`: faces with ages."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from functools import cached_property
from pathlib import Path, PurePosixPath

import numpy as np

from deepunlearn_cli.core.errors import NotFound, UsageFailure
from deepunlearn_cli.data._family import RAW_VARIABLE, Family, Plan, hold_out
from deepunlearn_cli.data._listing import File, digest, listing
from deepunlearn_cli.data._pictures import file_filler

YEARS = 20  # per class
SHOWN = 5  # files named in an error


class UtkFace(Family):
    """UTKFace, aligned and cropped (Zhang et al. 2017): age in five classes, no augmentation.

    Files are `age_gender_race_date.jpg.chip.jpg`; only the age is read, since three of the public files lack
    the race. They are sorted by name (the benchmark takes them as the file system gives them, so its split
    cannot be repeated), then 20 % are the test part by the benchmark's rule. Files must be kept for as long
    as the decoded pictures are to be found by name.
    """

    summary = "23,708 faces, age in 5 classes"
    pictures = (18_966, 4_742)
    source = "https://susanqq.github.io/UTKFace/ (Aligned&Cropped Faces)"
    size = 224
    classes = 5

    @property
    def folder(self) -> Path:
        """Where the files are looked for, at any depth."""
        return self.raw / "utkface"

    @cached_property
    def files(self) -> list[File]:
        """The pictures, sorted by name."""
        files = listing(self.folder, (".jpg",)) if self.folder.is_dir() else []
        return sorted(files, key=lambda file: PurePosixPath(file.path).name)

    def stamp(self) -> str:
        """Digest of the listing."""
        if not self.files:
            raise NotFound(
                f"utkface: no *.jpg in {self.folder}",
                f"get Aligned&Cropped Faces from {self.source.partition(' ')[0]} and unpack them there "
                f"({RAW_VARIABLE} names another folder than {self.raw})",
            )
        return digest(self.files)

    def plan(self) -> Plan:
        """Classes 0-19, 20-39, 40-59, 60-79, 80+.

        Raises:
            UsageFailure: a name without an age, or one that occurs twice.
        """
        ages = self._ages()
        train, test = hold_out(len(ages), self.label)
        order = np.concatenate([train, test])
        side = self.image_size or 224
        paths = [self.files[index].path for index in order]
        return Plan(
            name=self.label,
            shape=(side, side, 3),
            labels=np.minimum(ages // YEARS, 4)[order],
            train_size=len(train),
            classes=("0-19", "20-39", "40-59", "60-79", "80+"),
            fill=file_filler(self.label, [self.folder / path for path in paths], resize=True),
            flip=False,
            pad=0,
            mean=(0.485, 0.456, 0.406),
            std=(0.229, 0.224, 0.225),
            paths=tuple(paths),
        )

    def files_of(self, wanted: Callable[[str], bool]) -> list[Path]:
        """The pictures' own files."""
        return [self.folder / file.path for file in self.files if wanted(file.path)]

    def _ages(self) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
        """Ages in years, file by file."""
        names = [PurePosixPath(file.path).name for file in self.files]
        matches = [re.match(r"(\d{1,3})_", name) for name in names]
        self._refuse(
            [n for n, age in zip(names, matches, strict=True) if not age], "have no age in their name"
        )
        self._refuse([n for n, count in Counter(names).items() if count > 1], "are there more than once")
        return np.array([int(age[1]) for age in matches if age], dtype=np.int64)

    def _refuse(self, names: list[str], fault: str) -> None:
        if names:
            raise UsageFailure(
                f"utkface: {len(names)} files in {self.folder} {fault}: {', '.join(names[:SHOWN])}",
                "keep one copy of the files named AGE_GENDER_RACE_DATE.jpg.chip.jpg there, and nothing else",
            )
