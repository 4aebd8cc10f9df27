"""Files of `attack --samples`: the lines of purged pictures, and what is left without them."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepunlearn_cli.core.errors import NotFound, UsageFailure
from deepunlearn_cli.core.recipe import ID_LENGTH
from deepunlearn_cli.core.typed import load

if TYPE_CHECKING:
    from deepunlearn_cli.data import Erasure
    from deepunlearn_cli.store import Store


@dataclass(frozen=True)
class Lines:
    """A file of samples, what is left of it, and how many lines go."""

    path: Path
    text: bytes
    count: int


def lines_of(store: Store, paths: Sequence[Path], planned: Sequence[Erasure]) -> list[Lines]:
    """The lines of purged pictures in files of `attack --samples`.

    Raises:
        NotFound: no such file.
        UsageFailure: it is no such file.
    """
    purged = {one.fingerprint: set(one.indices) for one in planned}
    known: dict[str, Collection[int]] = {}
    return [_lines_of(path.expanduser(), store, purged, known) for path in paths]


def _lines_of(
    path: Path, store: Store, purged: Mapping[str, set[int]], known: dict[str, Collection[int]]
) -> Lines:
    try:
        text = path.read_bytes().decode("utf-8", "surrogateescape")
    except FileNotFoundError:
        raise NotFound(f"no file {path}", "--lines-of names one that `attack --samples` wrote") from None
    except (OSError, ValueError) as error:
        raise UsageFailure(f"cannot read {path}: {error}", "--lines-of takes .csv and .jsonl files") from None
    kept, count = [], 0
    for raw, row in _parsed(path, text):
        if row is not None and int(row["index"]) in _gone(str(row["target"]), store, purged, known):
            count += 1
        else:
            kept.append(raw)
    return Lines(path, "".join(kept).encode("utf-8", "surrogateescape"), count)


def _gone(
    target: str, store: Store, purged: Mapping[str, set[int]], known: dict[str, Collection[int]]
) -> Collection[int]:
    """The purged pictures of a target, looked up once."""
    if target not in known:
        known[target] = _numbers(store, target, purged)
    return known[target]


def _parsed(path: Path, text: str) -> list[tuple[str, Mapping[str, Any] | None]]:
    """The file in pieces, as they stand there: each with the row that it is, or None for what is no row."""
    try:
        pieces = _of_json(text) if path.suffix == ".jsonl" else _of_csv(text)
        for _, row in pieces:
            if row is not None:
                int(row["index"]), str(row["target"])
    except (ValueError, KeyError, TypeError, StopIteration, csv.Error):
        raise UsageFailure(
            f"{path} is no file of samples: every line has a `target` and an `index`",
            "--lines-of takes what `attack --samples` wrote",
        ) from None
    return pieces


def _of_json(text: str) -> list[tuple[str, Mapping[str, Any] | None]]:
    """A text may hold other ends of lines (U+2028, say); JSON lines end with a line feed."""
    lines = io.StringIO(text, newline="\n")
    return [(raw, load(raw, Mapping[str, Any]) if raw.strip() else None) for raw in lines]


def _of_csv(text: str) -> list[tuple[str, Mapping[str, Any] | None]]:
    """A record takes as many lines as its quotes reach over."""
    lines = [*io.StringIO(text, newline="")]
    reader = csv.reader(iter(lines), strict=True)
    titles = [title.removeprefix("\ufeff") for title in next(reader)]
    pieces: list[tuple[str, Mapping[str, Any] | None]] = [("".join(lines[: reader.line_num]), None)]
    at = reader.line_num
    for cells in reader:
        raw = "".join(lines[at : reader.line_num])
        pieces.append((raw, dict(zip(titles, cells, strict=True)) if cells else None))
        at = reader.line_num
    return pieces


def _numbers(store: Store, target: str, purged: Mapping[str, set[int]]) -> Collection[int]:
    """The purged pictures of a run's dataset, as their owner counts."""
    from deepunlearn_cli import data

    run = store.get(target) if len(target) == ID_LENGTH else None
    fingerprint = str(run.recipe.data.get("fingerprint")) if run else ""
    if fingerprint not in purged:
        return ()
    dataset = data.load_dataset(fingerprint, store.data)
    return {dataset.number_of(index) for index in purged[fingerprint]}
