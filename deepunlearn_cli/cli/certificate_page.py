"""The page of a certificate: what it says, for people who file paper; made from the certificate alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deepunlearn_cli.evidence.envelope import Envelope
    from deepunlearn_cli.evidence.statement import Predicate, Statement
    from deepunlearn_cli.reporting.request_page import Audit, Model, RequestFacts

PARTS = ("RA", "FA", "TA")


def page(made: Envelope, name: str) -> str:
    """The page of a certificate; `name` is that of its file, for messages."""
    from deepunlearn_cli.evidence import statement
    from deepunlearn_cli.reporting.request_page import request_page

    return request_page(facts_of(statement.read(made, name), made))


def facts_of(statement: Statement, made: Envelope) -> RequestFacts:
    """What a certificate says, as the facts of a page; no hash that a picture could be guessed from."""
    from deepunlearn_cli.reporting.request_page import RequestFacts

    said = statement["predicate"]
    method, policy, tool = said["method"], said["policy"], said["tool"]
    return RequestFacts(
        request=said["request"]["id"],
        dates=_dates(said),
        forget="the pictures that the certificate commits to",
        pictures=said["commitment"]["size"] + said["commitment"].get("purged", 0),
        forget_sha256="",
        data=str(said["before"].get("model") or ""),
        method=method["title"],
        how=_how(method["name"]),
        exact=bool(method["exact"]),
        before=_model("before", said, "before", str(said["before"]["tensors"] or "")),
        after=_model("after", said, "after", _tensors(statement)),
        retrained=_model("retrained without the pictures", said, "retrained", ""),
        earlier=[_earlier(one) for one in said["earlier"]][::-1],
        settings={name: f"{value:g}" if isinstance(value, float) else str(value)
                  for name, value in method["params"].items()},
        cost={
            "Versions": f"deepunlearn {tool['deepunlearn']}, torch {tool['torch']}",
            "Made on": str(tool["device"]),
        },
        audits=[_audit(*one) for one in {**said["audits"], **said.get("earlier_audits", {})}.items()],
        hashes={
            "Certificate": made.digest,
            "Signed by the key": said["signer"]["id"],
            "Commitment to the pictures": said["commitment"]["root"],
            f"Policy ({policy['name']}, of {policy['at']})": policy["sha256"],
            f"Ledger, line {said['ledger']['number']}": said["ledger"]["head"],
            "Certificate before": said["previous"] or "",
        },
        limitations=[said["says"], *said["limitations"]],
        made_by=f"Made from the certificate alone; issued {said['issued']}",
    )  # fmt: skip


def _dates(said: Predicate) -> list[tuple[str, str]]:
    """The last time of each kind of thing, in the order in which they first happened."""
    last: dict[str, str] = {"received": str(said["request"]["received"] or "")}
    for one in said["request"]["events"]:
        if one["event"] != "received":
            last[one["event"]] = one["at"]
    return [(event.capitalize(), at) for event, at in {**last, "certified": said["issued"]}.items()]


def _how(name: str) -> str:
    """What a method does, where it is one of this installation's."""
    import inspect

    from deepunlearn_cli.methods import METHODS

    kind = METHODS.known(name)
    return " ".join((inspect.getdoc(kind) or "").partition("\n\n")[0].split()) if kind else ""


def _model(title: str, said: Predicate, which: str, digest: str) -> Model:
    from deepunlearn_cli.reporting.request_page import Model

    known: Mapping[str, Any] = said["accuracy"].get(which) or {}  # type: ignore[assignment]
    name = f"tensors {digest[:16]}" if digest else "not in the certificate"
    return Model(title, name, digest, {part: known.get(part) for part in PARTS})


def _tensors(statement: Statement) -> str:
    return next(str(one["digest"]["sha256"]) for one in statement["subject"] if one["name"] == "tensors")


def _earlier(one: Mapping[str, Any]) -> str:
    named = ", ".join(one["requests"]) or f"number {one['number']}"
    gone = "; its pictures were purged before, and nothing was asked about it" if one.get("not_asked") else ""
    return f"request {named}: {one['pictures']} pictures, {one['method']}{gone}"


def _audit(name: str, row: Mapping[str, Any]) -> Audit:
    from deepunlearn_cli.attacks import ATTACKS
    from deepunlearn_cli.reporting.request_page import Audit

    attack, _, part = name.partition("/")
    kind = ATTACKS.known(attack)
    title = kind.title if kind else attack
    return Audit(f"{title} of {part}" if part else title, row)
