"""Proofs for persons: that their picture is among those that a certificate is of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deepunlearn_cli import data
from deepunlearn_cli.core.errors import NotFound, UsageFailure
from deepunlearn_cli.core.recipe import canonical
from deepunlearn_cli.evidence import strict
from deepunlearn_cli.evidence.commitment import PROOF, SALT_BYTES, Commitment, Proof, ProofFile, Shown, keyed
from deepunlearn_cli.evidence.failures import DoesNotMatch

if TYPE_CHECKING:
    from deepunlearn_cli.evidence.shelf import Secret
    from deepunlearn_cli.evidence.statement import Statement
    from deepunlearn_cli.store import Store

AGAIN = "deepunlearn certify prove PICTURE makes it again"


def read_salt(path: Path) -> bytes:
    """The salt that an operator keeps in a file: 64 hex digits.

    Raises:
        NotFound: no such file.
        UsageFailure: it holds something else.
    """
    make = "openssl rand -hex 32 > FILE && chmod 600 FILE makes one"
    try:
        text = path.expanduser().read_text("ascii").strip()
        salt = bytes.fromhex(text)
    except (FileNotFoundError, IsADirectoryError):
        raise NotFound(f"no salt file {path}", make) from None
    except ValueError:
        salt = b""
    if len(salt) != SALT_BYTES:
        raise UsageFailure(f"{path} is no salt of {2 * SALT_BYTES} hex digits", make)
    return salt


def picture_of(named: str, secret: Secret, store: Store) -> bytes:
    """SHA-256 of a decoded picture: of a file, or of the store's data by its path or number.

    Raises:
        NotFound: there is no such file or picture, or the data are gone.
        UsageFailure: a file that is no picture.
    """
    place = Path(named).expanduser()
    if place.is_file():
        return digest_of_file(place, secret["decoded"])
    dataset = data.load_dataset(secret["fingerprint"], store.data)
    index = data.index_of(named, dataset)
    if index is None:
        raise NotFound(f"no picture file {named}, and {dataset.name} has no such picture", "check the name")
    if index in dataset.purged:
        raise NotFound(
            f"picture {named} of {dataset.name} was purged: nothing in this store tells what it showed",
            "name the picture's file: `deepunlearn certify prove FILE --request ID`",
        )
    return data.picture_digest(dataset.images[index])


def digest_of_file(path: Path, shown: Shown) -> bytes:
    """SHA-256 of a picture file decoded as a certificate's pictures were; `.npy` holds pixels (H, W[, C])."""
    shape = shown["height"], shown["width"], shown["channels"]
    return data.picture_digest(data.decoded_picture(path, shape, shown["interpolation"]))


def prove(named: str, picture: bytes, secret: Secret, salt: bytes, *, union: bool = False) -> Proof:
    """The proof that a picture is among those of a certificate's request, or (`union`) of all before too.

    Raises:
        NotFound: it is not, and no proof can be made.
    """
    leaves = secret.get("earlier", secret["leaves"]) if union else secret["leaves"]
    found = Commitment(tuple(map(bytes.fromhex, leaves))).proof(salt, picture)
    if found is None and (gone := secret.get("purged")):
        raise NotFound(
            f"{named} is none of the {len(leaves)} pictures that the certificate commits to; {gone} more "
            "had been purged before it was signed",
            "the certificate of the request that they were purged for has them: --request ID",
        )
    if found is None:
        raise NotFound(
            f"{named} is none of the {len(leaves)} pictures that the certificate is of: no proof can be made",
            "a proof is of the very picture: another size, crop or compression is another picture",
        )
    return found


def written(proof: Proof, certificate: str, shown: Shown) -> bytes:
    """A proof as a file holds it."""
    made: ProofFile = {
        "schema": PROOF,
        "certificate": certificate,
        "index": proof.index,
        "size": proof.size,
        "path": [node.hex() for node in proof.path],
        "key": proof.key.hex(),
        "picture": proof.picture.hex(),
        "decoded": shown,
    }
    return f"{canonical(made)}\n".encode()


@dataclass(frozen=True)
class Given:
    """A proof that was read: itself, the certificate that it says it is of, and how pictures are decoded."""

    proof: Proof
    certificate: str
    shown: Shown


def read(path: Path) -> Given:
    """The proof of a file.

    Raises:
        NotFound: no such file.
        UsageFailure: it is torn, or no proof.
    """
    try:
        table: ProofFile = strict.load(path.expanduser().read_bytes(), ProofFile)
    except (FileNotFoundError, IsADirectoryError):
        raise NotFound(f"no proof file {path}", AGAIN) from None
    except ValueError as error:
        raise UsageFailure(f"{path} is no proof: {error}", AGAIN) from None
    nodes = tuple(map(bytes.fromhex, table["path"]))
    key, picture = bytes.fromhex(table["key"]), bytes.fromhex(table["picture"])
    proof = Proof(table["index"], table["size"], nodes, key, picture)
    return Given(proof, table["certificate"], table["decoded"])


def check_proof(given: Given, path: Path, statement: Statement, digest: str) -> str:
    """Hold a proof against a certificate; says which pictures it is one of.

    Raises:
        DoesNotMatch: it is of another certificate, or of no picture of this one.
    """
    predicate = statement["predicate"]
    if given.certificate != digest:
        raise DoesNotMatch(
            f"{path} is a proof of certificate {given.certificate[:16]}, not of this one", AGAIN
        )
    trees = {"this request": predicate["commitment"]}
    if union := predicate.get("with_earlier"):
        trees["this request and those before"] = union
    for what, tree in trees.items():
        root = given.proof.root()
        if root is not None and root.hex() == tree["root"] and given.proof.size == tree["size"]:
            return f"one of the {tree['size']} pictures of {what}"
    raise DoesNotMatch(f"{path} proves nothing: its picture is not among those of the certificate", AGAIN)


def salt_of(secret: Secret, given: Path | None, request: str) -> bytes:
    """The salt of a certificate: what the store keeps, or made from the operator's own file.

    Raises:
        UsageFailure: the operator keeps it, and no file was given.
    """
    if given:
        return bytes.fromhex(keyed(read_salt(given), "request", request))
    if "salt" not in secret:
        raise UsageFailure(
            "this certificate's salt is kept by its operator", "--salt FILE, as it was signed with"
        )
    return bytes.fromhex(secret["salt"])
