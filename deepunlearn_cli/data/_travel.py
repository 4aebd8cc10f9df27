"""Decoded datasets and forget sets as they travel to another machine: bytes by file, checked on arrival."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deepunlearn_cli.core.errors import StoreCorrupt
from deepunlearn_cli.data import _cache, _forget
from deepunlearn_cli.data._staging import publish, staging, write_atomically

FILES = ("images.npy", "labels.npy", "meta.json")  # the seal is of one disk
SHA256 = re.compile(r"\b[0-9a-f]{64}\b")
Packed = Mapping[str, NDArray[np.uint8]]  # content by name of the file


def named_in(text: str) -> list[str]:
    """All that a text (a recipe's JSON, say) may name: each once."""
    return list(dict.fromkeys(SHA256.findall(text)))


def is_here(sha256: str, home: Path) -> bool:
    """Whether there is a dataset or a forget set of this digest."""
    return (home / sha256).is_dir() or _forget._place(home, sha256).is_file()


def packed(sha256: str, home: Path) -> Packed | None:
    """A dataset or a forget set; None if there is neither."""
    if (home / sha256).is_dir():
        return {name: np.fromfile(home / sha256 / name, np.uint8) for name in FILES}
    place = _forget._place(home, sha256)
    return {place.name: np.fromfile(place, np.uint8)} if place.is_file() else None


def unpack(sha256: str, content: Packed, home: Path) -> None:
    """Put what was packed elsewhere in its place, unless it is there.

    Raises:
        StoreCorrupt: it is not what its digest says.
    """
    if is_here(sha256, home):
        return
    if "images.npy" in content:
        _unpack_dataset(sha256, content, home)
    else:
        place = _forget._place(home, sha256)
        write_atomically(place, content[place.name].tobytes())
        _forget.load_forget(sha256, home)


def _unpack_dataset(sha256: str, content: Packed, home: Path) -> None:
    with staging(home) as folder:
        for name in FILES:
            content[name].tofile(folder / name)
        publish(folder, home / sha256, lambda place: _cache.load_whole(place) is not None)
    if _cache.load_whole(home / sha256) is None:
        raise StoreCorrupt(f"the dataset {sha256[:16]} did not arrive as it was sent", "send it again")
