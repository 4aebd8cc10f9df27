"""`deepunlearn certify keygen|policy|prove|verify`: what goes before and after a certificate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from deepunlearn_cli.cli import outputs
from deepunlearn_cli.cli.app import certify_app
from deepunlearn_cli.cli.certified import Again, Beside, KnownSalt, Request, plain_table
from deepunlearn_cli.cli.command import Session, register
from deepunlearn_cli.cli.console import Result
from deepunlearn_cli.cli.parameter import argument, option
from deepunlearn_cli.cli.replay import Code
from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.core.whole import write_whole

if TYPE_CHECKING:
    from deepunlearn_cli.evidence.checking import Check, Read
    from deepunlearn_cli.evidence.statement import Tree
    from deepunlearn_cli.reporting.table import Table


@register(certify_app, "keygen", "deepunlearn certify keygen --out officer.pem", keeps=True)
def keygen(
    session: Session,
    out: Annotated[
        Path, option(metavar="KEY.pem", help="The private key; the public one is written beside it.")
    ],
) -> Result:
    """Make a pair of Ed25519 keys: the private one with mode 0600, the public one in KEY.pub.pem.

    Nothing is written over. The private key has no passphrase: keep it where only you can read. A store is no
    such place: it is copied, merged and shared.
    """
    from deepunlearn_cli.evidence import keys

    keys.available()
    outputs.refuse_in_store("out", out, "a private key")
    made = keys.generate(out.expanduser())
    public = keys.public_place(out)
    table = plain_table("deepunlearn.key/1", [{"key": made, "private": str(out), "public": str(public)}])
    return Result(tables=[table], notes=[f"keep {out} to yourself, and give {public} to whoever is to check"])


@register(certify_app, "policy", "deepunlearn certify policy policy.toml")
def policy(
    session: Session,
    file: Annotated[Path, argument(metavar="FILE", help="The policy, in TOML.")],
) -> Result:
    """Commit a policy to the store's ledger: what audits that come after it have to meet.

    It holds from now on until the next one. Only audits made after it are certified under it: a margin that
    is chosen when figures are known is none.
    """
    from datetime import UTC, datetime

    from deepunlearn_cli.evidence import policy as policies
    from deepunlearn_cli.evidence import standing
    from deepunlearn_cli.store.ledger import Ledger

    read = policies.read(file)
    read.check_day(datetime.now(UTC).date())
    entry, same = standing.commit(Ledger(session.store(create=True).root), read)
    row = {"policy": read.digest, "name": read.name, "expires": str(read.expires)}
    table = plain_table("deepunlearn.policy/1", [{**row, "number": entry.number, "at": entry.at}])
    said = "is in force already" if same else "committed"
    return Result(tables=[table], notes=[f"{read.name!r} {said}: line {entry.number} of the ledger"])


@register(
    certify_app,
    "prove",
    "deepunlearn certify prove cat/001.jpg --request DSR-2026-117 --out proof.json",
    "deepunlearn certify prove ~/inbox/photo.png --request DSR-2026-117 --out proof.json",
    "deepunlearn certify prove 17 --request DSR-2026-117",
)
def prove(
    session: Session,
    picture: Annotated[
        str, argument(metavar="PICTURE", help="A picture file, or the path or number of one in the data.")
    ],
    request: Request,
    out: Annotated[Path | None, option(metavar="FILE", help="Write the proof here, not to stdout.")] = None,
    cert: Annotated[
        Path | None,
        option(metavar="CERT", help="Of this certificate. (default: the request's last one)"),
    ] = None,
    all_requests: Annotated[
        bool,
        option("--all-requests", help="That it was forgotten by this request or one before it."),
    ] = False,
    salt: KnownSalt = None,
) -> Result:
    """Prove to one person that their picture is among those that a certificate is of.

    The proof opens their leaf of the commitment and says nothing of any other picture. Give it to them with
    the certificate: whoever has both and the picture can check that it was forgotten.
    """
    from deepunlearn_cli.evidence import checking, proving
    from deepunlearn_cli.evidence.making import last_of
    from deepunlearn_cli.evidence.shelf import Shelf
    from deepunlearn_cli.store.ledger import Ledger
    from deepunlearn_cli.store.requests import find, requests_of

    if out:
        outputs.refuse_in_store("out", out, "a proof that is one person's")
    store = session.store()
    asked = find(requests_of(Ledger(store.root).entries()), request)
    digest = checking.envelope_of(cert).digest if cert else last_of(asked)
    shelf = Shelf(store.root)
    secret = shelf.secret(digest)
    salted = proving.salt_of(secret, salt, asked.id)
    if not shelf.is_salt(salted, secret, digest):
        raise UsageFailure(
            f"{salt} is not the salt that the certificate was signed with", "--salt FILE, as then"
        )
    made = proving.prove(
        picture, proving.picture_of(picture, secret, store), secret, salted, union=all_requests
    )
    text = proving.written(made, digest, secret["decoded"])
    if out is None:
        return Result(text=text.decode())
    write_whole(out, text)
    row = {"certificate": digest, "picture": made.picture.hex(), "index": made.index, "size": made.size}
    return Result(tables=[plain_table("deepunlearn.proof-made/1", [row])], notes=[f"wrote {out}"])


@register(
    certify_app,
    "verify",
    "deepunlearn certify verify cert.json --pub officer.pub.pem",
    "deepunlearn certify verify cert.json --pub officer.pub.pem --ckpt clean.pt --policy policy.toml",
    "deepunlearn certify verify cert.json --pub officer.pub.pem --proof proof.json --picture photo.png",
    "deepunlearn certify verify first.json second.json --pub officer.pub.pem",
    "deepunlearn certify verify cert.json --pub officer.pub.pem --replay",
)
def verify(
    session: Session,
    certs: Annotated[
        list[Path], argument(metavar="CERT", help="Certificates; of several each must follow the one before.")
    ],
    beside: Beside,
    again: Again,
    code: Code,
) -> Result:
    """Check a certificate, without a store or a network: signature, digests, and what it says.

    Only --replay needs the store. Exit 4 if it does not hold: it was changed, or another key signed it. Exit
    7 if it is of something else than the model, policy, ledger, picture or certificate given beside it.
    """
    from deepunlearn_cli.evidence import checking, keys

    keys.available()
    checking.check_together(beside.picture, beside.proof)
    read = [checking.read(path, beside.pub) for path in certs]
    checks = [*beside.checks(read), *again.checks(session, read[-1], code)]
    if not beside.pub:
        session.console.warn("nobody said whose key it is: --pub KEY, from whoever you trust to have signed")
    return Result(tables=[_about(read[-1]), _checks(checks)])


def _about(one: Read) -> Table:
    """What a certificate says, in short."""
    said = one.statement["predicate"]
    audits = ", ".join(_found(name, row) for name, row in said["audits"].items())
    told = {
        "certificate": one.digest,
        "request": said["request"]["id"],
        "received": said["request"]["received"],
        "issued": said["issued"],
        "method": said["method"]["title"],
        "pictures": _counted(said["commitment"]),
        "audits": audits,
        **_silent(said["earlier"]),
        "policy": said["policy"]["name"],
        "says": said["says"],
    }
    rows = [{"what": name, "found": value} for name, value in told.items()]
    return plain_table("deepunlearn.certificate-says/1", rows, f"{one.path} says")


def _silent(earlier: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Requests before that no audit asked about: their pictures had been purged."""
    gone = [one for one in earlier if one.get("not_asked")]
    told = ", ".join(f"request {one['number']} ({one['not_asked']} pictures purged before)" for one in gone)
    return {"not asked about": told} if gone else {}


def _counted(tree: Tree) -> int | str:
    """How many pictures a request was of, and what is in its commitment where that is less."""
    purged = tree.get("purged", 0)
    size = tree["size"]
    return f"{size + purged}, {purged} of them purged before and not committed to" if purged else size


def _found(name: str, row: Mapping[str, Any]) -> str:
    blind = ", and doing nothing passes too" if row.get("uninformative") else ""
    return f"{name} {row['verdict']} within {row['tolerance']:g}{blind}"


def _checks(checks: Sequence[Check]) -> Table:
    return plain_table("deepunlearn.certificate-check/1", [vars(one) for one in checks], "and it holds")
