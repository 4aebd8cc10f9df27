"""Files of `attack --samples`: the lines of purged pictures, and what is left without them."""

from __future__ import annotations

import csv
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
    head, rows = _parsed(path, text)
    kept = []
    for raw, row in rows:
        target = str(row["target"])
        if target not in known:
            known[target] = _numbers(store, target, purged)
        if int(row["index"]) not in known[target]:
            kept.append(raw)
    return Lines(path, "".join([head, *kept]).encode("utf-8", "surrogateescape"), len(rows) - len(kept))


def _parsed(path: Path, text: str) -> tuple[str, list[tuple[str, Mapping[str, Any]]]]:
    """What stands before the rows, and each row as it stands there with what it says."""
    try:
        lines = text.splitlines(keepends=True)
        if path.suffix == ".jsonl":
            rows = [(raw, load(raw, Mapping[str, Any])) for raw in lines if raw.strip()]
        else:
            titles = next(csv.reader([lines[0]]))
            rows = [(raw, dict(zip(titles, next(csv.reader([raw])), strict=True))) for raw in lines[1:]]
        for _, row in rows:
            int(row["index"]), str(row["target"])
    except (ValueError, KeyError, TypeError, IndexError, StopIteration, csv.Error):
        raise UsageFailure(
            f"{path} is no file of samples: every line has a `target` and an `index`",
            "--lines-of takes what `attack --samples` wrote",
        ) from None
    return ("" if path.suffix == ".jsonl" else lines[0]), rows


def _numbers(store: Store, target: str, purged: Mapping[str, set[int]]) -> Collection[int]:
    """The purged pictures of a run's dataset, as their owner counts."""
    from deepunlearn_cli import data

    run = store.get(target) if len(target) == ID_LENGTH else None
    fingerprint = str(run.recipe.data.get("fingerprint")) if run else ""
    if fingerprint not in purged:
        return ()
    dataset = data.load_dataset(fingerprint, store.data)
    return {dataset.number_of(index) for index in purged[fingerprint]}
