"""Traces: files below a store, that are none of its own, with a long run of bytes of some pictures.

A run of `RUN` bytes of a picture holds a block of half that length that begins at a multiple of it, wherever
the run begins. So blocks of the pictures are hashed once, and every place of a file is compared with them. A
block that other pictures of the dataset hold too (a blank margin) says nothing.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deepunlearn_cli.data._cache import load_dataset
from deepunlearn_cli.data._dataset import Pixels, placed
from deepunlearn_cli.data._purge import HEX, Erasure
from deepunlearn_cli.data._staging import PREFIX

RUN = 64  # bytes in a row that are not to be left of a picture
BLOCK = RUN // 2
MOST = 200_000  # blocks that are looked for: of many pictures not every one
STEP = 1 << 20  # bytes of a file at a time
BITS = 22  # of a hash: a table of so many entries says quickly that a place holds none
FACTOR = 0x9E3779B97F4A7C15  # odd, so that products keep what they are of

Hashes = NDArray[np.uint64]


def traces(root: Path, home: Path, planned: Sequence[Erasure]) -> list[Path]:
    """Files below a store, its runs and decoded datasets aside, that hold pictures that are still to go.

    Args:
        root: of the store; `home` is its folder of decoded datasets.
    """
    blocks = {one.fingerprint: _of(home, one) for one in planned if one.count}
    search = Search({block for each in blocks.values() for block in each})
    files = _strange(root, home) if search.blocks else ()
    held = {path: found for path in files if (found := search.in_file(path))}
    common = _common(home, planned, set().union(*held.values())) if held else set()
    return [path for path, found in held.items() if found - common]


def _strange(root: Path, home: Path) -> Iterator[Path]:
    own = {home / one.name for one in home.glob(HEX)} | {root / "runs"}
    for folder, below, names in os.walk(root):
        below[:] = [name for name in below if Path(folder, name) not in own and not name.startswith(PREFIX)]
        yield from (path for name in names if (path := Path(folder, name)).is_file())


def _of(home: Path, one: Erasure) -> set[bytes]:
    return blocks_of(load_dataset(one.fingerprint, home).images, set(one.indices) - set(one.gone))


def _common(home: Path, planned: Sequence[Erasure], blocks: set[bytes]) -> set[bytes]:
    """Which of these blocks pictures hold that stay."""
    common: set[bytes] = set()
    for one in planned:
        images = load_dataset(one.fingerprint, home).images
        others = np.ones(len(images), dtype=bool)
        others[list(one.indices)] = False
        common |= held_by(images, others, blocks)
    return common


def blocks_of(images: Pixels, chosen: Collection[int]) -> set[bytes]:
    """Blocks (32 bytes) of some pictures, spread over all of them."""
    each = max(1, MOST // max(1, len(chosen)))
    return {block for index in chosen for block in _cut(images[index], each)}


def held_by(images: Pixels, others: NDArray[np.bool_], blocks: set[bytes]) -> set[bytes]:
    """Which of these blocks some pictures of a dataset hold, given by a mask (N,)."""
    search = Search(blocks)
    found: set[bytes] = set()
    for start, part in placed(images):
        found |= search.within(part[others[start : start + len(part)]].reshape(-1))
    return found


class Search:
    """For blocks, at every place."""

    def __init__(self, blocks: set[bytes]) -> None:
        self.blocks = blocks
        self.table = np.zeros(1 << BITS, dtype=bool)
        if blocks:
            every = np.frombuffer(b"".join(blocks), np.uint8)
            self.table[_short(_rolled(every)[::BLOCK])] = True

    def in_file(self, path: Path) -> set[bytes]:
        """The blocks that a file holds."""
        found: set[bytes] = set()
        try:
            with path.open("rb") as file:
                before = b""
                while part := file.read(STEP):
                    found |= self.within(np.frombuffer(before + part, np.uint8))
                    before = (before + part)[1 - BLOCK :]
        except OSError:
            return found
        return found

    def within(self, content: NDArray[np.uint8]) -> set[bytes]:
        """The blocks that some bytes hold."""
        if len(content) < BLOCK or not self.blocks:
            return set()
        hits = np.flatnonzero(self.table[_short(_rolled(content))])
        return {one for at in hits if (one := content[at : at + BLOCK].tobytes()) in self.blocks}


def _cut(picture: Pixels, most: int) -> list[bytes]:
    raw = np.ascontiguousarray(picture).tobytes()
    starts = range(0, len(raw) - BLOCK + 1, BLOCK)
    return [raw[start : start + BLOCK] for start in starts[:: -(-len(starts) // most) or 1]]


def _short(hashes: Hashes) -> Hashes:
    return hashes >> np.uint64(64 - BITS)


def _rolled(content: NDArray[np.uint8]) -> Hashes:
    """A hash (64 bits) of the block at every place (n - BLOCK + 1,)."""
    total, width, power = content.astype(np.uint64), 1, FACTOR
    while width < BLOCK:  # of two halves that stand side by side one block of twice the length
        total = total[:-width] * np.uint64(power) + total[width:]
        width, power = 2 * width, power * power % (1 << 64)
    return total
