"""Reading lists of pictures (indices or relative paths) from txt, csv, tsv, npy and json files."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, TypeAlias
from unicodedata import normalize

from deepunlearn_cli.core.errors import Failure, NotFound, UsageFailure
from deepunlearn_cli.core.npy import read_array
from deepunlearn_cli.core.typed import Mistyped, load
from deepunlearn_cli.data._dataset import Dataset

Entry: TypeAlias = int | str  # an index, or a path relative to the dataset's folder

SHOWN = 5  # offending entries named in an error
INDEX = ("index", "idx", "indices", "position")  # titles of a column, in any case
PATH = (
    "path", "file", "filename", "file_name", "filepath", "file_path", "image", "image_path", "img",
    "img_path", "picture",
)  # fmt: skip
FORMS = (
    "one index or path per line (txt); a column called index or path (csv, tsv); whole numbers (npy); a list "
    "(json)"
)


class Listed(NamedTuple):
    """What a file lists: a picture a line, by its index, its path, or (then both must agree) by both."""

    entries: list[Entry]
    paths: list[str] | None = None  # beside entries that are indices

    @classmethod
    def of_table(cls, titles: list[str], rows: list[list[str]], file: Path) -> Listed:
        """What the rows of a table name; `UsageFailure` where it does not say by which column."""
        try:
            return _titled(titles, rows)
        except ValueError as error:
            raise _unreadable(file, error) from None


def read_entries(file: Path) -> Listed:
    """The entries of a file, in its order; text that looks like a whole number is an index.

    Raises:
        NotFound: no such file.
        UsageFailure: it is empty, holds something else, or does not say which of its columns is meant.
    """
    if not file.is_file():
        raise NotFound(f"no file {file}", f"indices:FILE names a file: {FORMS}")
    readers = {".csv": _csv, ".tsv": _tsv, ".npy": _npy, ".json": _json}
    try:
        listed = readers.get(file.suffix.lower(), _txt)(file)
    except (OSError, ValueError, EOFError, csv.Error, RecursionError) as error:
        raise _unreadable(file, error) from None
    if not listed.entries:
        raise UsageFailure(f"{file} is empty", f"expected {FORMS}")
    return listed


def read_table(file: Path) -> tuple[list[str], list[list[str]]]:
    """The titles and rows of a csv or tsv file.

    Raises:
        NotFound: no such file.
        UsageFailure: it is no table.
    """
    if not file.is_file():
        raise NotFound(f"no file {file}", "a csv file, or an npy array")
    try:
        rows = _rows(file, "\t" if file.suffix.lower() == ".tsv" else ",")
        _check_width(rows)
    except (OSError, ValueError, csv.Error) as error:
        raise _unreadable(file, error) from None
    if len(rows) < 2:
        raise UsageFailure(f"{file} is empty", "a line of titles, then one for each picture")
    return rows[0], rows[1:]


def to_indices(listed: Listed, dataset: Dataset, file: Path) -> list[int]:
    """The entries' indices in the dataset.

    Raises:
        UsageFailure: entries that are no pictures of the dataset, or whose index and path disagree; numbers
            where these do not say which picture is meant. The message names them.
    """
    indices = _looked_up(listed.entries, dataset, file)
    if listed.paths is not None:
        _check_agreement(listed, _looked_up(listed.paths, dataset, file), indices, file)
    return indices


def offending(file: Path, entries: Sequence[Entry], fault: str, hint: str) -> Failure:
    """A `UsageFailure` that counts the entries and names the first five."""
    named = ", ".join(map(str, entries[:SHOWN])) + (", ..." if len(entries) > SHOWN else "")
    count = "1 entry" if len(entries) == 1 else f"{len(entries)} entries"
    return UsageFailure(f"{file}: {fault}: {named} ({count})", hint)


def _looked_up(entries: Sequence[Entry], dataset: Dataset, file: Path) -> list[int]:
    places = {_normal(path): index for index, path in enumerate(dataset.paths)}
    wrong = [entry for entry in entries if isinstance(entry, str) and _normal(entry) not in places]
    if wrong:
        reason = f"not the path of a picture in {dataset.name}" if places else "not a whole number"
        raise offending(file, wrong, reason, _example(str(wrong[0]), dataset))
    numbers = [entry for entry in entries if isinstance(entry, int)]
    if numbers and dataset.uncounted:
        raise UsageFailure(
            f"{file}: numbers do not say which picture of {dataset.name} is meant: {dataset.uncounted}",
            f"name paths, such as {dataset.paths[0]}" if dataset.paths else f"expected {FORMS}",
        )
    last = len(dataset) - 1
    outside = [number for number in numbers if not 0 <= number <= last]
    if outside:
        raise offending(file, outside, f"not from 0 to {last}", f"{dataset.name} has {last + 1} pictures")
    return [dataset.by_number[e] if isinstance(e, int) else places[_normal(e)] for e in entries]


def _example(wrong: str, dataset: Dataset) -> str:
    """What a path looks like, the one that was meant if there is no doubt."""
    if not dataset.paths:
        return f"indices are from 0 to {len(dataset) - 1}"
    name = PurePosixPath(_normal(wrong.replace("\\", "/"))).name
    alike = [path for path in dataset.paths if PurePosixPath(_normal(path)).name == name]
    return f"paths look like {alike[0] if len(alike) == 1 else dataset.paths[0]}"


def _check_agreement(listed: Listed, by_path: list[int], by_index: list[int], file: Path) -> None:
    both = zip(listed.entries, listed.paths or (), by_index, by_path, strict=True)
    wrong: list[Entry] = [f"{number} is not {path}" for number, path, one, other in both if one != other]
    if wrong:
        hint = "leave one of the columns out: mostly the index is of another list"
        raise offending(file, wrong, "index and path name different pictures", hint)


def _entry(value: Any) -> Entry:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    text = str(value).strip()
    return int(text) if re.fullmatch(r"[+-]?[0-9]+", text) else text


def _normal(path: str) -> str:
    return str(PurePosixPath(normalize("NFC", path)))


def _txt(file: Path) -> Listed:
    return Listed([_entry(line) for line in _text(file).splitlines() if line.strip()])


def _csv(file: Path, delimiter: str = ",") -> Listed:
    rows = _rows(file, delimiter)
    if not rows:
        return Listed([])
    if len(rows[0]) == 1 and rows[0][0].lower() not in (*INDEX, *PATH):
        return _untitled([row[0] if len(row) == 1 else delimiter.join(row) for row in rows])
    _check_width(rows)
    return _titled(rows[0], rows[1:])


def _rows(file: Path, delimiter: str) -> list[list[str]]:
    """The cells of every line that is not empty."""
    lines = io.StringIO(_text(file), newline="")
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
    return [[cell.strip() for cell in row] for row in reader if any(cell.strip() for cell in row)]


def _text(file: Path) -> str:
    """Text whose paths may hold bytes that are no UTF-8, as they may on disk.

    `ValueError` where it is none.
    """
    text = file.read_bytes().decode("utf-8-sig", "surrogateescape")
    if "\0" in text:
        raise ValueError("it is not text")
    return text


def _check_width(rows: list[list[str]]) -> None:
    wrong = [number for number, row in enumerate(rows, start=1) if len(row) != len(rows[0])]
    if wrong:
        raise ValueError(f"line {wrong[0]} has {len(rows[wrong[0] - 1])} cells, the first {len(rows[0])}")


def _unreadable(file: Path, error: Exception) -> Failure:
    reason = "it is not text" if isinstance(error, UnicodeDecodeError) else str(error)
    return UsageFailure(f"cannot read {file}: {' '.join(reason.split())}", f"expected {FORMS}")


def _tsv(file: Path) -> Listed:
    return _csv(file, "\t")


def _untitled(values: list[str]) -> Listed:
    """A column without a known title: a list of indices or paths, nothing else."""
    entries = [_entry(value) for value in values]
    numbers = [isinstance(entry, int) for entry in entries]
    if len(entries) > 1 and not numbers[0] and all(numbers[1:]):
        raise ValueError(f"its column is called {values[0]!r}, which is neither index nor path: call it so")
    return Listed(entries)


def _titled(titles: list[str], rows: list[list[str]]) -> Listed:
    """A table of which columns are named index or path, in any case.

    `ValueError` where none is, or several are.
    """
    index, path = _column(titles, INDEX), _column(titles, PATH)
    if index is None and path is None:
        shown = ", ".join(map(repr, titles[:SHOWN]))
        raise ValueError(f"none of its {len(titles)} columns is called index or path: {shown}")
    paths = None if path is None else [row[path] for row in rows]
    if index is None:
        return Listed(list(paths or ()))
    numbers = [_entry(row[index]) for row in rows]
    wrong = [entry for entry in numbers if not isinstance(entry, int)]
    if wrong:
        raise ValueError(f"its column {titles[index]!r} holds {wrong[0]!r}, not a whole number")
    return Listed(numbers, paths)


def _column(titles: list[str], names: Iterable[str]) -> int | None:
    known = set(names)
    found = [n for n, title in enumerate(titles) if title.lower().replace(" ", "_") in known]
    if len(found) > 1:
        raise ValueError(f"several columns could be meant: {', '.join(titles[n] for n in found)}")
    return found[0] if found else None


def _npy(file: Path) -> Listed:
    array = read_array(file)
    if array.ndim != 1 or array.dtype.kind not in "iuU":
        raise ValueError("it is not a one-dimensional array of whole numbers")
    return Listed([_entry(value) for value in array.tolist()])


def _json(file: Path) -> Listed:
    try:
        value = load(file.read_text("utf-8-sig"), list[Any])
    except Mistyped as error:
        raise ValueError("it is not a list" if error.wanted != "JSON" else "it is no JSON") from None
    if value and all(isinstance(one, dict) for one in value):
        titles = list(value[0])
        if any(list(one) != titles for one in value):
            raise ValueError("its objects have different keys")
        return _titled(titles, [[str(one[title]).strip() for title in titles] for one in value])
    return Listed([_entry(one) for one in value])
