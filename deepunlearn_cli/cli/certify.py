"""`deepunlearn certify`: a signed statement of what was done about a request, and what was found."""

from __future__ import annotations

from typing import Annotated

from deepunlearn_cli.cli.app import app, certify_app
from deepunlearn_cli.cli.certified import Delivering, Signing, certificate_table
from deepunlearn_cli.cli.command import Session, register
from deepunlearn_cli.cli.console import Result
from deepunlearn_cli.cli.options import complete_refs
from deepunlearn_cli.cli.parameter import Family, argument


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
    signing: Signing,
    to: Delivering,
) -> Result:
    """Sign what was done about a request and what an audit found, for others to check without this store.

    The audit must meet the policy that was in force when it was made (`certify policy`). A certificate says
    that whoever holds this key ran this procedure and found this, never that data are gone; it names no
    picture. It is a DSSE envelope around an in-toto statement.

    `certify keygen` makes keys, `certify policy FILE` commits a policy, `certify prove PICTURE` makes one
    person's proof, `certify verify CERT` checks a certificate.
    """
    from deepunlearn_cli.cli.certifying import certificate

    made, again = certificate(session, signing.asked(ref, anew=to.force))
    wrote = to.deliver(made)
    table = certificate_table([made])
    if to.out is None:
        return Result(tables=[table]) if session.console.json else Result(text=made.text().decode())
    said = "certified before, and nothing came of it since: the same certificate" if again else "signed"
    return Result(tables=[table], ids=[made.digest], notes=[f"{said}; wrote {wrote}"])
