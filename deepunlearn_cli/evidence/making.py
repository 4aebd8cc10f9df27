"""From what is known of a request to a signed certificate, kept on the store's shelf and in its ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deepunlearn_cli.core.errors import NotFound
from deepunlearn_cli.evidence import gathering, keys, statement
from deepunlearn_cli.evidence.commitment import SCHEME, Commitment, commit, keyed
from deepunlearn_cli.evidence.digests import TENSORS
from deepunlearn_cli.evidence.gathering import Certified, Pictures
from deepunlearn_cli.evidence.shelf import Secret, Shelf
from deepunlearn_cli.evidence.standing import Standing, previous, standing
from deepunlearn_cli.store.ledger import AUDITED, CERTIFIED, UNLEARNED, Entry, Ledger, now
from deepunlearn_cli.store.requests import Request, at
from deepunlearn_cli.system.locks import hold

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from deepunlearn_cli.evidence.envelope import Envelope
    from deepunlearn_cli.evidence.policy import Policy
    from deepunlearn_cli.evidence.statement import Predicate, Tree
    from deepunlearn_cli.store import Run


@dataclass(frozen=True)
class Known:
    """All that a certificate is made from.

    Attributes:
        rows: by attack and what it asks about, its audit as `deepunlearn attack NAME --json` prints it;
            `attacks` are their runs.
        before, retrained, nothing: the models beside; None where there are none.
        pictures: of this request; `union` those of all requests behind the model, where it is not the first,
            less `union_purged` that are gone.
        earlier: what is said of the requests before, the first first.
        policy, committed: what was asked, and the ledger's entry of it.
    """

    standing: Standing
    model: Certified
    pictures: Pictures
    rows: Mapping[str, Mapping[str, Any]]
    attacks: Mapping[str, str]
    policy: Policy
    committed: Entry
    before: Run | None = None
    retrained: Run | None = None
    nothing: Run | None = None
    union: tuple[bytes, ...] = ()
    union_purged: int = 0
    earlier: Sequence[Mapping[str, Any]] = ()

    @property
    def accuracy(self) -> statement.Accuracies:
        """Of all models side by side; the model before as doing nothing leaves it, where that is known."""
        before = gathering.accuracies_of(self.nothing or self.before)
        after = gathering.accuracies_of(self.model.run)
        beside = gathering.accuracies_of(self.retrained)
        return {
            "before": before, "after": after, "retrained": beside, "lost": gathering.lost(before, after),
        }  # fmt: skip


def given_before(known: Standing, model: Certified, key: str, shelf: Shelf) -> Envelope | None:
    """The certificate that the same key gave for the same model, where nothing came of the request since."""
    for entry in reversed(known.request.entries):
        if entry.event in (AUDITED, UNLEARNED):
            return None
        if entry.event == CERTIFIED and entry.details.get("key") == key:
            digest = str(entry.details.get("certificate"))
            if shelf.has(digest):
                found = shelf.certificate(digest)
                said = statement.read(found, digest)
                return found if said["subject"] == model.subject else None
    return None


def make(known: Known, key: Ed25519PrivateKey, salt: bytes, ledger: Ledger, *, elsewhere: bool) -> Envelope:
    """Sign a certificate, and keep it before the ledger says that it was given.

    Args:
        salt: of this certificate.
        elsewhere: whether its operator keeps the salt, and the store must not.
    """
    shelf = Shelf(ledger.root)
    commitment = commit(salt, known.pictures.digests)
    union = commit(salt, known.union) if known.union else None
    with hold(shelf.lock):  # each certificate names the one before it
        said = _predicate(known, key, salt, commitment, union, ledger.entries())
        made = keys.sign(statement.stated(known.model.subject, said), key)
        shelf.keep(made, _secret(known, commitment, union, None if elsewhere else salt))
        ledger.append(known.standing.request.id, CERTIFIED, _entered(known, made))
    return made


def _entered(known: Known, made: Envelope) -> dict[str, Any]:
    return {
        "certificate": made.digest,
        "key": made.key_id,
        "run": known.model.run.id,
        "attacks": list(known.attacks.values()),
        "policy": known.policy.digest,
    }


def _predicate(
    known: Known,
    key: Ed25519PrivateKey,
    salt: bytes,
    commitment: Commitment,
    union: Commitment | None,
    entries: Sequence[Entry],
) -> Predicate:
    asked = standing(entries, known.standing.request.id)
    public = key.public_key()
    made: Predicate = {
        "says": statement.SAYS,
        "issued": now(),
        "request": {"id": asked.request.id, "received": asked.request.received, "events": asked.events},
        "signer": {"id": keys.key_id(public), "public_key": keys.public_pem(public)},
        "tool": gathering.tool_part(known.model.run),
        "before": gathering.before_part(known.before),
        "method": gathering.method_part(known.model),
        "earlier": list(known.earlier),
        "tensors": TENSORS,
        "keyed": _keyed(known, salt),
        "commitment": _tree(commitment, known.pictures.purged),
        "audits": _answers(known, earlier=False),
        "accuracy": known.accuracy,
        "policy": _policy_part(known),
        "ledger": {"number": entries[-1].number, "head": entries[-1].digest},
        "previous": previous(entries),
        "limitations": list(statement.LIMITATIONS),
    }
    if union:
        made["with_earlier"] = _tree(union, known.union_purged)
        made["earlier_audits"] = _answers(known, earlier=True)
    return made


def _answers(known: Known, *, earlier: bool) -> dict[str, dict[str, Any]]:
    rows = ((name, row) for name, row in known.rows.items() if (gathering.EARLIER in name) == earlier)
    return {name: statement.answer_of(row) for name, row in rows}


def _policy_part(known: Known) -> statement.Committed:
    policy, entry = known.policy, known.committed
    return {
        "sha256": policy.digest,
        "name": policy.name,
        "expires": policy.expires.isoformat(),
        "number": entry.number,
        "at": at(entry),
    }


def _keyed(known: Known, salt: bytes) -> dict[str, str]:
    """What names runs and pictures to who has the salt: a recipe's key is a hash of its forget set too."""
    named = {"run": known.model.run.id, "forget": known.pictures.forget, "data": known.pictures.fingerprint}
    named |= {"before": known.before.id} if known.before else {}
    named |= {f"attack/{attack}": run for attack, run in known.attacks.items()}
    return {name: keyed(salt, name, value) for name, value in named.items()}


def _tree(commitment: Commitment, purged: int) -> Tree:
    made: Tree = {"scheme": SCHEME, "root": commitment.root.hex(), "size": len(commitment.leaves)}
    if purged:
        made["purged"] = purged
    return made


def _secret(known: Known, commitment: Commitment, union: Commitment | None, salt: bytes | None) -> Secret:
    made: Secret = {
        "leaves": [leaf.hex() for leaf in commitment.leaves],
        "run": known.model.run.id,
        "attacks": dict(known.attacks),
        "fingerprint": known.pictures.fingerprint,
        "decoded": known.pictures.shown,
    }
    if gone := known.union_purged or known.pictures.purged:
        made["purged"] = gone
    if union:
        made["earlier"] = [leaf.hex() for leaf in union.leaves]
    if salt is not None:
        made["salt"] = salt.hex()
    return made


def last_of(request: Request) -> str:
    """Digest of the last certificate that was given for a request.

    Raises:
        NotFound: none was.
    """
    for entry in reversed(request.entries):
        if entry.event == CERTIFIED:
            return str(entry.details.get("certificate"))
    raise NotFound(
        f"no certificate was given for request {request.id!r}", "`deepunlearn requests` lists states"
    )
