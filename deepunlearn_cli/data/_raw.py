"""Files of public datasets below `raw` in a store that hold purged pictures."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from deepunlearn_cli.data._dataset import Dataset
from deepunlearn_cli.data._family import Family, raw_folder
from deepunlearn_cli.data._record import Record, read_record
from deepunlearn_cli.data._sources import entries

Families = Mapping[str, type[Family]]
Named = Callable[[str, str], bool]  # whether a source knows a purged picture by this path


def raw_files(home: Path, record: Record, families: Families) -> list[Path]:
    """The files that hold pictures of a record. Elsewhere (`$DEEPUNLEARN_DATA`) they are the user's own."""
    marks = {mark for one in record.datasets.values() for listed in one.names for mark in listed}
    return _found(
        home, record.datasets, families, lambda source, path: record.name_mark(source, path) in marks
    )


def without_raw(dataset: Dataset, home: Path, family: Family) -> Dataset:
    """A dataset that was decoded just now, its files gone again if purged pictures came back with them."""
    record = read_record(home) if len(dataset.purged) else None
    for path in raw_files(home, record, {family.label: type(family)}) if record else ():
        path.unlink(missing_ok=True)
    return dataset


def raw_of(home: Path, names: Mapping[str, Collection[str]], families: Families) -> list[Path]:
    """The same before anything is on record.

    Args:
        names: by fingerprint of the dataset the names (`called`) of the pictures.
    """
    every = {name for listed in names.values() for name in listed}
    return _found(home, names, families, lambda source, path: f"{source}\0{path}" in every)


def _found(home: Path, datasets: Collection[str], families: Families, named: Named) -> list[Path]:
    raw = raw_folder(home)
    if not raw.is_relative_to(home):
        return []
    known = [entry for _, entry in entries(home) if entry["fingerprint"] in datasets]
    sources = {entry["name"] for entry in known if not entry.get("place")}
    found: list[Path] = []
    for name, kind in families.items():
        if not kind.takes and name in sources:
            found += kind("", raw).files_of(lambda path, name=name: named(name, path))  # type: ignore[misc]
    return found
