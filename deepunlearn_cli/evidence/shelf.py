"""Certificates that a store gave, and what its operator keeps of each to make proofs later.

    ROOT/certificates/<digest>.json       the envelope, as it was written out
    ROOT/certificates/<digest>.private    salt, leaves and runs (see `Secret`): for its owner alone

The second file outlives the pictures: after `purge` a person who brings a picture still gets a proof. Whoever
removes it makes the certificate's commitment and HMACs random numbers to everybody.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NotRequired, TypedDict

from deepunlearn_cli.core.errors import Failure, NotFound, StoreCorrupt, UsageFailure
from deepunlearn_cli.core.names import encoded
from deepunlearn_cli.core.recipe import canonical
from deepunlearn_cli.core.typed import Digest, Number, Text
from deepunlearn_cli.core.whole import flush
from deepunlearn_cli.evidence import envelope, statement, strict
from deepunlearn_cli.evidence.commitment import Commitment, Shown, keyed
from deepunlearn_cli.evidence.envelope import Envelope
from deepunlearn_cli.evidence.statement import Predicate
from deepunlearn_cli.store.manifest import Problem, not_readable
from deepunlearn_cli.system.rights import PRIVATE, follow, make_folder

FOLDER = "certificates"
LOCK = ".certify.lock"
OWNER_ONLY = 0o600
BACKUP = "put it back from a backup"


class Secret(TypedDict):
    """What is kept of a certificate.

    Attributes:
        salt: hex; left out where the operator keeps it elsewhere (`--salt`).
        leaves: of the commitment, sorted, hex; `earlier` those of the commitment to all requests.
        purged: how many more pictures there were, gone before it was signed; left out where there were none.
        run: id of the run; `attacks` those of the audits, by name.
        fingerprint: of the decoded pictures; `decoded` how a picture becomes such bytes.
        seal: SHA-256 of all the rest; files of earlier versions have none.
    """

    salt: NotRequired[Digest]
    leaves: list[Digest]
    earlier: NotRequired[list[Digest]]
    purged: NotRequired[Number]
    run: Text
    attacks: Mapping[str, Text]
    fingerprint: Text
    decoded: Shown
    seal: NotRequired[Digest]


@dataclass(frozen=True)
class Shelf:
    """The certificates of the store at `root`; there may be none yet."""

    root: Path

    @property
    def lock(self) -> Path:
        """Held while a certificate is made: each names the one before it."""
        return self.root / LOCK

    def keep(self, made: Envelope, secret: Secret) -> None:
        """Keep a certificate: first what proofs are made of, then itself; both are on the disk then."""
        folder = make_folder(self.root / FOLDER)
        _put(self._private(made.digest), json.dumps(secret | {"seal": _seal(secret)}).encode(), OWNER_ONLY)
        _put(self._public(made.digest), made.text(), 0o666)
        follow(self._public(made.digest))
        flush(folder)

    def certificate(self, digest: str) -> Envelope:
        """A certificate that was given.

        Raises:
            NotFound: it is not here.
            StoreCorrupt: it is another now.
        """
        place = self._public(digest)
        try:
            found = envelope.read(place.read_bytes(), str(place))
        except FileNotFoundError:
            raise NotFound(
                f"certificate {digest[:16]} is not in this store", "its file may be elsewhere"
            ) from None
        if found.digest != digest:
            raise StoreCorrupt(f"{place} is not the certificate that was given", BACKUP)
        return found

    def problems(self, given: Iterable[str] = ()) -> list[Problem]:
        """Files of certificates that hold something else than they were written with, or are not there.

        What proofs are made of is its owner's alone: of another's nothing is known, and nothing told.

        Args:
            given: digests of certificates that this store gave (see `standing.given_here`).
        """
        there = sorted((self.root / FOLDER).glob("*.json"))
        gone = sorted({*given} - {place.stem for place in there})
        kept = sorted((self.root / FOLDER).glob(f"*{PRIVATE}"))
        lost = "is not there, and the ledger says it was given"
        secret = [one for place in kept if (one := self._problem(place)) and not one.unread]
        missed = [Problem(FOLDER, f"{one}.json", lost) for one in gone]
        return [*filter(None, map(self._problem, there)), *missed, *secret]

    def _problem(self, place: Path) -> Problem | None:
        """What is wrong with a file; None if nothing is."""
        try:
            wrong = self._wrong(place)
        except PermissionError:
            return not_readable(FOLDER, place.name)
        return Problem(FOLDER, place.name, wrong) if wrong else None

    def _wrong(self, place: Path) -> str:
        """What is wrong with one file; nothing if it is what was written."""
        try:
            if place.suffix == PRIVATE:
                return self._changed(strict.load(place.read_bytes(), Secret), place.stem)
            read = envelope.read(place.read_bytes(), place.name)
        except Failure as failure:
            return failure.message.removeprefix(place.name).strip(": ")
        except ValueError:
            return "is not what was written"
        except PermissionError:
            raise
        except OSError as error:
            return f"cannot be read: {error.strerror}"
        return "" if read.digest == place.stem else "is another certificate"

    def has(self, digest: str) -> bool:
        """Whether a certificate is here with what proofs are made of."""
        return self._public(digest).is_file() and self._private(digest).is_file()

    def secret(self, digest: str) -> Secret:
        """What is kept of a certificate.

        Raises:
            NotFound: nothing is.
            UsageFailure: another user keeps it.
            StoreCorrupt: it is not what was written.
        """
        place = self._private(digest)
        try:
            found: Secret = strict.load(place.read_bytes(), Secret)
        except FileNotFoundError:
            raise NotFound(
                f"what proofs of certificate {digest[:16]} are made of is not in this store",
                "--store DIR names the store that the certificate was made in",
            ) from None
        except PermissionError:
            raise UsageFailure(
                f"{place} is for its owner alone", "whoever certified makes the proofs"
            ) from None
        except ValueError:
            raise StoreCorrupt(f"{place} is not what was written", BACKUP) from None
        if wrong := self._changed(found, digest):
            raise StoreCorrupt(f"{place} {wrong}: no proof can be made from it", BACKUP)
        return found

    def _changed(self, secret: Secret, digest: str) -> str:
        """In what a secret is no longer that of its certificate: a proof from it would deny what is true."""
        if secret.get("seal", seal := _seal(secret)) != seal:
            return "was changed"
        said = self._said(digest)
        trees = {"leaves": said["commitment"], "earlier": said.get("with_earlier")} if said else {}
        for name, tree in trees.items():
            leaves = secret.get(name)
            if tree and (not isinstance(leaves, list) or _root(leaves) != tree["root"]):
                return "holds other pictures than its certificate"
        if not self.is_salt(bytes.fromhex(secret.get("salt", "")), secret, digest):
            return "has another salt than its certificate was made with"
        return ""

    def is_salt(self, salt: bytes, secret: Secret, digest: str) -> bool:
        """Whether a certificate was made with this salt, as far as it is here; no salt is none to doubt."""
        said = self._said(digest)
        return not (salt and said) or keyed(salt, "run", secret["run"]) == said["keyed"].get("run")

    def _said(self, digest: str) -> Predicate | None:
        """What a certificate says; None where it is not here, or damaged itself."""
        with suppress(Failure, OSError):
            made = self.certificate(digest)
            return statement.read(made, digest)["predicate"]
        return None

    def _public(self, digest: str) -> Path:
        return self.root / FOLDER / f"{digest}.json"

    def _private(self, digest: str) -> Path:
        return self.root / FOLDER / f"{digest}{PRIVATE}"


def _seal(secret: Secret) -> str:
    rest = {name: value for name, value in secret.items() if name != "seal"}
    return hashlib.sha256(encoded(canonical(rest))).hexdigest()


def _root(leaves: list[str]) -> str:
    return Commitment(tuple(map(bytes.fromhex, leaves))).root.hex() if leaves else ""


def _put(place: Path, content: bytes, mode: int) -> None:
    """Write a file that appears whole, with this mode (less the umask) from its first byte on."""
    draft = place.with_name(f".{place.name}-{os.getpid()}-{os.urandom(4).hex()}.part")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(place)
    finally:
        draft.unlink(missing_ok=True)
