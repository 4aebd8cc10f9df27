"""From a request in the ledger to all that its certificate is made from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from shlex import quote
from typing import TYPE_CHECKING, Any

from deepunlearn_cli.cli.audit_rows import audit_row
from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.evidence import gathering, keys, making, terms
from deepunlearn_cli.evidence import standing as standings
from deepunlearn_cli.evidence.commitment import keyed, new_salt
from deepunlearn_cli.evidence.shelf import Shelf
from deepunlearn_cli.store.ledger import Ledger
from deepunlearn_cli.store.requests import at

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from deepunlearn_cli.cli.command import Session
    from deepunlearn_cli.evidence.envelope import Envelope
    from deepunlearn_cli.evidence.gathering import Certified
    from deepunlearn_cli.evidence.making import Known
    from deepunlearn_cli.evidence.policy import Policy, Terms
    from deepunlearn_cli.evidence.standing import Seen, Standing
    from deepunlearn_cli.execution.runner import Runner
    from deepunlearn_cli.store import Run, Store
    from deepunlearn_cli.store.ledger import Entry


@dataclass(frozen=True)
class Asked:
    """What somebody asked to certify: the model, the request, with which key, policy and salt.

    `anew`: whether another certificate is to be made where there is one already.
    """

    ref: str
    request: str
    key: Ed25519PrivateKey
    policy: Policy | None = None
    salt: bytes | None = None
    anew: bool = False


def certificate(session: Session, asked: Asked) -> tuple[Envelope, bool]:
    """The certificate, and whether it had been given before.

    Raises:
        NotFound, UsageFailure: no such request, model or policy; nothing audited since there was a policy.
        DoesNotHold, NotSettled: the audit does not meet the policy.
    """
    store = session.store()
    ledger = Ledger(store.root)
    standing = standings.standing(ledger.entries(), asked.request)
    model = gathering.certified(asked.ref, standing, store)
    key = keys.key_id(asked.key.public_key())
    if not asked.anew and (made := making.given_before(standing, model, key, Shelf(store.root))):
        return made, True
    with session.runner("cpu", create=False) as runner:
        known = _known(asked, standing, model, runner)
    salt = bytes.fromhex(keyed(asked.salt, "request", standing.request.id)) if asked.salt else new_salt()
    return making.make(known, asked.key, salt, ledger, elsewhere=asked.salt is not None), False


def _known(asked: Asked, standing: Standing, model: Certified, runner: Runner) -> Known:
    store = runner.store
    audits = _audits(standing, model.run, store)
    committed, policy = _policy(standing, audits, model.run)
    _check_policy(asked, policy, committed)
    asked_about = gathering.parts_of(model.recipe, store)
    chosen = {
        f"{name}{part}": _chosen(Asking(name, part, forget, asks), audits, committed, standing, model.run)
        for name, asks in policy.attacks.items()
        for part, forget in asked_about.items()
    }
    known = making.Known(
        standing,
        model,
        gathering.pictures_of(model.recipe, store),
        {name: _row(run, policy.attacks[name.partition("/")[0]], runner) for name, run in chosen.items()},
        {name: run.id for name, run in chosen.items()},
        policy,
        committed,
        gathering.before_of(model, standing, store),
        *_beside(next(iter(chosen.values())), runner),
        *gathering.chain_of(model.recipe, store),
        gathering.earlier_of(model.recipe, standing.entries, store),
    )
    _check_audits(known)
    return known


def _check_policy(asked: Asked, policy: Policy, committed: Entry) -> None:
    """See that the policy still holds, and is the one that somebody named."""
    policy.check_day(datetime.now(UTC).date())
    if asked.policy and asked.policy.digest != policy.digest:
        raise UsageFailure(
            f"--policy is not the one in force when the audit was made: that is {policy.name!r} of "
            f"{at(committed)}",
            "leave --policy out, or commit yours and unlearn and audit after it",
        )


def _check_audits(known: Known) -> None:
    """Hold what was found against the policy."""
    for name, row in known.rows.items():
        if gathering.EARLIER in name:
            terms.check_earlier(name, row)
        else:
            terms.check_audit(known.policy, name, row, exact=known.model.exact)
    terms.check_accuracy(known.policy, known.accuracy["lost"])


@dataclass(frozen=True)
class Asking:
    """What a policy asks: which attack, about which `part` of what was forgotten (digest `forget`)."""

    name: str
    part: str
    forget: str
    terms: Terms


@dataclass(frozen=True)
class Audit:
    """An audit: what the ledger says of it, and the attack's run."""

    entry: Entry
    attack: Run

    def seen(self, standing: Standing) -> Seen:
        """The end of the ledger when the attack was made."""
        return standings.made_after(self.attack.facts, standing.entries)

    def answers(self, asking: Asking) -> bool:
        """Whether it is by the attack that a policy asks for, with its parameters, on these pictures."""
        recipe, wanted = self.attack.recipe, asking.terms.attack
        known = (recipe.name, dict(recipe.params), recipe.forget)
        return known == (wanted.name(), wanted.params(), asking.forget)


def _audits(standing: Standing, run: Run, store: Store) -> list[Audit]:
    """The audits of a run, the newest last."""
    entries = standing.audits_of(run.id)
    found = [Audit(one, attack) for one in entries if (attack := store.get(standings.attack_of(one)))]
    if not found:
        raise UsageFailure(
            f"request {standing.request.id!r}: run {run.id} was not audited",
            f"`deepunlearn attack umia {run.id} --gate`, after `deepunlearn certify policy FILE`",
        )
    return found


def _policy(standing: Standing, audits: list[Audit], run: Run) -> tuple[Entry, Policy]:
    """The policy that was in force when the newest of the audits was made."""
    newest = max((audit.seen(standing) for audit in audits), key=lambda seen: seen.number)
    return standings.policy_at(standing.entries, newest, f"the audit of run {run.id}")


def _chosen(asking: Asking, audits: list[Audit], committed: Entry, standing: Standing, run: Run) -> Run:
    """The newest attack that the policy asks for, made after it was committed and judged by its rule.

    Raises:
        UsageFailure: there is none.
    """
    rule = asking.terms.rule
    ours = [one for one in audits if one.answers(asking)]
    after = [one for one in ours if one.seen(standing).has(committed)]
    judged = [one for one in after if standings.by_rule(one.entry, rule.tolerance, rule.metrics)]
    if judged:
        return judged[-1].attack
    name = f"{asking.name}{asking.part}"
    if ours and not after:
        raise UsageFailure(
            f"the audit of run {run.id} by {name} came before the policy of {at(committed)}", standings.AGAIN
        )
    raise UsageFailure(
        f"request {standing.request.id!r}: run {run.id} was not audited by {name} as the policy asks",
        _command(asking.terms, run),
    )


def _command(asks: Terms, run: Run) -> str:
    """What audits a run as a policy asks."""
    words = ["deepunlearn attack", asks.attack.name(), run.id, f"--tolerance {asks.rule.tolerance:g}"]
    if set(asks.rule.metrics) != set(asks.attack.metrics()):
        words.append(f"--metric {','.join(asks.rule.metrics)}")
    words += [f"--{key.replace('_', '-')} {quote(str(value))}" for key, value in _others(asks).items()]
    return " ".join(words)


def _others(asks: Terms) -> dict[str, Any]:
    """The parameters of an attack that are not at their defaults."""
    usual = type(asks.attack)().values()
    return {name: value for name, value in asks.attack.values().items() if usual[name] != value}


def _row(attack: Run, asks: Terms, runner: Runner) -> dict[str, Any]:
    from deepunlearn_cli.studies.audit import recalled, stripped

    if stripped(attack, runner):
        raise UsageFailure(
            f"what the audit {attack.id} went by was purged (`purge --models`): its figures cannot be "
            "computed again, and nothing new is signed",
            "certificates that were given stand; `deepunlearn requests` names them",
        )
    return audit_row(recalled(runner, attack, asks.rule), asks.rule)


def _beside(attack: Run, runner: Runner) -> tuple[Run | None, Run | None]:
    """The retrained model, and what doing nothing leaves, as far as they are in the store."""
    from deepunlearn_cli.studies.audit import beside

    wanted = beside(attack.recipe, runner)
    retrained, nothing = (runner.store.get(one.inputs["target"].key) if one else None for one in wanted)
    return retrained, nothing
