"""DSSE envelopes (Dead Simple Signing Envelope, v1.0.0): bytes, what they are, and a signature over both.

What is signed is the pre-authentication encoding: the payload with its type and both lengths, so that no
payload passes for one of another type. Other tools read these envelopes: that is the point of them.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import TypedDict

from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.core.recipe import canonical
from deepunlearn_cli.core.typed import Digest, Text
from deepunlearn_cli.evidence import strict
from deepunlearn_cli.evidence.failures import DoesNotHold

PAYLOAD_TYPE = "application/vnd.in-toto+json"
AGAIN = "get it again from whoever signed it"


class _Signature(TypedDict):
    keyid: Digest
    sig: Text


class _Written(TypedDict):
    payload: Text
    payloadType: Text
    signatures: list[_Signature]


@dataclass(frozen=True)
class Envelope:
    """A signed payload.

    Attributes:
        payload: the statement's bytes.
        key_id: SHA-256 (hex) of the public key (DER, SubjectPublicKeyInfo).
        signature: over `pae(payload)`, 64 bytes of Ed25519.
    """

    payload: bytes
    key_id: str
    signature: bytes

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the payload: what a later certificate and the ledger know this one by."""
        return hashlib.sha256(self.payload).hexdigest()

    def text(self) -> bytes:
        """As a file holds it: one line of JSON."""
        signature = {"keyid": self.key_id, "sig": _b64(self.signature)}
        whole = {"payload": _b64(self.payload), "payloadType": PAYLOAD_TYPE, "signatures": [signature]}
        return f"{canonical(whole)}\n".encode()


def pae(payload: bytes) -> bytes:
    """The pre-authentication encoding of a payload of our type."""
    return b"DSSEv1 %d %s %d %s" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)


def read(text: bytes, name: str) -> Envelope:
    """The envelope that a file holds; its signature is not checked here.

    Args:
        name: of the file, for people.

    Raises:
        UsageFailure: it is torn, or no envelope with one signature.
        DoesNotHold: what it holds was changed: another payload type, base64 of two meanings.
    """
    try:
        whole: _Written = strict.load(text, _Written)
    except ValueError as error:
        raise UsageFailure(f"{name} is no certificate: {error}", AGAIN) from None
    signatures = whole["signatures"]
    if len(signatures) != 1 or whole.keys() != _Written.__annotations__.keys():
        raise UsageFailure(f"{name} is no certificate: it has more or less than one signature", AGAIN)
    if whole["payloadType"] != PAYLOAD_TYPE:
        raise DoesNotHold(f"{name}: its payload is not of type {PAYLOAD_TYPE}", AGAIN)
    signature = signatures[0]
    if signature.keys() != _Signature.__annotations__.keys():
        raise DoesNotHold(f"{name}: its signature carries more than a key's id and itself", AGAIN)
    payload, signed = (_bytes(one, name) for one in (whole["payload"], signature["sig"]))
    return Envelope(payload, signature["keyid"], signed)


def _b64(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


def _bytes(text: str, name: str) -> bytes:
    """What base64 stands for; of the texts that decoders take for the same bytes only one is accepted."""
    try:
        value = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        value = b""
    if _b64(value) != text:
        raise DoesNotHold(f"{name}: its base64 was changed", AGAIN)
    return value
