"""Rows of a CSV of figures: its columns by any of their names, and cells that are checked when read."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from deepunlearn_cli.core.errors import Failure, NotFound, UsageFailure
from deepunlearn_cli.core.names import unguarded

# each with the names it is known by: ours, then those of the released benchmark (arXiv 2410.01276)
COLUMNS = {
    "dataset": ("dataset",),
    "model": ("model",),
    "method": ("method",),
    "seed": ("seed",),
    "RA": ("RA", "Retain"),
    "FA": ("FA", "Forget"),
    "TA": ("TA", "Test"),
    "VA": ("VA", "Val"),
    "U-MIA": ("U-MIA", "Test MIA"),
    "Val MIA": ("Val MIA",),
    "seconds": ("seconds", "runtime_seconds"),
    "work": ("work",),
    "device": ("device",),
    "classes": ("classes",),
    "status": ("status",),
    "reason": ("reason", "error_message"),
}
NEEDED = ("dataset", "model", "method", "seed", "RA", "FA", "TA")
ACCURACIES, ATTACKS = ("RA", "FA", "VA", "TA"), ("U-MIA", "Val MIA")

DONE = ("", "done", "ok", "success", "successful", "succeeded", "complete", "completed", "finished")
FAILED = re.compile("fail|error|diverg|crash|nan|time|oom|memory|abort|kill|cancel|invalid|missing|skip")


@dataclass(frozen=True)
class Line:
    """A row: where it ends in which file, and the text of every column that the file has."""

    path: Path
    number: int
    cells: Mapping[str, str]

    @property
    def failed(self) -> bool:
        """Whether its status says that there is no usable model.

        Raises:
            UsageFailure: a status that says neither that nor the contrary.
        """
        status = self.text("status").lower()
        if status in DONE:
            return False
        if not FAILED.search(status):
            raise self.refused(f"status {status!r} is neither done nor failed", "leave it empty for done")
        return True

    def text(self, column: str) -> str:
        """What a column says, or nothing."""
        return self.cells.get(column, "")

    def name(self, column: str) -> str:
        """What a column says.

        Raises:
            UsageFailure: nothing.
        """
        if not self.text(column):
            raise self.refused(f"the column {column} is empty", "every row needs one")
        return self.text(column)

    def whole(self, column: str) -> int | None:
        """A whole number from 0 up, or None for an empty cell.

        Raises:
            UsageFailure: anything else.
        """
        value = self.amount(column)
        if value is not None and (math.isnan(value) or value != int(value)):
            raise self.refused(f"{column} {self.text(column)!r} is not a whole number", "0, 1, ...")
        return None if value is None else int(value)

    def amount(self, column: str) -> float | None:
        """A number from 0 up or NaN, or None for an empty cell.

        Raises:
            UsageFailure: anything else.
        """
        text = self.text(column)
        value = self.number_in(column, text) if text else None
        if value is not None and (value < 0 or math.isinf(value)):
            raise self.refused(f"{column} {text} is {_wrong(value)}", "leave it empty if unknown")
        return value

    def number_in(self, column: str, text: str) -> float:
        """The number that a text is.

        Raises:
            UsageFailure: it is none.
        """
        try:
            return float(text)
        except ValueError:
            raise self.refused(f"{column} {text!r} is not a number", "leave it empty if unknown") from None

    def refused(self, message: str, hint: str) -> Failure:
        """What to raise of this row."""
        return UsageFailure(f"{self.path} line {self.number}: {message}", hint)


def lines(path: Path) -> list[Line]:
    """The rows of a CSV with a line of column names.

    Raises:
        NotFound: no such file.
        UsageFailure: no CSV, missing columns, two of one meaning, or a row of another length.
    """
    if not path.is_file():
        raise NotFound(f"no file {path}", f"a CSV with the columns {', '.join(COLUMNS)}")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            columns = _columns(path, next(reader, []))
            return [_line(path, reader.line_num, columns, cells) for cells in reader if cells]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageFailure(f"{path} is not a CSV: {error}", f"columns: {', '.join(COLUMNS)}") from None


def _columns(path: Path, header: Sequence[str]) -> list[str]:
    """What each column of the file is, its own name for one that means nothing here."""
    known = {_plain(name): column for column, names in COLUMNS.items() for name in names}
    found = [known.get(_plain(name), name) for name in header]
    for place, column in enumerate(found):
        if column in COLUMNS and column in found[:place]:
            twice = " and ".join(repr(name) for name, one in zip(header, found, strict=True) if one == column)
            raise UsageFailure(f"{path}: the columns {twice} both say {column}", "keep one of them")
    if missing := [name for name in NEEDED if name not in found]:
        raise UsageFailure(f"{path} lacks the columns {', '.join(missing)}", f"columns: {', '.join(COLUMNS)}")
    return found


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _line(path: Path, number: int, columns: Sequence[str], cells: Sequence[str]) -> Line:
    if len(cells) != len(columns):
        count = f"{len(cells)} cells for {len(columns)} columns"
        raise UsageFailure(f"{path} line {number}: {count}", "quote a cell that holds a comma")
    return Line(path, number, {c: unguarded(cell.strip()) for c, cell in zip(columns, cells, strict=True)})


@dataclass(frozen=True)
class _Cell:
    """A share or percentage as it is written; `percent` if it says so itself."""

    line: Line
    column: str
    text: str
    value: float
    percent: bool

    @property
    def said(self) -> str:
        return f"{self.column} {self.text}"


def shares(rows: Sequence[Line], columns: Sequence[str]) -> dict[tuple[int, str], float]:
    """By line and column, shares (0..1) of cells that are not empty, of rows that did not fail.

    All columns together are in one unit: percent if any number is above 1. A cell with % is in percent.

    Raises:
        UsageFailure: not from 0 to 100 %, or numbers of both units.
    """
    cells = [cell for row in rows if not row.failed for cell in _cells(row, columns)]
    bare = [cell for cell in cells if not cell.percent and cell.value > 0]
    large = next((cell for cell in bare if cell.value > 1), None)
    small = next((cell for cell in bare if cell.value <= 1), None)
    if large and small:
        raise small.line.refused(
            f"{small.said} beside {large.said} in line {large.line.number}: shares and percent in one file",
            f"write all of {', '.join(columns)} in one unit, or {small.text}% if it is percent",
        )
    return {(cell.line.number, cell.column): _share(cell, percent=bool(large)) for cell in cells}


def _cells(row: Line, columns: Sequence[str]) -> Iterator[_Cell]:
    for column in columns:
        if text := row.text(column):
            value = row.number_in(column, text.removesuffix("%"))
            if value < 0 or math.isinf(value):
                raise row.refused(
                    f"{column} {text} is {_wrong(value)}", "shares or percent, empty if unknown"
                )
            yield _Cell(row, column, text, value, text.endswith("%"))


def _share(cell: _Cell, *, percent: bool) -> float:
    share = cell.value / 100 if percent or cell.percent else cell.value
    if share > 1:
        raise cell.line.refused(f"{cell.said} is over 100 %", "shares or percent, empty if unknown")
    return share


def _wrong(value: float) -> str:
    return "infinite" if math.isinf(value) else "negative"
