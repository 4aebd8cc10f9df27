"""The record of what was purged: `<home>/purged.json`, for every dataset which of its pictures are blank.

A picture that was purged keeps its place, so that indices, splits and forget sets mean what they meant; its
bytes are zero and its path is a number. The record knows it again by keyed digests (HMAC-SHA-256 under a salt
of this store): of its decoded bytes, and of its source with its path or number, for another size of it has
other bytes. Who has neither picture nor path learns nothing from them.

The record is written before the first byte is erased: whatever a killed purge leaves, every reader already
takes those pictures for gone, and the next purge erases the rest.
"""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from deepunlearn_cli.core.errors import StoreCorrupt
from deepunlearn_cli.core.names import encoded
from deepunlearn_cli.data._dataset import Indices
from deepunlearn_cli.data._entry import Record as Written
from deepunlearn_cli.data._entry import entry_of, sealed
from deepunlearn_cli.data._staging import write_atomically

RECORD = "purged.json"
LOCK = ".purge.lock"  # held by who purges, and by who puts a decoded dataset into its place
SALT = 16  # bytes


@dataclass(frozen=True)
class Purged:
    """What of one decoded dataset was purged; the lists are of one length.

    Attributes:
        shape: (H, W, C) of its pictures.
        indices: of the pictures, ascending.
        pictures: their keyed digests, hex.
        names: keyed digests of their sources with path or number; several where several sources are equal.
        rest: SHA-256 over header, pictures and labels with these pictures blank: what is left of the
            fingerprint, which covers bytes that are gone.
        requests: what for and when: `request` (empty where a REF named it), `at` (UTC, ISO 8601), `count`.
    """

    shape: tuple[int, ...]
    indices: tuple[int, ...]
    pictures: tuple[str, ...]
    names: tuple[tuple[str, ...], ...]
    rest: str
    requests: tuple[Mapping[str, Any], ...] = ()

    @cached_property
    def index(self) -> Indices:
        """The indices as int64 (n,)."""
        return np.array(self.indices, dtype=np.int64)

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Purged:
        """Raises `KeyError`, `TypeError` or `ValueError` where it is none."""
        names = tuple(map(tuple, said["names"]))
        lists = {name: tuple(said[name]) for name in ("shape", "indices", "pictures", "requests")}
        if not len(lists["indices"]) == len(lists["pictures"]) == len(names):
            raise ValueError(said)
        return cls(names=names, rest=str(said["rest"]), **lists)

    def joined(self, other: Purged) -> Purged:
        """With the pictures of another record of the same dataset; `rest` is the other's."""
        both = {one[0]: one for part in (self, other) for one in part._rows()}
        indices, pictures, names = zip(*(both[index] for index in sorted(both)), strict=True)
        requests = (*self.requests, *other.requests)
        return replace(other, indices=indices, pictures=pictures, names=names, requests=requests)

    def _rows(self) -> list[tuple[int, str, tuple[str, ...]]]:
        return list(zip(self.indices, self.pictures, self.names, strict=True))


@dataclass(frozen=True)
class Record:
    """All that was purged below a folder of decoded datasets, by fingerprint.

    Attributes:
        salt: hex, the key of the digests.
    """

    salt: str = field(default_factory=lambda: secrets.token_hex(SALT))
    datasets: Mapping[str, Purged] = field(default_factory=dict)

    def mark(self, content: bytes) -> str:
        """The keyed digest of a picture's digest."""
        return hmac.digest(bytes.fromhex(self.salt), content, "sha256").hex()

    def name_mark(self, source: str, which: str | int) -> str:
        """The keyed digest of a source with the path or number of a picture."""
        return self.mark(encoded(f"{source}\0{which}"))

    def with_(self, fingerprint: str, purged: Purged) -> Record:
        """With more pictures of a dataset."""
        known = self.datasets.get(fingerprint)
        joined = known.joined(purged) if known else purged
        return replace(self, datasets={**self.datasets, fingerprint: joined})

    def known_in(
        self, digests: Sequence[bytes], shape: Sequence[int], names: Sequence[Sequence[str]]
    ) -> list[int]:
        """Which pictures of another decoding were purged.

        By their bytes; and where they are of another size than what was purged, by their source and name.

        Args:
            digests: of the pictures, in order.
            shape: (H, W, C) of the pictures.
            names: for each picture its keyed names; empty where it has none.
        """
        pictures = {mark for one in self.datasets.values() for mark in one.pictures}
        other = [one for one in self.datasets.values() if one.shape != tuple(shape)]
        called = {name for one in other for listed in one.names for name in listed}
        of = names or [()] * len(digests)
        return [
            index
            for index, digest in enumerate(digests)
            if self.mark(digest) in pictures or not called.isdisjoint(of[index])
        ]


def read_record(home: Path) -> Record | None:
    """The record below a folder of decoded datasets; None where nothing was ever purged.

    Raises:
        StoreCorrupt: it cannot be read: nobody may guess which pictures are blank.
        PermissionError: it may not be read.
    """
    try:
        entry = entry_of(home / RECORD, Written)
        datasets = {name: Purged.from_json(said) for name, said in entry["datasets"].items()}
        bytes.fromhex(entry["salt"])
        return Record(entry["salt"], datasets)
    except FileNotFoundError:
        return None
    except PermissionError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise StoreCorrupt(
            f"the record of purged pictures {home / RECORD} is damaged",
            f"restore it from a backup; else all below {home} must go: it says which pictures are blank",
        ) from None


def write_record(home: Path, record: Record) -> None:
    """Keep a record for good: on the disk before anything that comes after."""
    datasets = {name: asdict(purged) for name, purged in record.datasets.items()}
    entry = sealed({"schema": 1, "salt": record.salt, "datasets": datasets})
    write_atomically(home / RECORD, json.dumps(entry).encode(), lasting=True)


def purged_of(home: Path, fingerprint: str) -> Purged | None:
    """What was purged of a dataset. Raises as `read_record`."""
    record = read_record(home)
    return record.datasets.get(fingerprint) if record else None


def masked(paths: Iterable[str], indices: Iterable[int]) -> tuple[str, ...]:
    """Paths of pictures, those of purged ones without a name; none where there were none."""
    gone = set(indices)
    return tuple(f"purged/{index}" if index in gone else path for index, path in enumerate(paths))
