"""Merkle trees with SHA-256: roots, inclusion proofs, and their check (RFC 6962, sections 2.1 and 2.1.1).

Leaves and inner nodes are hashed with different prefixes, so that no node passes for a leaf.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

LEAF, NODE = b"\x00", b"\x01"


def leaf_hash(data: bytes) -> bytes:
    """The hash of a leaf: SHA-256(0x00 || data)."""
    return hashlib.sha256(LEAF + data).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """The hash of the tree over these leaves' data; of none that of the empty text."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return leaf_hash(leaves[0])
    half = _half(len(leaves))
    return _node(root(leaves[:half]), root(leaves[half:]))


def path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The audit path of a leaf: what is hashed with it on the way to the root, from below.

    Raises:
        IndexError: there is no such leaf.
    """
    if not 0 <= index < len(leaves):
        raise IndexError(index)
    if len(leaves) == 1:
        return []
    half = _half(len(leaves))
    if index < half:
        return [*path(leaves[:half], index), root(leaves[half:])]
    return [*path(leaves[half:], index - half), root(leaves[:half])]


def root_from(data: bytes, index: int, size: int, nodes: Sequence[bytes]) -> bytes | None:
    """The root that a leaf with this audit path has in a tree of `size` leaves.

    None where no tree of that size has such a path: it is too long or too short, or there is no such leaf.
    """
    if not 0 <= index < size or len(nodes) != _depth(index, size):
        return None
    known, left, right = leaf_hash(data), index, size - 1
    for node in nodes:
        if left % 2 or left == right:
            known = _node(node, known)
            while left % 2 == 0 and left:
                left, right = left // 2, right // 2
        else:
            known = _node(known, node)
        left, right = left // 2, right // 2
    return known


def _depth(index: int, size: int) -> int:
    """How many nodes are hashed with a leaf."""
    if size == 1:
        return 0
    half = _half(size)
    return 1 + (_depth(index, half) if index < half else _depth(index - half, size - half))


def _half(size: int) -> int:
    """The largest power of two below a size of two or more."""
    return 1 << ((size - 1).bit_length() - 1)


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(NODE + left + right).digest()
