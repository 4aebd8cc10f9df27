"""What an organisation asks of a deletion before it signs for it: a TOML file, committed before any audit.

name = "Deletion requests, image models"
expires = 2027-06-30           # no certificate after this day
retrained = true               # a retrained control must stand beside the model
accept_uninformative = false   # a PASS that doing nothing would get too is none

[attacks.umia]                 # each of these must have been made, and say PASS
tolerance = 0.05               # its margin
metrics = ["accuracy", "auc"]  # of its figures; all of them if left out
against = "test"               # its own parameters; its defaults if left out

[sizes]                        # pictures on either side, at least
forget = 100
unseen = 100

[accuracy_lost]                # by the model, against the one before, at most
TA = 0.02
"""

from __future__ import annotations

import hashlib
import secrets
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

from deepunlearn_cli.core.errors import Failure, NotFound, UsageFailure, unknown
from deepunlearn_cli.core.typed import Fraction, Mistyped, Number, Text, check, shortened

if TYPE_CHECKING:
    from deepunlearn_cli.attacks import OneModel, Rule

HINT = "deepunlearn guide evidence shows a policy"
ACCURACIES = ("RA", "FA", "VA", "TA")
LARGEST = 1 << 20  # bytes


class _Sizes(TypedDict, total=False):
    forget: Number
    unseen: Number


class _Written(TypedDict):
    name: Text
    retrained: NotRequired[bool]
    accept_uninformative: NotRequired[bool]
    attacks: Mapping[str, Mapping[str, Any]]
    sizes: NotRequired[_Sizes]
    accuracy_lost: NotRequired[Mapping[str, Fraction]]


@dataclass(frozen=True)
class Terms:
    """What is asked of one attack: its parameters, and the rule of its verdict."""

    attack: OneModel
    rule: Rule


@dataclass(frozen=True)
class Policy:
    """A policy that was read.

    Attributes:
        text: the file, byte for byte.
        expires: the last day on which it holds.
        retrained: whether a retrained control is asked for.
        accept_uninformative: whether a PASS will do that doing nothing would get as well.
        attacks: by name, what is asked of each.
        forget, unseen: pictures that are asked for on either side.
        lost: by accuracy, how much of it may be lost.
    """

    text: bytes
    name: str
    expires: date
    retrained: bool
    accept_uninformative: bool
    attacks: Mapping[str, Terms]
    forget: int
    unseen: int
    lost: Mapping[str, float]

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the file."""
        return hashlib.sha256(self.text).hexdigest()

    def check_day(self, today: date) -> None:
        """See that it still holds.

        Raises:
            UsageFailure: it has expired.
        """
        if today > self.expires:
            raise UsageFailure(
                f"the policy {self.name!r} expired on {self.expires}",
                "deepunlearn certify policy FILE commits a new one; audits come after it",
            )


def committed(policy: Policy) -> dict[str, str]:
    """What the ledger holds of a policy.

    `nonce` is drawn at random and told nowhere else. A certificate names the hash of the ledger's last line,
    and lines before it name forget sets: without something in the chain that nobody can guess, a guesser
    could write the whole ledger again and see which forget set gives that hash.
    """
    return {
        "sha256": policy.digest,
        "name": policy.name,
        "expires": policy.expires.isoformat(),
        "text": policy.text.decode("utf-8"),
        "nonce": secrets.token_hex(32),
    }


def read(path: Path) -> Policy:
    """The policy of a file.

    Raises:
        NotFound: no such file.
        UsageFailure: it is none; the message names the key and what is wanted there.
    """
    try:
        with path.expanduser().open("rb") as file:
            text = file.read(LARGEST)
    except FileNotFoundError:
        raise NotFound(f"no policy file {path}", HINT) from None
    return parsed(text, str(path))


def parsed(text: bytes, name: str) -> Policy:
    """The policy that a text is; `name` says where it stood. Raises as `read`."""
    try:
        table = tomllib.loads(text.decode("utf-8"))
        expires = table.pop("expires", None)  # the one value that JSON has not
        check(table, _Written)
    except Mistyped as error:
        raise UsageFailure(f"{name} is no policy: {error}", HINT) from None
    except (ValueError, RecursionError) as error:
        raise UsageFailure(f"{name} is no policy: {' '.join(str(error).split())}", HINT) from None
    if foreign := sorted(table.keys() - _Written.__annotations__.keys()):
        known = ("expires", *_Written.__annotations__)
        failure = unknown("key of policies", foreign[0], known)
        raise UsageFailure(f"{name}: {failure.message}", failure.hint or HINT)
    return _made(table, _day(expires, name), text, name)


def _day(expires: object, name: str) -> date:
    if isinstance(expires, date) and not isinstance(expires, datetime):
        return expires
    raise UsageFailure(f"{name}: expires = {shortened(expires)} is not a day", "expires = 2027-06-30, say")


def _made(table: Mapping[str, Any], expires: date, text: bytes, name: str) -> Policy:
    if not table["attacks"]:
        raise UsageFailure(f"{name} asks for no attack: nothing would be audited", "[attacks.umia], say")
    sizes = table.get("sizes", {})
    _known(table.get("accuracy_lost", {}), ACCURACIES, "accuracy_lost", name)
    _known(sizes, tuple(_Sizes.__annotations__), "sizes", name)
    return Policy(
        text,
        table["name"],
        expires,
        table.get("retrained", True),
        table.get("accept_uninformative", False),
        {attack: _terms(attack, asked, name) for attack, asked in table["attacks"].items()},
        sizes.get("forget", 1),
        sizes.get("unseen", 1),
        dict(table.get("accuracy_lost", {})),
    )


def _known(given: Mapping[str, Any], known: Sequence[str], table: str, name: str) -> None:
    for key in given:
        if key not in known:
            failure = unknown(f"{table} in a policy", key, known, f"there are {', '.join(known)}")
            raise UsageFailure(f"{name}: {failure.message}", failure.hint)


def _terms(attack: str, asked: Mapping[str, Any], name: str) -> Terms:
    """What is asked of an attack.

    Raises:
        UsageFailure: an attack, a parameter or a figure that there is not, or a tolerance out of range.
    """
    from deepunlearn_cli.attacks import Rule, check_tolerance, on_one_model

    kinds = on_one_model()
    given = dict(asked)
    try:
        if attack not in kinds:
            raise unknown("attack", attack, kinds, f"policies name {', '.join(kinds)}")
        kind = kinds[attack]
        tolerance, metrics = given.pop("tolerance", None), given.pop("metrics", list(kind.metrics()))
        check({"tolerance": tolerance, "metrics": metrics}, _Rule)
        check_tolerance(tolerance)
        for metric in metrics:
            if metric not in kind.metrics():
                raise unknown("metric", metric, kind.metrics(), f"it has {', '.join(kind.metrics())}")
        built = kind.build(given)
    except Mistyped as error:
        raise UsageFailure(f"{name}, attacks.{attack}: {error}", HINT) from None
    except Failure as failure:
        raise UsageFailure(f"{name}, attacks.{attack}: {failure.message}", failure.hint) from None
    return Terms(built, Rule(tuple(dict.fromkeys(metrics)), float(tolerance)))


class _Rule(TypedDict):
    tolerance: float
    metrics: list[Text]
