"""Purging pictures from a store's decoded datasets: which are meant, what goes, in an order that survives.

First the record says what is gone (`_record.py`), on the disk; then bytes are zeroed where they lie, names
go from what describes the datasets, and so do files below `raw` that hold the pictures. Each step may be done
again, so whatever a killed process leaves, the next one ends.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from deepunlearn_cli.core.errors import StoreCorrupt
from deepunlearn_cli.core.npy import map_array, read_array
from deepunlearn_cli.core.whole import flush
from deepunlearn_cli.data import _readers, _seal
from deepunlearn_cli.data._cache import head_of, load_dataset, load_whole
from deepunlearn_cli.data._dataset import Dataset
from deepunlearn_cli.data._digests import GONE, KEPT, digests_of
from deepunlearn_cli.data._entry import Meta, entry_of, sealed
from deepunlearn_cli.data._family import Family
from deepunlearn_cli.data._raw import raw_files, raw_of
from deepunlearn_cli.data._record import LOCK, Purged, Record, masked, read_record, write_record
from deepunlearn_cli.data._sources import called, entries, marked, sources_of
from deepunlearn_cli.data._staging import remove_left, write_atomically
from deepunlearn_cli.data._withheld import described
from deepunlearn_cli.system.locks import hold

HEX = "[0-9a-f]" * 64


@dataclass(frozen=True)
class Erasure:
    """What goes from one decoded dataset.

    Attributes:
        name: of the dataset, for people.
        indices: of the pictures that are to go, those included that are gone already.
        gone: those of them that are gone already.
        twins: pictures that equal one of them, byte for byte, and stay.
        each: bytes of a picture.
    """

    fingerprint: str
    name: str
    indices: tuple[int, ...]
    gone: tuple[int, ...]
    twins: tuple[int, ...]
    each: int

    @property
    def count(self) -> int:
        """How many pictures are still there."""
        return len(self.indices) - len(self.gone)

    @property
    def size(self) -> int:
        """Bytes that are to be zeroed."""
        return self.count * self.each

    def joined(self, other: Erasure) -> Erasure:
        """With more pictures of the same dataset, some of which may be the same."""
        indices = tuple(sorted({*self.indices, *other.indices}))
        twins = tuple(sorted({*self.twins, *other.twins} - {*indices}))
        return replace(self, indices=indices, gone=tuple(sorted({*self.gone, *other.gone})), twins=twins)


@dataclass
class Erased:
    """What was done.

    Attributes:
        pictures: by fingerprint, how many were zeroed just now.
        files: that were removed.
        locked: whether the system really kept readers away.
    """

    pictures: dict[str, int] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)
    locked: bool = True


def erasures(
    home: Path, fingerprint: str, indices: Iterable[int], *, with_duplicates: bool = False
) -> list[Erasure]:
    """Which pictures of which decoded datasets are those pictures of one dataset.

    In other decodings (another image size, a later state of a folder) they are known by their bytes, or where
    they have another size by their source with path or number.

    Raises:
        NotFound, StoreCorrupt: a dataset that is not there, or damaged.
    """
    dataset = load_dataset(fingerprint, home)
    sources = sources_of(home)
    wanted = {int(index) for index in indices}
    digests = digests_of(dataset)
    contents = {digests[index] for index in wanted} - {GONE}
    ours = called(dataset, sources)
    names = {name for index in wanted for name in ours[index]}
    found = [_erasure(dataset, digests, contents, wanted, with_duplicates)]
    for folder in sorted(home.glob(HEX)):
        if folder.name != fingerprint:
            other = load_dataset(folder.name, home)
            theirs, sized = digests_of(other), other.image_shape == dataset.image_shape
            same = _same(theirs, contents, names, called(other, sources), sized=sized)
            if same:
                found.append(_erasure(other, theirs, contents, same, with_duplicates))
    return found


def purge(
    home: Path,
    planned: Sequence[Erasure],
    families: Mapping[str, type[Family]],
    about: Mapping[str, Any],
) -> Erased:
    """Erase pictures for good, and whatever an earlier purge that was killed left to erase.

    Args:
        about: `request` and `at`, kept with them.

    Raises:
        UsageFailure: a dataset is in use by another process; nothing was changed.
        StoreCorrupt: a dataset, or the record, is damaged.
    """
    if not home.is_dir():
        return Erased()
    with hold(home / LOCK), ExitStack() as stack:
        known = read_record(home) or Record()
        names = sorted({*known.datasets, *(one.fingerprint for one in planned)})
        places = [home / name / "images.npy" for name in names]
        erased = Erased()
        for place in places:
            if place.exists():
                erased.locked &= stack.enter_context(_readers.alone(place))
        record = _recorded(home, known, planned, about)
        if record != known:
            write_record(home, record)
        _finish(home, record, families, erased)
        return erased


def _recorded(home: Path, record: Record, planned: Sequence[Erasure], about: Mapping[str, Any]) -> Record:
    """The record with what was planned, taken from pictures that are still those that were decoded."""
    sources = sources_of(home)
    for one in planned:
        before = record.datasets.get(one.fingerprint)
        new = sorted(set(one.indices) - set(before.indices if before else ()))
        if not new:
            continue
        dataset = load_whole(home / one.fingerprint)
        if dataset is None:
            raise StoreCorrupt(
                f"the decoded dataset in {home / one.fingerprint} is damaged", "deepunlearn verify lists what"
            )
        names = marked(record, dataset, sources)
        head = head_of(dataset)
        more = described(record, head, dataset.images, dataset.labels, new, names, before)
        more = replace(more, requests=({**about, "count": len(new)},))
        record = record.with_(one.fingerprint, more)
    return record


def _finish(home: Path, record: Record, families: Mapping[str, type[Family]], erased: Erased) -> None:
    """Everything that follows from the record."""
    for name, purged in record.datasets.items():
        if (home / name / "images.npy").exists():
            erased.pictures[name] = _zeroed(home / name, purged)
    for path, entry in entries(home):
        known = record.datasets.get(entry["fingerprint"])
        paths = list(masked(entry["paths"], known.indices if known else ()))
        if paths != entry["paths"]:
            write_atomically(path, json.dumps(sealed({**entry, "paths": paths})).encode(), lasting=True)
    for path in raw_files(home, record, families):
        path.unlink(missing_ok=True)
        erased.files.append(path)
    for folder in (home, home / "sources", home / "forget", *(home / name for name in record.datasets)):
        erased.files += remove_left(folder)


def _zeroed(folder: Path, purged: Purged) -> int:
    """Zero the bytes of purged pictures where they lie; how many were not zero yet."""
    path = folder / "images.npy"
    images = map_array(path, "r+")
    left = [index for index in purged.indices if images[index].any()]
    if left:
        (folder / KEPT).unlink(missing_ok=True)  # the digests are taken again when somebody asks for them
    for index in left:
        images[index] = 0
    images.flush()
    flush(path)
    meta = entry_of(folder / "meta.json", Meta)
    paths = list(masked(meta["paths"], purged.indices))
    if paths != meta["paths"]:
        text = json.dumps(sealed({**meta, "paths": paths})).encode()
        write_atomically(folder / "meta.json", text, lasting=True)
    labels = read_array(folder / "labels.npy")
    if not _seal.is_sound(folder, meta["header"], images, labels, purged):
        raise StoreCorrupt(f"the decoded dataset in {folder} is damaged", "deepunlearn verify lists what")
    return len(left)


def raw_planned(home: Path, planned: Sequence[Erasure], families: Mapping[str, type[Family]]) -> list[Path]:
    """Files below `raw` in the store that are to go with these pictures."""
    sources = sources_of(home)
    names: dict[str, set[str]] = {}
    for one in planned:
        ours = called(load_dataset(one.fingerprint, home), sources)
        names[one.fingerprint] = {name for index in one.indices for name in ours[index]}
    return raw_of(home, names, families)


def places(home: Path, planned: Sequence[Erasure]) -> list[tuple[str, str]]:
    """(fingerprint, place) of the users' files that these datasets were decoded from; empty: public."""
    told = sources_of(home)
    return [
        (one.fingerprint, place)
        for one in planned
        for place in dict.fromkeys(str(source["place"]) for source in told.get(one.fingerprint, ()))
    ]


def unfinished(home: Path) -> list[str]:
    """Fingerprints of datasets that still hold what was purged, or its names: who erased it was killed."""
    record = read_record(home)
    datasets = record.datasets if record else {}
    named = {entry["fingerprint"] for _, entry in entries(home) if _names_left(entry, datasets)}
    found = []
    for name, purged in datasets.items():
        with suppress(FileNotFoundError, ValueError, KeyError, IndexError):
            images = map_array(home / name / "images.npy")
            meta = {**entry_of(home / name / "meta.json", Meta), "fingerprint": name}
            left = name in named or images[purged.index].any() or _names_left(meta, datasets)
            found += [name] if left else []
    return found


def _names_left(entry: Mapping[str, Any], datasets: Mapping[str, Purged]) -> bool:
    known = datasets.get(entry["fingerprint"])
    return known is not None and list(masked(entry["paths"], known.indices)) != list(entry["paths"])


def _same(
    digests: Sequence[bytes], contents: set[bytes], names: set[str], named: Sequence[set[str]], *, sized: bool
) -> set[int]:
    """Which pictures of another decoding are those with these digests and names.

    Args:
        digests, named: of its pictures.
        sized: whether they have the same size, so that equal pictures have equal digests.
    """
    alike = {index for index, digest in enumerate(digests) if digest in contents}
    ours = {index for index in alike if named[index] & names}
    known = {digests[index] for index in ours}
    same = ours | {index for index in alike if digests[index] not in known}
    if not sized:
        same |= {index for index, mine in enumerate(named) if mine & names}
    return same


def _erasure(
    dataset: Dataset, digests: Sequence[bytes], contents: set[bytes], wanted: set[int], all_twins: bool
) -> Erasure:
    gone = set(dataset.purged.tolist())
    twins = {
        i for i, digest in enumerate(digests) if digest in contents and i not in wanted and i not in gone
    }
    chosen = wanted | twins if all_twins else wanted
    return Erasure(
        dataset.fingerprint,
        dataset.name,
        tuple(sorted(chosen)),
        tuple(sorted(chosen & gone)),
        () if all_twins else tuple(sorted(twins)),
        dataset.images[:1].nbytes,
    )
