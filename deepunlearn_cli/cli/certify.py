"""`deepunlearn certify`: a signed statement of what was done about a request, and what was found."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from deepunlearn_cli.cli import outputs
from deepunlearn_cli.cli.app import app, certify_app
from deepunlearn_cli.cli.certificate_page import write_page
from deepunlearn_cli.cli.certified import Html, Request, Salt, certificate_table
from deepunlearn_cli.cli.command import Session, register
from deepunlearn_cli.cli.console import Result
from deepunlearn_cli.cli.options import complete_refs
from deepunlearn_cli.cli.parameter import Family, argument, option
from deepunlearn_cli.core.whole import write_whole

if TYPE_CHECKING:
    from deepunlearn_cli.evidence.envelope import Envelope


class Certificates(Family):
    """`certify`, with `keygen`, `policy`, `prove` and `verify` behind it."""

    below = certify_app


@register(
    app,
    "certify",
    "deepunlearn certify keygen --out officer.pem",
    "deepunlearn certify policy policy.toml    # before the audit",
    "deepunlearn certify clean.pt --request DSR-2026-117 --key officer.pem --out cert.json",
    "deepunlearn certify verify cert.json --ckpt clean.pt --pub officer.pub.pem",
    "deepunlearn certify prove cat/001.jpg --request DSR-2026-117 --out proof.json",
    cls=Certificates,
    keeps=True,
)
def certify(
    session: Session,
    ref: Annotated[
        str,
        argument(
            metavar="RUN|FILE",
            help="The model: a run that carried out the request, or its checkpoint file.",
            autocompletion=complete_refs,
        ),
    ],
    request: Request,
    key: Annotated[Path, option(metavar="KEY.pem", help="The private Ed25519 key to sign with.")],
    out: Annotated[
        Path | None, option(metavar="FILE", help="Write the certificate to this file, not to stdout.")
    ] = None,
    policy: Annotated[
        Path | None,
        option(metavar="FILE", help="The policy that is to have been in force: another one is refused."),
    ] = None,
    salt: Salt = None,
    html: Html = None,
    force: Annotated[
        bool,
        option("--force", help="Sign another, though this was certified before; write over files."),
    ] = False,
) -> Result:
    """Sign what was done about a request and what an audit found, for others to check without this store.

    The audit must meet the policy that was in force when it was made (`certify policy`). A certificate says
    that whoever holds this key ran this procedure and found this, never that data are gone; it names no
    picture. It is a DSSE envelope around an in-toto statement.

    `certify keygen` makes keys, `certify policy FILE` commits a policy, `certify prove PICTURE` makes one
    person's proof, `certify verify CERT` checks a certificate.
    """
    from deepunlearn_cli.cli import certifying
    from deepunlearn_cli.evidence import keys, proving
    from deepunlearn_cli.evidence import policy as policies

    keys.available()
    signer = keys.read_private(key)
    asked = certifying.Asked(
        ref,
        request,
        signer,
        policies.read(policy) if policy else None,
        proving.read_salt(salt) if salt else None,
        anew=force,
    )
    made, again = certifying.certificate(session, asked)
    if html:
        write_page(made, out or Path("certificate"), html, force=force)
    if out is None:
        return (
            Result(text=made.text().decode())
            if not session.console.json
            else Result(tables=[certificate_table([made])])
        )
    _deliver(made, out, force=force)
    said = "certified before, and nothing came of it since: the same certificate" if again else "signed"
    wrote = " and ".join(str(file) for file in (out, html) if file)
    return Result(tables=[certificate_table([made])], ids=[made.digest], notes=[f"{said}; wrote {wrote}"])


def _deliver(made: Envelope, out: Path, *, force: bool) -> None:
    """Write a certificate out, unless it is there already; over another file only with somebody's consent."""
    content = made.text()
    if outputs.check("out", out) and out.expanduser().read_bytes() != content:
        outputs.agree("out", out, force=force)
    write_whole(out, content)
