"""A commitment to forgotten pictures that reveals none, and the proof that one of them is in it.

A picture is known by the SHA-256 of its decoded bytes, which anybody who has the picture can compute: that
hash in a certificate would tell a guesser that it is right. So each leaf of the tree is an HMAC of it under
a key of its own, derived from a salt that the operator keeps. A proof opens one leaf by its key, and says
nothing of any other: neighbours on its path are hashes of leaves whose keys stay secret. Leaves are sorted,
so that their places tell nothing either.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

from deepunlearn_cli.core.typed import Count, Digest, Number, Seed, Text
from deepunlearn_cli.evidence import merkle

SALT_BYTES = 32
PROOF = "deepunlearn.proof/1"
SCHEME = (
    "RFC 6962 Merkle tree with SHA-256; a leaf is HMAC-SHA256 under a key of its own over the SHA-256 of the "
    "decoded picture; keys are derived from a salt that the operator keeps; leaves are sorted"
)


class Shown(TypedDict):
    """How the bytes of a picture come about: its size in pixels, its channels, how it is resized."""

    height: Count
    width: Count
    channels: Count
    interpolation: Text


class ProofFile(TypedDict):
    """A proof as a file holds it; see `Proof`."""

    schema: Text
    certificate: Digest
    index: Seed
    size: Number
    path: list[Digest]
    key: Digest
    picture: Digest
    decoded: Shown


@dataclass(frozen=True)
class Proof:
    """That a picture is among those that a root commits to.

    Attributes:
        index, size: the leaf's place, and how many there are.
        path: the leaf's audit path.
        key: that the leaf is opened with.
        picture: SHA-256 of the decoded picture.
    """

    index: int
    size: int
    path: tuple[bytes, ...]
    key: bytes
    picture: bytes

    def root(self) -> bytes | None:
        """The root that it leads to; None where it cannot be a path."""
        return merkle.root_from(_sealed(self.key, self.picture), self.index, self.size, self.path)


@dataclass(frozen=True)
class Commitment:
    """The leaves of a tree, sorted: what the operator keeps beside the salt to prove what is in it."""

    leaves: tuple[bytes, ...]

    @property
    def root(self) -> bytes:
        """What the certificate holds of them."""
        return merkle.root(self.leaves)

    def proof(self, salt: bytes, picture: bytes) -> Proof | None:
        """That a picture (its SHA-256) is in it; None where it is not: no proof can be made then."""
        key = _key(salt, picture, 0)
        leaf = _sealed(key, picture)
        if leaf not in self.leaves:
            return None
        index = self.leaves.index(leaf)
        return Proof(index, len(self.leaves), tuple(merkle.path(self.leaves, index)), key, picture)


def commit(salt: bytes, pictures: Sequence[bytes]) -> Commitment:
    """To pictures by their SHA-256; of equal ones each is a leaf of its own."""
    seen: Counter[bytes] = Counter()
    leaves = []
    for picture in pictures:
        leaves.append(_sealed(_key(salt, picture, seen[picture]), picture))
        seen[picture] += 1
    return Commitment(tuple(sorted(leaves)))


def new_salt() -> bytes:
    """A salt that nobody can guess."""
    return secrets.token_bytes(SALT_BYTES)


def keyed(salt: bytes, purpose: str, text: str) -> str:
    """HMAC-SHA256 (hex) of a text for a purpose: who has the salt can check it, nobody else can guess."""
    return hmac.new(salt, f"deepunlearn/{purpose}/{text}".encode(), hashlib.sha256).hexdigest()


def _key(salt: bytes, picture: bytes, twin: int) -> bytes:
    """Of a leaf; `twin` counts pictures that are equal."""
    message = b"deepunlearn/picture/" + picture + twin.to_bytes(4, "big")
    return hmac.new(salt, message, hashlib.sha256).digest()


def _sealed(key: bytes, picture: bytes) -> bytes:
    return hmac.new(key, picture, hashlib.sha256).digest()
