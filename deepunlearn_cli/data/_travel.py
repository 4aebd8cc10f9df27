"""Decoded datasets and forget sets as they travel to another machine: bytes by file, checked on arrival."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deepunlearn_cli.core.errors import StoreCorrupt
from deepunlearn_cli.core.typed import load
from deepunlearn_cli.data._cache import load_whole
from deepunlearn_cli.data._entry import Erased
from deepunlearn_cli.data._forget import forget_place, load_forget
from deepunlearn_cli.data._record import LOCK, RECORD, Purged, Record, purged_of, read_record, write_record
from deepunlearn_cli.data._staging import publish, staging, write_atomically
from deepunlearn_cli.system.locks import hold

FILES = ("images.npy", "labels.npy", "meta.json")  # the seal is of one disk
SHA256 = re.compile(r"\b[0-9a-f]{64}\b")
Packed = Mapping[str, NDArray[np.uint8]]  # content by name of the file


def named_in(text: str) -> list[str]:
    """All that a text (a recipe's JSON, say) may name: each once."""
    return list(dict.fromkeys(SHA256.findall(text)))


def is_here(sha256: str, home: Path) -> bool:
    """Whether there is a dataset or a forget set of this digest."""
    return (home / sha256).is_dir() or forget_place(home, sha256).is_file()


def packed(sha256: str, home: Path) -> Packed | None:
    """A dataset, with which of its pictures were purged, or a forget set; None if there is neither."""
    folder, place = home / sha256, forget_place(home, sha256)
    if folder.is_dir():
        purged = purged_of(home, sha256)
        record = {RECORD: _bytes(json.dumps(asdict(purged)))} if purged else {}
        return record | {name: np.fromfile(folder / name, np.uint8) for name in FILES}
    return {place.name: np.fromfile(place, np.uint8)} if place.is_file() else None


def unpack(sha256: str, content: Packed, home: Path) -> None:
    """Put what was packed elsewhere in its place, unless it is there.

    Raises:
        StoreCorrupt: it is not what its digest says; then it is not kept.
    """
    if is_here(sha256, home):
        return
    if "images.npy" in content:
        _unpack_dataset(sha256, content, home)
        return
    place = forget_place(home, sha256)
    write_atomically(place, content[place.name].tobytes())
    try:
        load_forget(sha256, home)
    except StoreCorrupt:
        place.unlink(missing_ok=True)
        raise


def _unpack_dataset(sha256: str, content: Packed, home: Path) -> None:
    place = home / sha256
    if RECORD in content:
        _note(sha256, content[RECORD].tobytes(), home)
    with staging(home) as folder:
        for name in FILES:
            content[name].tofile(folder / name)
        publish(folder, place, lambda there: load_whole(there) is not None)
    if load_whole(place) is None:
        shutil.rmtree(place, ignore_errors=True)
        raise StoreCorrupt(f"the dataset {sha256[:16]} did not arrive as it was sent", "send it again")


def _note(sha256: str, said: bytes, home: Path) -> None:
    """Have the record here say, too, which pictures of a dataset are blank: its digest is that of all."""
    try:
        purged = Purged.from_json(load(said, Erased))
    except (ValueError, KeyError, TypeError):
        raise StoreCorrupt(f"what was purged of {sha256[:16]} did not arrive", "send it again") from None
    with hold(home / LOCK):
        record = read_record(home) or Record()
        if sha256 not in record.datasets:
            write_record(home, record.with_(sha256, purged))


def _bytes(text: str) -> NDArray[np.uint8]:
    return np.frombuffer(text.encode(), np.uint8)
