"""Sources of decoded datasets: where pictures came from, and by which names they are known there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from deepunlearn_cli.data._dataset import Dataset
from deepunlearn_cli.data._entry import Source as Entry
from deepunlearn_cli.data._entry import entry_of
from deepunlearn_cli.data._record import Record
from deepunlearn_cli.data._withheld import names_of

Source = Mapping[str, Any]


def entries(home: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """What is known of every source that was decoded, damaged entries aside."""
    for path in sorted((home / "sources").glob("*.json")):
        with suppress(OSError, ValueError):
            entry = entry_of(path, Entry)
            yield path, entry


def sources_of(home: Path) -> dict[str, list[Source]]:
    """The sources by the fingerprint of what they were decoded to, each once."""
    found: dict[str, list[Source]] = {}
    for _, entry in entries(home):
        told: Source = {
            "place": "",
            **{n: entry[n] for n in ("place", "name", "paths", "numbers") if n in entry},
        }
        if told not in (listed := found.setdefault(entry["fingerprint"], [])):
            listed.append(told)
    return found


def _of(dataset: Dataset, sources: Mapping[str, list[Source]]) -> list[Source]:
    """The sources of a dataset; where none is on record, what it says of itself."""
    own = {"place": "", "name": dataset.name, "paths": dataset.paths, "numbers": dataset.numbers}
    return sources.get(dataset.fingerprint) or [own]


def called(dataset: Dataset, sources: Mapping[str, list[Source]]) -> list[set[str]]:
    """Of every picture the names by which its sources know it; purged ones have lost theirs."""
    named: list[set[str]] = [set() for _ in range(len(dataset))]
    for source in _of(dataset, sources):
        which = source["paths"] or source.get("numbers") or range(len(dataset))
        for names, one in zip(named, which, strict=True):
            names.add(f"{source['place'] or source['name']}\0{one}")
    return named


def marked(record: Record, dataset: Dataset, sources: Mapping[str, list[Source]]) -> list[tuple[str, ...]]:
    """Of every picture its keyed names."""
    each = [names_of(source, record, len(dataset)) for source in _of(dataset, sources)]
    return [tuple(mark for names in of for mark in names) for of in zip(*each, strict=True)]
