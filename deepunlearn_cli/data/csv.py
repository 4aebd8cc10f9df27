"""`csv:FILE`: own pictures, by a table of their paths and labels."""

from __future__ import annotations

import csv
import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path, PurePath
from typing import Any, NamedTuple

import numpy as np

from deepunlearn_cli.core.errors import Failure, NotFound, UsageFailure
from deepunlearn_cli.data._classes import check_part
from deepunlearn_cli.data._dataset import Indices
from deepunlearn_cli.data._family import FileFamily, Plan, hold_out
from deepunlearn_cli.data._listing import File, digest
from deepunlearn_cli.data._pictures import file_filler, shape_of, unreadable

PATHS, LABELS, SPLITS = ("path", "file", "filename", "image"), ("label", "class", "target"), ("split",)
PARTS = ("train", "test")
LAYOUT = "FILE has a header, path,label or path,label,split (train or test), and a line for each picture"
SHOWN = 5  # lines named in an error


class Line(NamedTuple):
    """A picture: where it stands in the file, its path (with `/`) and label; its part, empty for none."""

    number: int
    path: str
    label: str
    part: str


class Csv(FileFamily):
    """A table with a header: a picture's path (relative to the table's folder), its label, perhaps its part.

    Columns are found by name (`path file filename image`, `label class target`, `split`), in any case and
    order; others are left alone. Classes are sorted, as numbers if all labels are whole numbers. Pictures
    stay in the order of the lines; without `split`, 20 % of them are the test part by the benchmark's rule
    for UTKFace. The rest is as for `folder:PATH`.
    """

    summary = "own pictures by a table of path and label, perhaps split"

    @cached_property
    def lines(self) -> list[Line]:
        """All pictures, in the order of the file.

        Raises:
            UsageFailure: not such a table, or lines of it that cannot be used, by their numbers.
        """
        header, rows = self._read()
        path, label = (self._column(header, names) for names in (PATHS, LABELS))
        split = self._column(header, SPLITS) if any(name in SPLITS for name in header) else None
        self._refuse_lines("have more or fewer cells", [n for n, row in rows if len(row) != len(header)])
        labels = _plain([row[label] for _, row in rows])
        parts = ["" if split is None else row[split].strip().lower() for _, row in rows]
        lines = [
            Line(number, PurePath(row[path].strip()).as_posix(), name, part)
            for (number, row), name, part in zip(rows, labels, parts, strict=True)
        ]
        self._check(lines, PARTS if split is not None else ("",))
        return lines

    def stamp(self) -> list[str]:
        """The table's place, and a digest of it and of the files that it names."""
        if not self.file.is_file():
            raise NotFound(f"no file {self.file}", LAYOUT)
        places = [self.file, *(self._place(line) for line in self.lines)]
        files = [_looked_up(place) for place in places]
        missing = [line for line, file in zip(self.lines, files[1:], strict=True) if file is None]
        self._refuse_lines("name pictures that are not there", missing)
        return [str(self.file.resolve()), digest(file for file in files if file)]

    def plan(self) -> Plan:
        """Raises `UsageFailure` for pictures that cannot be used."""
        order, train_size = self._order()
        lines = [self.lines[index] for index in order]
        places = [self._place(line) for line in lines]
        broken = sorted(lines[index] for index in unreadable(places))
        self._refuse_lines("name pictures that cannot be read", broken)
        labels, classes = _numbered([line.label for line in lines])
        check_part(self.label, classes, labels[:train_size], drawn=not lines[0].part)
        shape = shape_of(places, self.image_size)
        return Plan(
            name=self.label,
            shape=shape,
            labels=labels,
            train_size=train_size,
            classes=classes,
            fill=file_filler(self.label, places, resize=self.image_size is not None),
            flip=True,
            pad=min(shape[:2]) // 8,
            paths=tuple(line.path for line in lines),
            **self._numbers(order),
        )

    def _read(self) -> tuple[list[str], list[tuple[int, list[str]]]]:
        """The header in lower case; and the cells of every line that is not empty, with its number."""
        try:
            with self.file.open(encoding="utf-8-sig", newline="") as text:
                reader = csv.reader(text, skipinitialspace=True, strict=True)
                rows = [(reader.line_num, row) for row in reader if row]
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise self._refused(f"is no table of text: {error}") from None
        if len(rows) < 2:
            raise self._refused("names no pictures")
        return [name.strip().lower() for name in rows[0][1]], rows[1:]

    def _column(self, header: Sequence[str], names: tuple[str, ...]) -> int:
        """The one column with one of these names."""
        columns = [column for column, name in enumerate(header) if name in names]
        if not columns:
            raise self._refused(f"has no column {' or '.join(names)}, only {', '.join(header)}")
        if len(columns) > 1:
            several = " and ".join(header[column] for column in columns)
            raise self._refused(f"has several columns for the {names[0]}: {several}")
        return columns[0]

    def _check(self, lines: Sequence[Line], parts: tuple[str, ...]) -> None:
        self._refuse_lines("lack a path or a label", [x for x in lines if x.path == "." or not x.label])
        self._refuse_lines(
            "have a split that is neither train nor test", [x for x in lines if x.part not in parts]
        )
        places = Counter(map(self._place, lines))
        self._refuse_lines("name a picture twice", [x for x in lines if places[self._place(x)] > 1])
        classes = {line.label for line in lines}
        if len(classes) < 2:
            raise self._refused(f"has the label {min(classes)} only", "there is no telling one class apart")
        for part in parts:
            lacking = sorted(classes - {line.label for line in lines if line.part == part})
            if lacking:
                raise self._refused(f"has no {part} pictures of {len(lacking)} classes: {_shown(lacking)}")

    def _order(self) -> tuple[Indices, int]:
        """Indices of the lines, the training part first, and its size."""
        if not self.lines[0].part:
            train, test = hold_out(len(self.lines), self.label)
        else:
            tested = np.array([line.part == "test" for line in self.lines])
            train, test = np.flatnonzero(~tested), np.flatnonzero(tested)
        return np.concatenate([train, test]), len(train)

    def _numbers(self, order: Indices) -> dict[str, Any]:
        """Numbers of the pictures: of their lines, unless one could count within the training part too."""
        if not self.lines[0].part:
            return {"numbers": tuple(order.tolist())}
        if order.tolist() == list(range(len(order))):
            return {}
        return {"uncounted": "lines of the training and of the test part are mixed in the table"}

    def _place(self, line: Line) -> Path:
        return Path(os.path.normpath(self.file.absolute().parent / line.path))

    def _refuse_lines(self, fault: str, wrong: Sequence[Line | int]) -> None:
        if wrong:
            named = [f"{x.number} ({x.path})" if isinstance(x, Line) else str(x) for x in wrong]
            raise self._refused(f"{len(wrong)} lines {fault}: {_shown(named)}")

    def _refused(self, fault: str, hint: str = LAYOUT) -> Failure:
        return UsageFailure(f"{self.file}: {fault}", hint)


def _looked_up(place: Path) -> File | None:
    """A file's state; None if there is no such file."""
    try:
        facts = place.stat()
    except (OSError, ValueError):
        return None
    return File(str(place), facts.st_size, facts.st_mtime_ns) if place.is_file() else None


def _plain(labels: Sequence[str]) -> list[str]:
    """Labels without spaces around them; whole numbers, if all are, without signs and zeros in front."""
    named = [label.strip() for label in labels]
    return [str(int(label)) for label in named] if _whole(named) else named


def _whole(labels: Iterable[str]) -> bool:
    return all(re.fullmatch(r"[+-]?[0-9]+", label) for label in labels)


def _numbered(labels: Sequence[str]) -> tuple[Indices, tuple[str, ...]]:
    """Labels as numbers 0, 1, ..., and the classes that these stand for."""
    classes = sorted(set(labels), key=int) if _whole(labels) else sorted(set(labels))
    numbers = {name: number for number, name in enumerate(classes)}
    return np.array([numbers[label] for label in labels], dtype=np.int64), tuple(classes)


def _shown(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:SHOWN]) + (", ..." if len(listed) > SHOWN else "")
