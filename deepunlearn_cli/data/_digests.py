"""What a picture is, whatever its name and place: the SHA-256 of its decoded bytes."""

from __future__ import annotations

import hashlib
import io
from contextlib import suppress
from pathlib import Path

import numpy as np

from deepunlearn_cli.core.npy import read_array
from deepunlearn_cli.data._dataset import Dataset, Pixels
from deepunlearn_cli.data._staging import write_atomically

SIZE = 32  # bytes of a SHA-256
KEPT = "pictures.npy"  # beside the decoded pictures
GONE = bytes(SIZE)  # of pictures that were purged: nothing tells what they were


def digest_of(picture: Pixels) -> bytes:
    """SHA-256 of a decoded picture (H, W, C) with its shape."""
    digest = hashlib.sha256("x".join(map(str, picture.shape)).encode() + b"\n")
    digest.update(np.ascontiguousarray(picture).data)
    return digest.digest()


def digests_of(dataset: Dataset) -> list[bytes]:
    """The same of every picture, in order; kept beside the decoded pictures."""
    place = _place(dataset)
    known = _read(place, len(dataset)) if place else None
    if known is None:
        known = b"".join(_taken(dataset))
        if place:
            content = io.BytesIO()
            np.save(content, np.frombuffer(known + _sum(known), dtype=np.uint8))
            with suppress(OSError):  # a store that cannot be written: they are taken again next time
                write_atomically(place, content.getvalue())
    return [known[start : start + SIZE] for start in range(0, len(known), SIZE)]


def are_those(dataset: Dataset) -> bool:
    """Whether the digests that are kept, if any are, are those of the pictures."""
    place = _place(dataset)
    if place is None or not place.exists():
        return True
    return _read(place, len(dataset)) == b"".join(_taken(dataset))


def _taken(dataset: Dataset) -> list[bytes]:
    gone = set(dataset.purged.tolist())
    return [GONE if index in gone else digest_of(one) for index, one in enumerate(dataset.images)]


def _place(dataset: Dataset) -> Path | None:
    """Where a decoded dataset's digests are kept; None for arrays that are in memory only."""
    file = getattr(dataset.images, "filename", None)
    return Path(file).with_name(KEPT) if file and Path(file).parent.name == dataset.fingerprint else None


def _read(place: Path, count: int) -> bytes | None:
    try:
        kept = read_array(place)
    except (OSError, ValueError):
        return None
    known, total = kept.tobytes()[:-SIZE], kept.tobytes()[-SIZE:]
    return known if len(known) == count * SIZE and total == _sum(known) else None


def _sum(known: bytes) -> bytes:
    return hashlib.sha256(known).digest()
