"""What a ledger says of a request: pure functions on its entries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from shlex import quote
from typing import Any

from deepunlearn_cli.core.errors import StoreCorrupt, UsageFailure
from deepunlearn_cli.core.events import AUDITED, CERTIFIED, POLICY
from deepunlearn_cli.evidence import policy as policies
from deepunlearn_cli.evidence.policy import Policy
from deepunlearn_cli.store.chain import Entry, parsed
from deepunlearn_cli.store.ledger import FACT, Ledger
from deepunlearn_cli.store.requests import Request, at, find, requests_of

COMMIT = "deepunlearn certify policy FILE commits one; audits come after it"
AGAIN = "unlearn again (--force) and audit that: figures that were known cannot be what a policy is set for"


@dataclass(frozen=True)
class Standing:
    """What the ledger has of one request, and of all policies; `entries` are the whole ledger."""

    request: Request
    entries: Sequence[Entry]

    @property
    def runs(self) -> list[str]:
        """Ids of the runs that carried it out."""
        return list(self.request.runs)

    @property
    def events(self) -> list[Mapping[str, str]]:
        """What happened when."""
        return [{"event": entry.event, "at": at(entry)} for entry in self.request.entries]

    def audits_of(self, run: str) -> list[Entry]:
        """The entries of audits of the request's run, the newest last.

        An audit of an earlier request's pictures on this run stands with that request.
        """
        return [one for one in self.entries if one.event == AUDITED and one.details.get("run") == run]


@dataclass(frozen=True)
class Seen:
    """The end of the ledger when a run was made.

    Attributes:
        number: of its last line; 0 where there was no ledger.
        at: when that was written, of a run that another store's ledger came with: policies that were here
            already then stand before its lines, and it saw none of them.
    """

    number: int
    at: str | None = None

    def has(self, entry: Entry) -> bool:
        """Whether an entry had been written by then."""
        return entry.number <= self.number and (self.at is None or at(entry) <= self.at)


def entries_in(content: bytes, name: str) -> list[Entry]:
    """The entries of a ledger's file, wherever it is, by their chain alone; `name` is the file's.

    Raises:
        StoreCorrupt: the chain does not hold.
    """
    found = parsed(content)
    if found.problems:
        raise StoreCorrupt(f"the ledger {name} was changed: {found.problems[0]}", "get the file again")
    return found.entries


def standing(entries: Sequence[Entry], name: str) -> Standing:
    """What a ledger has of a request, whose ID was typed.

    Raises:
        NotFound: nothing.
        UsageFailure: nothing was unlearned for it; no ID.
    """
    request = find(requests_of(entries), name)
    if not request.runs:
        raise UsageFailure(
            f"nothing was unlearned for request {request.id!r}",
            f"deepunlearn unlearn --method retrain --ckpt REF --request {quote(request.id)}",
        )
    return Standing(request, entries)


def attack_of(audit: Entry) -> str:
    """Id of the attack that an entry tells of: the first, those on controls follow."""
    return str(audit.details["attacks"][0])


def by_rule(audit: Entry, tolerance: float, metrics: Sequence[str]) -> bool:
    """Whether the verdict that an entry tells of goes by these figures with this margin."""
    told = audit.details
    alike = sorted(told.get("metrics") or ()) == sorted(metrics) and told.get("fail_above") is None
    return alike and told.get("tolerance") == tolerance


def made_after(facts: Mapping[str, Any], entries: Sequence[Entry]) -> Seen:
    """What a run saw of the ledger when it was made; nothing, of one that was made before there was one.

    A run knows the digest of the last line that it saw, so this goes by no clock, but where stores were
    merged.
    """
    seen = facts.get(FACT) or {}
    digest = seen.get("sha256") if isinstance(seen, Mapping) else None
    for entry in entries:
        if digest in entry.digests:
            elsewhere = [str(one["at"]) for one in entry.origins if one["sha256"] == digest]
            return Seen(entry.number, *elsewhere)
    return Seen(0)


def in_force(entries: Sequence[Entry], seen: Seen) -> Entry | None:
    """The last policy that had been committed by then."""
    return next((one for one in reversed(entries) if one.event == POLICY and seen.has(one)), None)


def commit(ledger: Ledger, policy: Policy) -> tuple[Entry, bool]:
    """Put a policy into the ledger, unless it is the newest there; and whether it was.

    Two commands at the same time commit it once: looking and adding are one step, under the ledger's lock.
    """
    told = policies.committed(policy)

    def newest(known: Sequence[Entry]) -> Entry | None:
        return known[-1] if known and known[-1].details.get("sha256") == policy.digest else None

    entry = ledger.append("", POLICY, told, known=newest)
    return entry, entry.details.get("nonce") != told["nonce"]


def policy_at(entries: Sequence[Entry], seen: Seen, what: str) -> tuple[Entry, Policy]:
    """The policy under which something was made, read.

    Args:
        seen: the ledger at that time.
        what: was made, for people.

    Raises:
        UsageFailure: none was committed then.
    """
    entry = in_force(entries, seen)
    if entry is None:
        known = in_force(entries, Seen(len(entries)))
        raise UsageFailure(f"no policy had been committed when {what} was made", AGAIN if known else COMMIT)
    return entry, policies.parsed(str(entry.details["text"]).encode(), f"the policy of {entry.at}")


def given_here(entries: Sequence[Entry]) -> list[str]:
    """Digests of the certificates that this store gave: those of stores that were merged lie there."""
    given = [one for one in entries if one.event == CERTIFIED and not one.origins]
    return [str(one.details["certificate"]) for one in given if "certificate" in one.details]


def previous(entries: Sequence[Entry]) -> str | None:
    """The digest of the last certificate that was given."""
    given = [entry for entry in entries if entry.event == CERTIFIED and "certificate" in entry.details]
    return str(given[-1].details["certificate"]) if given else None
