"""Requests, as the ledger tells of them: what each is about, and how far it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from shlex import quote
from typing import Any
from unicodedata import normalize

from deepunlearn_cli.core.errors import UsageFailure, unknown
from deepunlearn_cli.core.names import printable
from deepunlearn_cli.core.typed import shortened
from deepunlearn_cli.store import chain
from deepunlearn_cli.store.ledger import AUDITED, RECEIVED, STATES, UNLEARNED, Entry, Ledger

LONGEST = 100  # characters of an ID
LONGEST_NOTE = 1000
EARLIEST = date(1970, 1, 1)
WORST = ("FAIL", "INCONCLUSIVE", "PASS")  # verdicts, the worst first
RULE = ("attack", "forget", "tolerance", "fail_above", "metrics")  # what a later verdict shares
ABOUT = ("forget", "models")  # what a request is about, for good


@dataclass(frozen=True)
class Request:
    """A request and its entries, the oldest first."""

    id: str
    entries: Sequence[Entry]

    @cached_property
    def state(self) -> str:
        """The furthest that it is since a model last unlearned for it."""
        last = max((n for n, one in enumerate(self.entries) if one.event == UNLEARNED), default=0)
        return max((one.event for one in self.entries[last:]), key=STATES.index)

    @property
    def about(self) -> Mapping[str, Any]:
        """What was asked: `forget` (count, sha256), `models`, `received`, `note`."""
        return next((one.details for one in self.entries if one.event == RECEIVED), {})

    @property
    def received(self) -> str:
        """When it came: an ISO date, or a time in UTC."""
        first = next((one for one in self.entries if one.event == RECEIVED), self.entries[0])
        return str(first.details.get("received") or at(first))

    @cached_property
    def runs(self) -> dict[str, Entry]:
        """The models that unlearned for it: by id of the run the entry that says so."""
        return {key: one for one in self.entries if one.event == UNLEARNED for key in one.details["runs"]}

    @property
    def evidence(self) -> set[str]:
        """Ids of the runs that its entries name: models, and attacks that audited them."""
        audits = [one.details for one in self.entries if one.event == AUDITED]
        return {*self.runs, *(key for one in audits for key in one.get("attacks", ()))}

    def when(self, event: str) -> str | None:
        """When something last happened."""
        return next((at(one) for one in reversed(self.entries) if one.event == event), None)

    def age(self, today: date | None = None) -> int:
        """Whole days since it came."""
        return ((today or datetime.now(UTC).date()) - _day(self.received)).days

    def audits(self, run: str) -> list[Entry]:
        """The audits of a run that count: of each attack and rule the last one.

        A wider tolerance is another rule: it does not take away what the narrower one said.
        """
        last: dict[str, Entry] = {}
        for one in self.entries:
            if one.event == AUDITED and one.details.get("run") == run:
                last[str([one.details.get(name) for name in RULE])] = one
        return list(last.values())

    @cached_property
    def later(self) -> list[str]:
        """Models of later requests that were audited for this one too: does it stay forgotten?"""
        audited = (str(one.details.get("run")) for one in self.entries if one.event == AUDITED)
        return [key for key in dict.fromkeys(audited) if key not in self.runs]

    def verdict(self, run: str) -> str | None:
        """The worst verdict of a run's audits; None before there is one."""
        said = {one.details.get("verdict") for one in self.audits(run)}
        return next((word for word in WORST if word in said), None)


def requests_of(entries: Sequence[Entry]) -> dict[str, Request]:
    """Every request by its ID, in the order in which they were recorded."""
    found: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.request:
            found.setdefault(entry.request, []).append(entry)
    return {name: Request(name, its) for name, its in found.items()}


def find(known: Mapping[str, Request], name: str) -> Request:
    """The request with this ID, as it was typed.

    Raises:
        NotFound: there is none.
        UsageFailure: no ID.
    """
    if (wanted := read_id(name)) not in known:
        raise unknown("request", wanted, known, "`deepunlearn requests` lists them")
    return known[wanted]


def of_audit(entries: Sequence[Entry], runs: Sequence[str], forget: str | None) -> list[Request]:
    """The requests that an audit answers for.

    Args:
        runs: the model, and those that it was made from, the newest first.
        forget: SHA-256 of the forget set that was audited: that of a request, or a union of several, which is
            the newest one's.
    """
    if not runs:
        return []
    known = [one for one in requests_of(entries).values() if one.runs.keys() & {*runs}]
    own = [one for one in known if one.about and one.about["forget"]["sha256"] == forget]
    return own or [one for one in known if runs[0] in one.runs]


def at(entry: Entry) -> str:
    """When an entry was written first, in whichever store."""
    return str(entry.origins[0]["at"]) if entry.origins else entry.at


def read_id(text: str) -> str:
    """An ID as it was typed, in Unicode's composed form.

    Raises:
        UsageFailure: empty, too long, or with what no one-line text has; it must not look like an option.
    """
    name = normalize("NFC", text)
    why = (
        "is empty" if not name.strip()
        else f"has {len(name)} characters, and may have {LONGEST}" if len(name) > LONGEST
        else "has characters that are not printed" if not name.isprintable()
        else "begins or ends with a space" if name != name.strip()
        else "begins with -" if name.startswith("-")
        else ""
    )  # fmt: skip
    if why:
        shown = printable(shortened(text))
        raise UsageFailure(f"the request's ID {shown!r} {why}", "--request DSR-117, say")
    return name


def read_note(text: str) -> str:
    """A note of one line.

    Raises:
        UsageFailure: too long, or more than a line of text.
    """
    note = normalize("NFC", text).strip()
    if len(note) > LONGEST_NOTE or not note.isprintable():
        raise UsageFailure(
            f"--note {printable(shortened(text))!r} is not a line of at most {LONGEST_NOTE} characters",
            "keep what is longer elsewhere, and say where",
        )
    return note


def read_received(text: str) -> str:
    """`2025-02-03`, or a time with its offset from UTC (none: UTC) as one in UTC, to the second.

    Raises:
        UsageFailure: anything else, or a day that is still to come.
    """
    hint = "--received 2025-02-03, or 2025-02-03T14:05+01:00"
    try:
        given = datetime.fromisoformat(text.strip())
        moment = given.astimezone(UTC) if given.tzinfo else given.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise UsageFailure(f"--received {shortened(text)!r} is not a date", hint) from None
    whole_day = len(text.strip()) <= len("2025-02-03")
    ahead = timedelta(days=1) if whole_day else timedelta(0)  # somewhere it is tomorrow already
    if moment > datetime.now(UTC) + ahead or moment.date() < EARLIEST:
        where = "before 1970" if moment.date() < EARLIEST else "still to come"
        raise UsageFailure(f"--received {text.strip()} is {where}", hint)
    return moment.date().isoformat() if whole_day else f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def check_about(request: Request | None, about: Mapping[str, Any], received: str | None) -> None:
    """See that a request is still what it was: same pictures, same models, same day.

    Raises:
        UsageFailure: it is not.
    """
    if request is None:
        return
    known = request.about
    see = f"`deepunlearn requests {quote(request.id)}` shows it; --request takes another ID"
    if known and known["forget"]["sha256"] != about["forget"]["sha256"]:
        counts = f"{known['forget']['count']} pictures (SHA-256 {known['forget']['sha256'][:12]})"
        raise UsageFailure(
            f"request {request.id} is of another forget set: {counts}, and this one has "
            f"{about['forget']['count']} ({about['forget']['sha256'][:12]})",
            see,
        )
    if known and (others := sorted({*about["models"]} - {*known["models"]})):
        raise UsageFailure(
            f"request {request.id} is of another model: {_few(known['models'])}, and this is {_few(others)}",
            see,
        )
    if received and known and received != request.received:
        raise UsageFailure(
            f"request {request.id} was received {request.received}, says the ledger, not {received}",
            "leave --received out",
        )


def lacking(ours: Ledger, theirs: Ledger) -> list[Entry]:
    """The entries of another store's ledger that ours has not, in their order.

    Raises:
        UsageFailure: a request of both is of other pictures or models there.
        StoreCorrupt: one of the two does not hold.
    """
    here, there = ours.entries(), theirs.entries()
    requests = requests_of(here)
    for name, request in requests_of(there).items():
        mine = requests[name].about if name in requests else {}
        if mine and request.about and any(mine[key] != request.about[key] for key in ABOUT):
            raise UsageFailure(
                f"request {name} is of other pictures or models in {theirs.root}",
                f"`deepunlearn requests {quote(name)} --store {quote(str(theirs.root))}` shows it there; "
                "an ID stands for one request",
            )
    return chain.lacking(there, here)


def _few(models: Sequence[str]) -> str:
    return ", ".join(one[:16] for one in models[:3]) + ", ..." * (len(models) > 3)


def _day(text: str) -> date:
    return date.fromisoformat(text[:10])
