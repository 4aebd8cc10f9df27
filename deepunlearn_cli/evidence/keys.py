"""Ed25519 keys (RFC 8032) in PEM files: the private one for its owner alone, the public one for all."""

from __future__ import annotations

import hashlib
import os
import stat
from contextlib import suppress
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from deepunlearn_cli.core.errors import NotFound, UsageFailure
from deepunlearn_cli.core.extras import need
from deepunlearn_cli.evidence.envelope import Envelope, pae
from deepunlearn_cli.evidence.failures import DoesNotHold

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

PRIVATE = 0o600
LARGEST = 1 << 16  # bytes of a PEM file
MAKE = "deepunlearn certify keygen --out KEY.pem makes a pair"


def available() -> None:
    """Refuse to go on without what signs.

    Raises:
        UsageFailure: with the command that installs it.
    """
    need("cryptography", "certify", "signatures take")


def public_place(private: Path) -> Path:
    """Where the public key of a pair lies: `officer.pem` has `officer.pub.pem` beside it."""
    return private.with_name(f"{private.stem}.pub.pem")


def generate(private: Path) -> str:
    """Write a new pair; returns the id of its public key.

    Raises:
        UsageFailure: one of the two files is there: a key that is written over is lost.
        OSError: they cannot be written.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    public = public_place(private)
    for place in (private, public):
        if os.path.lexists(place):
            raise UsageFailure(f"{place} is there already; a key is never written over", "name another file")
    key = Ed25519PrivateKey.generate()
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    _write_new(private, secret, PRIVATE)
    try:
        _write_new(public, public_pem(key.public_key()).encode(), 0o644)
    except BaseException:
        with suppress(OSError):
            private.unlink()
        raise
    return key_id(key.public_key())


def read_private(path: Path) -> Ed25519PrivateKey:
    """The private key of a PEM file.

    Raises:
        NotFound: no such file.
        UsageFailure: others may read it, it has a passphrase, or it is no private Ed25519 key.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    content = _content(path)
    if b"PUBLIC KEY" in content:
        raise UsageFailure(
            f"{path} is no private Ed25519 key but a public one: signing takes the other of the pair", MAKE
        )
    if os.name == "posix" and stat.S_IMODE(path.expanduser().stat().st_mode) & 0o077:
        raise UsageFailure(f"{path}: others than you may use this key", f"chmod 600 {quote(str(path))}")
    try:
        key = load_pem_private_key(content, password=None)
    except TypeError:
        raise UsageFailure(
            f"{path} asks for a passphrase, which is not supported",
            f"openssl pkey -in {quote(str(path))} -out PLAIN.pem && chmod 600 PLAIN.pem",
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageFailure(f"{path} is no private Ed25519 key in PEM form", MAKE)
    return key


def read_public(path: Path) -> Ed25519PublicKey:
    """The public key of a PEM file.

    Raises:
        NotFound: no such file.
        UsageFailure: it is no public Ed25519 key; a private one says so.
    """
    content = _content(path)
    if b"PRIVATE KEY" in content:
        raise UsageFailure(
            f"{path} is a private key: keep it to yourself",
            f"--pub {quote(str(public_place(path)))}, perhaps",
        )
    return from_pem(content, str(path))


def from_pem(content: bytes, name: str) -> Ed25519PublicKey:
    """The public key of a PEM text; `name` says where it stood.

    Raises:
        UsageFailure: it is no public Ed25519 key.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(content)
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise UsageFailure(f"{name} is no public Ed25519 key in PEM form", MAKE)
    return key


def public_pem(key: Ed25519PublicKey) -> str:
    """A public key as PEM (SubjectPublicKeyInfo)."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")


def key_id(key: Ed25519PublicKey) -> str:
    """SHA-256 (hex) of a public key (DER, SubjectPublicKeyInfo)."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def sign(payload: bytes, key: Ed25519PrivateKey) -> Envelope:
    """A payload in an envelope, signed."""
    return Envelope(payload, key_id(key.public_key()), key.sign(pae(payload)))


def check_signature(envelope: Envelope, key: Ed25519PublicKey, name: str) -> None:
    """See that this key signed an envelope; `name` is that of its file.

    Raises:
        DoesNotHold: it did not.
    """
    from cryptography.exceptions import InvalidSignature

    if envelope.key_id != key_id(key):
        raise DoesNotHold(
            f"{name} names another key ({envelope.key_id[:16]}) than this one ({key_id(key)[:16]})",
            "--pub takes the public key of whoever is to have signed it",
        )
    try:
        key.verify(envelope.signature, pae(envelope.payload))
    except InvalidSignature:
        raise DoesNotHold(
            f"{name}: the signature is not of these bytes", "something in it was changed: get it again"
        ) from None


def _content(path: Path) -> bytes:
    place = path.expanduser()
    if not place.is_file():
        raise NotFound(f"no key file {path}", MAKE)
    with place.open("rb") as file:
        return file.read(LARGEST)


def _write_new(path: Path, content: bytes, mode: int) -> None:
    """Write a file that is not there yet, with this mode from its first byte on."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
