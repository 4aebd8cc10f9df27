"""Whether decoded pictures are still those that were decoded.

Their fingerprint covers every byte, and is the folder's name. Beside them `seal.json` keeps a digest of the
header, of the labels and of every block of the pictures, and when the pictures' file was last changed; where
pictures were purged, also the digest of what is left, which then stands for the fingerprint. A reader
compares header, labels, that time and a few blocks drawn by chance; where anything differs, or there is no
seal, the fingerprint of the whole decides. A change that leaves no time behind (a failing disk) is found by
chance when read and for certain by `deepunlearn verify`.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, TypedDict

import numpy as np

from deepunlearn_cli.core.npy import map_array
from deepunlearn_cli.core.typed import load
from deepunlearn_cli.data._dataset import Indices, Pixels, fingerprint
from deepunlearn_cli.data._record import Purged
from deepunlearn_cli.data._staging import write_atomically

SEAL = "seal.json"
BLOCK = 1 << 20  # bytes of pictures under one digest
SAMPLE = 16  # blocks compared by a reader: some 15 ms; all of a small set


class Seal(TypedDict):
    """`seal.json`: the file's state, digests of header and labels, and of every block of the pictures."""

    stamp: list[int]
    parts: list[str]
    block: int
    blocks: list[str]


def write(
    folder: Path, head: dict[str, Any], images: Pixels, labels: Indices, purged: Purged | None = None
) -> None:
    """Seal decoded pictures (N, H, W, C) and labels (N,); a folder that cannot be written stays unsealed."""
    parts = _parts(head, labels, purged)
    seal = {"stamp": _stamp(folder), "parts": parts, "block": BLOCK, "blocks": _blocks(images)}
    with suppress(OSError):
        write_atomically(folder / SEAL, json.dumps(seal).encode())


def is_sound(
    folder: Path, head: dict[str, Any], images: Pixels, labels: Indices, purged: Purged | None = None
) -> bool:
    """Whether a folder named `folder.name` holds what was decoded, by its seal or by its fingerprint.

    Raises:
        PermissionError: the seal may not be read.
    """
    if _holds(folder, head, images, labels, purged):
        return True
    stamp, blank = tuple(_stamp(folder)), purged.index.tobytes() if purged else b""
    name = _fingerprint(folder / "images.npy", stamp, json.dumps(head), labels.tobytes(), blank)
    sound = name == (purged.rest if purged else folder.name)
    if sound:
        write(folder, head, images, labels, purged)
    return sound


def _holds(
    folder: Path, head: dict[str, Any], images: Pixels, labels: Indices, purged: Purged | None
) -> bool:
    try:
        seal: Seal = load((folder / SEAL).read_bytes(), Seal)
        blocks, flat = seal["blocks"], images.reshape(-1)
        told = [seal["stamp"], seal["parts"], seal["block"], len(blocks)]
        if told != [_stamp(folder), _parts(head, labels, purged), BLOCK, -(-len(flat) // BLOCK)]:
            return False
        drawn = secrets.SystemRandom().sample(range(len(blocks)), min(SAMPLE, len(blocks)))
        return all(_digest(flat[BLOCK * one : BLOCK * (one + 1)]) == blocks[one] for one in drawn)
    except (FileNotFoundError, ValueError):
        return False


@lru_cache(maxsize=8)
def _fingerprint(path: Path, stamp: tuple[int, ...], head: str, labels: bytes, blank: bytes) -> str:
    """Of all that is there but what is `blank`; the same file in the same state is read once in a process."""
    del stamp
    images = map_array(path)
    gone = np.frombuffer(blank, np.int64) if blank else None
    return fingerprint(json.loads(head), images, np.frombuffer(labels, np.int64), gone)


def _stamp(folder: Path) -> list[int]:
    """When the pictures' file was changed; a writer can set back the first of the times, not the second."""
    state = (folder / "images.npy").stat()
    return [state.st_size, state.st_mtime_ns, state.st_ctime_ns]


def _parts(head: dict[str, Any], labels: Indices, purged: Purged | None) -> list[str]:
    said = hashlib.sha256(json.dumps(head, sort_keys=True).encode()).hexdigest()
    return [said, _digest(labels), *([purged.rest] if purged else [])]


def _blocks(images: Pixels) -> list[str]:
    flat = images.reshape(-1)
    return [_digest(flat[start : start + BLOCK]) for start in range(0, len(flat), BLOCK)]


def _digest(values: Pixels | Indices) -> str:
    return hashlib.sha256(np.ascontiguousarray(values).data).hexdigest()
