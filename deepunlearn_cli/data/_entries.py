"""Reading lists of pictures (indices or relative paths) from txt, csv, npy and json files."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias

import numpy as np

from deepunlearn_cli.core.errors import Failure, NotFound, UsageFailure
from deepunlearn_cli.data._dataset import Dataset

Entry: TypeAlias = int | str  # an index, or a path relative to the dataset's folder

SHOWN = 5  # offending entries named in an error
COLUMNS = ("index", "path")
FORMS = (
    "one index per line (txt), a first column or one called index (csv), whole numbers (npy), a list (json)"
)


def read_entries(file: Path) -> list[Entry]:
    """The entries of a file, in its order; text that looks like a whole number is an index.

    Raises:
        NotFound: no such file.
        UsageFailure: it is empty, or holds something else.
    """
    if not file.is_file():
        raise NotFound(f"no file {file}", f"indices:FILE names a file: {FORMS}")
    readers = {".csv": _csv, ".npy": _npy, ".json": _json}
    try:
        values = readers.get(file.suffix.lower(), _txt)(file)
    except (OSError, ValueError, EOFError, csv.Error) as error:
        reason = "it is not text" if isinstance(error, UnicodeDecodeError) else str(error)
        raise UsageFailure(f"cannot read {file}: {' '.join(reason.split())}", f"expected {FORMS}") from None
    if not values:
        raise UsageFailure(f"{file} is empty", f"expected {FORMS}")
    return [_entry(value) for value in values]


def to_indices(entries: list[Entry], dataset: Dataset, file: Path) -> list[int]:
    """The entries' indices in the dataset.

    Raises:
        UsageFailure: entries that are no pictures of the dataset; the message names them.
    """
    places = {path: index for index, path in enumerate(dataset.paths)}
    wrong: list[Entry] = [
        entry for entry in entries if isinstance(entry, str) and _normal(entry) not in places
    ]
    if wrong:
        reason = f"not the path of a picture in {dataset.name}" if places else "not a whole number"
        example = (
            f"paths look like {dataset.paths[0]}" if places else f"indices are from 0 to {len(dataset) - 1}"
        )
        raise offending(file, wrong, reason, example)
    return [entry if isinstance(entry, int) else places[_normal(entry)] for entry in entries]


def offending(file: Path, entries: list[Entry], fault: str, hint: str) -> Failure:
    """A `UsageFailure` that counts the entries and names the first five."""
    named = ", ".join(map(str, entries[:SHOWN])) + (", ..." if len(entries) > SHOWN else "")
    count = "1 entry" if len(entries) == 1 else f"{len(entries)} entries"
    return UsageFailure(f"{file}: {fault}: {named} ({count})", hint)


def _entry(value: Any) -> Entry:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    text = str(value).strip()
    return int(text) if re.fullmatch(r"[+-]?[0-9]+", text) else text


def _normal(path: str) -> str:
    return str(PurePosixPath(path))


def _txt(file: Path) -> list[str]:
    return [line for line in file.read_text("utf-8-sig").splitlines() if line.strip()]


def _csv(file: Path) -> list[str]:
    with file.open(encoding="utf-8-sig", newline="") as lines:
        rows = [row for row in csv.reader(lines) if any(cell.strip() for cell in row)]
    titles = [cell.strip().lower() for cell in rows[0]] if rows else []
    column = next((titles.index(title) for title in COLUMNS if title in titles), None)
    if column is not None:
        return [row[column] if column < len(row) else "" for row in rows[1:]]
    values = [row[0] for row in rows]
    return values[1:] if _is_titled(values) else values


def _is_titled(values: list[str]) -> bool:
    # only where all else is numbers: a mistyped first path must be an error, not a header
    kinds = [isinstance(_entry(value), int) for value in values]
    return len(kinds) > 1 and not kinds[0] and all(kinds[1:])


def _npy(file: Path) -> list[Any]:
    array = np.load(file, allow_pickle=False)
    if not isinstance(array, np.ndarray) or array.ndim != 1 or array.dtype.kind not in "iuU":
        raise ValueError("it is not a one-dimensional array of whole numbers")
    values: list[Any] = array.tolist()
    return values


def _json(file: Path) -> list[Any]:
    value = json.loads(file.read_text("utf-8-sig"))
    if not isinstance(value, list):
        raise ValueError("it is not a list")
    return value
