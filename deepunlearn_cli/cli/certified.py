"""What `certify` and the commands behind it take and show: options, and tables of plain rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from deepunlearn_cli.cli import outputs
from deepunlearn_cli.cli.parameter import option
from deepunlearn_cli.cli.unfold import Bundle
from deepunlearn_cli.core.errors import NotFound
from deepunlearn_cli.core.whole import write_whole
from deepunlearn_cli.reporting.table import Column, Table

if TYPE_CHECKING:
    from deepunlearn_cli.cli.certifying import Asked
    from deepunlearn_cli.cli.command import Session
    from deepunlearn_cli.cli.replay import Code
    from deepunlearn_cli.evidence.checking import Check, Read
    from deepunlearn_cli.evidence.envelope import Envelope
    from deepunlearn_cli.store.ledger import Entry

Request = Annotated[str, option("--request", metavar="ID", help="The request, as the ledger has it.")]
Salt = Annotated[
    Path | None,
    option(
        "--salt",
        metavar="FILE",
        help="64 hex digits that you keep; the store then keeps none. (default: drawn, kept in the store "
        "with mode 0600)",
    ),
]
KnownSalt = Annotated[
    Path | None,
    option(
        "--salt",
        metavar="FILE",
        help="The salt that it was signed with, where you keep it. (default: what the store keeps)",
    ),
]


class Signing(Bundle):
    """For which request something is signed, and with what."""

    request: Request
    key: Annotated[Path, option(metavar="KEY.pem", help="The private Ed25519 key to sign with.")]
    policy: Annotated[
        Path | None,
        option(metavar="FILE", help="The policy that is to have been in force: another one is refused."),
    ] = None
    salt: Salt = None

    def asked(self, ref: str, *, anew: bool) -> Asked:
        """What is to be certified; every file is read.

        Raises:
            NotFound, UsageFailure: no such file, or no private key, policy or salt.
        """
        from deepunlearn_cli.cli.certifying import Asked
        from deepunlearn_cli.evidence import keys, policy, proving

        keys.available()
        signer = keys.read_private(self.key)
        asked = policy.read(self.policy) if self.policy else None
        salt = proving.read_salt(self.salt) if self.salt else None
        return Asked(ref, self.request, signer, asked, salt, anew=anew)


class Delivering(Bundle):
    """Where a certificate goes."""

    out: Annotated[
        Path | None, option(metavar="FILE", help="Write the certificate to this file, not to stdout.")
    ] = None
    html: Annotated[
        Path | None,
        option(metavar="FILE", help="Also write a page to file: two sides of paper, with its words."),
    ] = None
    force: Annotated[
        bool,
        option("--force", help="Sign another, though this was certified before; write over files."),
    ] = False

    def deliver(self, made: Envelope) -> str:
        """Write a certificate and its page; says where.

        Raises:
            UsageFailure: another file is there, and nobody agreed to write over it.
        """
        from deepunlearn_cli.cli.certificate_page import page

        if self.out:
            self._write("out", self.out, made.text())
        if self.html:
            name = str(self.out or "certificate")
            self._write("html", self.html, page(made, name).encode(), name)
        return " and ".join(str(file) for file in (self.out, self.html) if file)

    def _write(self, option: str, file: Path, content: bytes, *others: str) -> None:
        """Write a file, over another one only with somebody's consent."""
        if outputs.check(option, file, others) and file.expanduser().read_bytes() != content:
            outputs.agree(option, file, force=self.force)
        write_whole(file, content)


class Beside(Bundle):
    """What a certificate is held against."""

    ckpt: Annotated[
        Path | None, option(metavar="FILE", help="The model that it is to be of: a checkpoint file.")
    ] = None
    pub: Annotated[
        Path | None, option(metavar="KEY", help="The public key of whoever is to have signed it.")
    ] = None
    policy: Annotated[Path | None, option(metavar="FILE", help="The policy that it is to be under.")] = None
    ledger: Annotated[
        Path | None, option(metavar="FILE", help="A ledger.jsonl that is to be the one behind it.")
    ] = None
    proof: Annotated[Path | None, option(metavar="FILE", help="A proof that one picture is in it.")] = None
    picture: Annotated[
        Path | None, option(metavar="FILE", help="The picture that the proof is to be of.")
    ] = None

    def checks(self, read: Sequence[Read]) -> list[Check]:
        """Hold certificates against each other, and the last of them against what was given.

        Raises:
            NotFound, UsageFailure: no such file, or another kind of file.
            DoesNotMatch: it is of something else.
        """
        from deepunlearn_cli.evidence import checking

        last = read[-1]
        found = [checking.signature(last), *checking.chain(read)]
        found += [checking.model(last, self.ckpt)] if self.ckpt else []
        found += [checking.policy_file(last, self.policy)] if self.policy else []
        found += [checking.ledger(last, _entries(self.ledger), self.ledger)] if self.ledger else []
        found += [checking.proof(last, self.proof, self.picture)] if self.proof else []
        return found


class Again(Bundle):
    """Whether the runs behind a certificate are made again."""

    replay: Annotated[
        bool,
        option(
            "--replay",
            help="Make its model and audits again, in the store that it was made in, and compare bits.",
        ),
    ] = False
    deep: Annotated[bool, option("--deep", help="With --replay: all that they were made from, too.")] = False
    salt: KnownSalt = None

    def checks(self, session: Session, one: Read, code: Code) -> list[Check]:
        """Make them again, if that was asked for, and hold them against it."""
        if not (self.replay or self.deep):
            return []
        from deepunlearn_cli.cli.certificate_replay import replayed

        return replayed(session, one, code, self.salt, deep=self.deep)


def _entries(path: Path) -> list[Entry]:
    """The entries of a ledger's file, its chain sound."""
    from deepunlearn_cli.evidence.standing import entries_in

    try:
        return entries_in(path.expanduser().read_bytes(), str(path))
    except FileNotFoundError:
        raise NotFound(f"no ledger {path}", "--ledger FILE: the ledger.jsonl of a store, or a copy") from None


def certificate_table(made: Sequence[Envelope]) -> Table:
    """Certificates by their digests."""
    return plain_table(
        "deepunlearn.certificate/1", [{"certificate": m.digest, "key": m.key_id} for m in made]
    )


def plain_table(schema: str, rows: Sequence[dict[str, object]], title: str = "") -> Table:
    """Rows of the same keys, which are the columns."""
    columns = [Column(name, lambda row, name=name: str(row[name])) for name in rows[0]]  # type: ignore[misc]
    return Table(schema, title, columns, rows)
