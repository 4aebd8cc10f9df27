"""The check of a certificate, offline: it needs no store, and believes nothing that is not signed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from deepunlearn_cli.core.errors import NotFound, UsageFailure
from deepunlearn_cli.evidence import digests, envelope, keys, policy, proving, statement
from deepunlearn_cli.evidence.envelope import Envelope
from deepunlearn_cli.evidence.failures import DoesNotHold, DoesNotMatch
from deepunlearn_cli.evidence.statement import Statement
from deepunlearn_cli.store.manifest import sha256_of

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    from deepunlearn_cli.store.ledger import Entry

LARGEST = 1 << 26  # bytes of a certificate


@dataclass(frozen=True)
class Read:
    """A certificate whose signature holds.

    Attributes:
        path: its file.
        known: whether the key was given; else the certificate names it itself.
    """

    path: Path
    envelope: Envelope
    statement: Statement
    known: bool

    @property
    def digest(self) -> str:
        """What later certificates know it by."""
        return self.envelope.digest


@dataclass(frozen=True)
class Check:
    """One thing that was checked, and what was found, for people."""

    what: str
    found: str


def read(path: Path, public: Path | None) -> Read:
    """A certificate, its signature checked before anything in it is believed.

    Args:
        public: the key that is to have signed it; None for the one that it names itself.

    Raises:
        NotFound, UsageFailure: no such file; no certificate; no public key.
        DoesNotHold: it was changed, or another key signed it.
    """
    key = keys.read_public(public) if public else None
    found = envelope_of(path)
    if key:
        keys.check_signature(found, key, str(path))
    said = statement.read(found, str(path))
    signer = said["predicate"]["signer"]
    own = key or _own_key(signer["public_key"], path)
    keys.check_signature(found, own, str(path))
    if signer != {"id": keys.key_id(own), "public_key": keys.public_pem(own)}:
        raise DoesNotHold(f"{path} names another signer than its signature's", envelope.AGAIN)
    statement.check_verdicts(said, str(path))
    return Read(path, found, said, key is not None)


def _own_key(pem: str, path: Path) -> Ed25519PublicKey:
    try:
        return keys.from_pem(pem.encode(), str(path))
    except UsageFailure:
        raise DoesNotHold(f"{path}: the key that it names is none", envelope.AGAIN) from None


def envelope_of(path: Path) -> Envelope:
    """What a certificate's file holds; its signature is not checked here.

    Raises:
        NotFound, UsageFailure, DoesNotHold: no such file; no certificate; it was changed.
    """
    try:
        with path.expanduser().open("rb") as file:
            content = file.read(LARGEST)
    except FileNotFoundError:
        raise NotFound(
            f"no certificate {path}", "deepunlearn certify REF --request ID --key KEY.pem"
        ) from None
    return envelope.read(content, str(path))


def signature(one: Read) -> Check:
    """Who signed it."""
    who = "the key of --pub" if one.known else "the key that it names itself: --pub KEY says whose that is"
    return Check("signature", f"Ed25519 by {one.envelope.key_id[:16]}, {who}")


def model(one: Read, path: Path) -> Check:
    """Hold a checkpoint file against a certificate.

    Raises:
        NotFound, UsageFailure: no such file, or no checkpoint.
        DoesNotMatch: its tensors are others.
    """
    from deepunlearn_cli.checkpoints import file as checkpoints

    signed = {part["name"]: part["digest"].get("sha256") for part in one.statement["subject"]}
    weights = checkpoints.read(path).weights
    if digests.of_tensors(weights) != signed.get("tensors"):
        raise DoesNotMatch(
            f"{path} is not the model that {one.path} is of: its tensors are others",
            "check the file; a certificate is of one model, bit for bit",
        )
    same = sha256_of(path.expanduser()) in signed.values()
    return Check("model", f"{path}: the same {'file' if same else 'tensors, in another file'}")


def policy_file(one: Read, path: Path) -> Check:
    """Hold a policy against a certificate.

    Raises:
        NotFound, UsageFailure: no such file, or no policy.
        DoesNotMatch: it is another policy.
    """
    said, given = one.statement["predicate"]["policy"], policy.read(path)
    if given.digest != said["sha256"]:
        raise DoesNotMatch(
            f"{path} is not the policy of {one.path} ({said['name']}, SHA-256 {said['sha256'][:16]})",
            "a policy is known by every byte of its file",
        )
    return Check("policy", f"{given.name}, committed {said['at']}, holds until {given.expires}")


def chain(ones: Sequence[Read]) -> list[Check]:
    """Hold certificates against each other: each names the one before it, the oldest first.

    Raises:
        DoesNotMatch: one does not.
    """
    for before, after in pairwise(ones):
        if after.statement["predicate"]["previous"] != before.digest:
            raise DoesNotMatch(
                f"{after.path} does not follow {before.path}: it names another certificate before it",
                "give them from the oldest to the newest, none left out",
            )
    return [Check("chain", f"{len(ones)} certificates, each follows the one before")] if len(ones) > 1 else []


def ledger(one: Read, entries: Sequence[Entry], path: Path) -> Check:
    """Hold a ledger (whose own chain is sound) against a certificate.

    Raises:
        DoesNotMatch: it is another ledger, or one that was cut off or written anew.
    """
    said = one.statement["predicate"]["ledger"]
    there = [entry for entry in entries if entry.number == said["number"]]
    if not there or there[0].digest != said["head"]:
        raise DoesNotMatch(
            f"{path} is not the ledger of {one.path}: line {said['number']} is another",
            "a ledger that was written anew does not give the same lines again",
        )
    return Check("ledger", f"{path}: {said['number']} lines as they were, {len(entries)} now")


def proof(one: Read, path: Path, picture: Path | None) -> Check:
    """Hold a proof, and the picture that it is to be of, against a certificate.

    Raises:
        NotFound, UsageFailure: no such file; no proof; no picture.
        DoesNotMatch: it is a proof of something else.
    """
    given = proving.read(path)
    said = proving.check_proof(given, path, one.statement, one.digest)
    if picture is None:
        return Check(
            "proof", f"the picture {given.proof.picture.hex()[:16]} is {said}; --picture says if yours"
        )
    if not picture.expanduser().is_file():
        raise NotFound(f"no picture file {picture}", "--picture FILE: an image, or .npy with its pixels")
    if proving.digest_of_file(picture, given.shown) != given.proof.picture:
        raise DoesNotMatch(
            f"{path} is not of {picture} but of another picture",
            "the very file counts: another size, crop or compression is another picture",
        )
    return Check("proof", f"{picture} is {said}")


def check_together(picture: Path | None, given: Path | None) -> None:
    """Refuse a picture without its proof."""
    if picture and not given:
        raise UsageFailure(
            "--picture goes with a proof", "--proof FILE: `deepunlearn certify prove` makes it"
        )
