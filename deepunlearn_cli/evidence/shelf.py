"""Certificates that a store gave, and what its operator keeps of each to make proofs later.

    ROOT/certificates/<digest>.json       the envelope, as it was written out
    ROOT/certificates/<digest>.private    salt, leaves and runs (see `Secret`): for its owner alone

The second file outlives the pictures: after `purge` a person who brings a picture still gets a proof. Whoever
removes it makes the certificate's commitment and HMACs random numbers to everybody.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NotRequired, TypedDict

from deepunlearn_cli.core.errors import Failure, NotFound, StoreCorrupt, UsageFailure
from deepunlearn_cli.core.typed import Digest, Number, Text
from deepunlearn_cli.core.whole import flush
from deepunlearn_cli.evidence import envelope, strict
from deepunlearn_cli.evidence.commitment import Shown
from deepunlearn_cli.evidence.envelope import Envelope
from deepunlearn_cli.store.manifest import Problem, not_readable
from deepunlearn_cli.system.rights import PRIVATE, follow, make_folder

FOLDER = "certificates"
LOCK = ".certify.lock"
OWNER_ONLY = 0o600


class Secret(TypedDict):
    """What is kept of a certificate.

    Attributes:
        salt: hex; left out where the operator keeps it elsewhere (`--salt`).
        leaves: of the commitment, sorted, hex; `earlier` those of the commitment to all requests.
        purged: how many more pictures there were, gone before it was signed; left out where there were none.
        run: id of the run; `attacks` those of the audits, by name.
        fingerprint: of the decoded pictures; `decoded` how a picture becomes such bytes.
    """

    salt: NotRequired[Digest]
    leaves: list[Digest]
    earlier: NotRequired[list[Digest]]
    purged: NotRequired[Number]
    run: Text
    attacks: Mapping[str, Text]
    fingerprint: Text
    decoded: Shown


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
        _put(self._private(made.digest), json.dumps(secret).encode(), OWNER_ONLY)
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
            raise StoreCorrupt(f"{place} is not the certificate that was given", "put it back from a backup")
        return found

    def problems(self, given: Iterable[str] = ()) -> list[Problem]:
        """Files of certificates that are not what they were, or not there.

        Args:
            given: digests of certificates that this store gave (see `standing.given_here`).
        """
        there = sorted((self.root / FOLDER).glob("*.json"))
        gone = sorted({*given} - {place.stem for place in there})
        kept = sorted((self.root / FOLDER).glob(f"*{PRIVATE}"))
        found = [_problem(place, _wrong) for place in there]
        found += [
            Problem(FOLDER, f"{one}.json", "is not there, and the ledger says it was given") for one in gone
        ]
        secret = [_problem(place, _torn) for place in kept]
        found += [one for one in secret if one and not one.unread]  # those are for their owners alone
        return [one for one in found if one]

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
            raise StoreCorrupt(f"{place} is not what was written", "put it back from a backup") from None
        return found

    def _public(self, digest: str) -> Path:
        return self.root / FOLDER / f"{digest}.json"

    def _private(self, digest: str) -> Path:
        return self.root / FOLDER / f"{digest}{PRIVATE}"


def _problem(place: Path, wrong: Callable[[bytes, Path], str]) -> Problem | None:
    """What is wrong with a file, as `wrong` tells from its content; None if nothing is."""
    try:
        what = wrong(place.read_bytes(), place)
    except PermissionError:
        return not_readable(FOLDER, place.name)
    except OSError as error:
        what = f"cannot be read: {error.strerror}"
    return Problem(FOLDER, place.name, what) if what else None


def _wrong(content: bytes, place: Path) -> str:
    try:
        found = envelope.read(content, place.name)
    except Failure as failure:
        return failure.message.removeprefix(place.name).strip(": ")
    return "" if found.digest == place.stem else "is another certificate"


def _torn(content: bytes, _: Path) -> str:
    try:
        strict.load(content, Secret)
    except ValueError:
        return "is not what was written"
    return ""


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
