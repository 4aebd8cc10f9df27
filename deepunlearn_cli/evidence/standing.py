"""What a ledger says of a request: pure functions on its entries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from shlex import quote
from typing import Any

from deepunlearn_cli.core.errors import NotFound, StoreCorrupt, UsageFailure
from deepunlearn_cli.core.events import AUDITED, CERTIFIED, POLICY, RECEIVED, UNLEARNED
from deepunlearn_cli.evidence import policy as policies
from deepunlearn_cli.evidence.policy import Policy
from deepunlearn_cli.store.chain import Entry, parsed
from deepunlearn_cli.store.ledger import FACT

COMMIT = "deepunlearn certify policy FILE commits one; audits come after it"
AGAIN = "unlearn again (--force) and audit that: figures that were known cannot be what a policy is set for"


@dataclass(frozen=True)
class Standing:
    """What the ledger has of one request, and of all policies.

    Attributes:
        entries: the whole ledger.
        own: those of the request.
    """

    request: str
    entries: Sequence[Entry]
    own: Sequence[Entry]

    def of(self, event: str) -> list[Entry]:
        """The request's entries of one kind."""
        return [entry for entry in self.own if entry.event == event]

    @property
    def received(self) -> str | None:
        """When the request came in: as somebody said, else when it was written down."""
        for entry in self.of(RECEIVED):
            return str(entry.details.get("received") or entry.at)
        return None

    @property
    def runs(self) -> list[str]:
        """Ids of the runs that carried it out."""
        return [str(run) for entry in self.of(UNLEARNED) for run in entry.details.get("runs", ())]

    @property
    def events(self) -> list[Mapping[str, str]]:
        """What happened when."""
        return [{"event": entry.event, "at": entry.at} for entry in self.own]

    def audits_of(self, run: str) -> list[Entry]:
        """The entries of audits of the request's run, the newest last.

        An audit of an earlier request's pictures on this run stands with that request.
        """
        return [one for one in self.entries if one.event == AUDITED and one.details.get("run") == run]


def entries_in(content: bytes, name: str) -> list[Entry]:
    """The entries of a ledger's file, wherever it is, by their chain alone; `name` is the file's.

    Raises:
        StoreCorrupt: the chain does not hold.
    """
    found = parsed(content)
    if found.problems:
        raise StoreCorrupt(f"the ledger {name} was changed: {found.problems[0]}", "get the file again")
    return found.entries


def standing(entries: Sequence[Entry], request: str) -> Standing:
    """What a ledger has of a request.

    Raises:
        NotFound: nothing.
        UsageFailure: nothing was unlearned for it.
    """
    own = [entry for entry in entries if entry.request == request]
    if not own:
        raise NotFound(f"the ledger has no request {request!r}", "deepunlearn requests lists them")
    found = Standing(request, entries, own)
    if not found.runs:
        raise UsageFailure(
            f"nothing was unlearned for request {request!r}",
            f"deepunlearn unlearn --method retrain --ckpt REF --request {quote(request)}",
        )
    return found


def attack_of(audit: Entry) -> str:
    """Id of the attack that an entry tells of: the first, those on controls follow."""
    return str(audit.details["attacks"][0])


def by_rule(audit: Entry, tolerance: float, metrics: Sequence[str]) -> bool:
    """Whether the verdict that an entry tells of goes by these figures with this margin."""
    told = audit.details
    alike = sorted(told.get("metrics") or ()) == sorted(metrics) and told.get("fail_above") is None
    return alike and told.get("tolerance") == tolerance


def made_after(facts: Mapping[str, Any], entries: Sequence[Entry]) -> int:
    """Number of the ledger's last entry when a run was made; 0 of one that was made before the ledger.

    A run knows the digest of the last line that it saw, so this goes by no clock.
    """
    seen = facts.get(FACT) or {}
    digest = seen.get("sha256") if isinstance(seen, Mapping) else None
    return next((entry.number for entry in entries if digest in entry.digests), 0)


def in_force(entries: Sequence[Entry], number: int) -> Entry | None:
    """The policy that held when the ledger ended with this entry."""
    found = [entry for entry in entries if entry.event == POLICY and entry.number <= number]
    return found[-1] if found else None


def policy_at(entries: Sequence[Entry], number: int, what: str) -> tuple[Entry, Policy]:
    """The policy under which something was made, read.

    Args:
        number: of the last entry at that time.
        what: was made, for people.

    Raises:
        UsageFailure: none was committed then.
    """
    entry = in_force(entries, number)
    if entry is None:
        known = in_force(entries, len(entries))
        raise UsageFailure(f"no policy had been committed when {what} was made", AGAIN if known else COMMIT)
    return entry, policies.parsed(str(entry.details["text"]).encode(), f"the policy of {entry.at}")


def previous(entries: Sequence[Entry]) -> str | None:
    """The digest of the last certificate that was given."""
    given = [entry for entry in entries if entry.event == CERTIFIED and "certificate" in entry.details]
    return str(given[-1].details["certificate"]) if given else None
