"""The chain of a ledger (see `ledger.py`): entries, read from lines, and what does not hold among them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypedDict

from deepunlearn_cli.core.events import EVENTS
from deepunlearn_cli.core.typed import Digest, Mistyped, Number, check

NOTHING = "0" * 64  # what the first line is chained to
ORIGINS = "origins"  # among the details of an entry that came from another store's ledger: where it stood


class _Written(TypedDict):
    number: Number
    at: str
    request: str
    event: str
    details: Mapping[str, Any]
    previous: Digest


class Head(TypedDict):
    """The last line that was written."""

    number: Number
    sha256: Digest


@dataclass(frozen=True)
class Entry:
    """One line.

    Attributes:
        number: from 1 up.
        at: when it was written: UTC, ISO 8601, to the second.
        request: its ID; empty for a policy.
        event: one of `EVENTS`.
        details: plain data, by event.
        previous: SHA-256 of the line before it, without its end; `NOTHING` of the first.
    """

    number: int
    at: str
    request: str
    event: str
    details: Mapping[str, Any]
    previous: str

    @cached_property
    def line(self) -> bytes:
        """The entry as it stands in the file, without the end of the line: pure ASCII."""
        named = {name: getattr(self, name) for name in _Written.__annotations__}
        return json.dumps(named, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the line."""
        return hashlib.sha256(self.line).hexdigest()

    @property
    def origins(self) -> Sequence[Mapping[str, Any]]:
        """Where it stood in other stores' ledgers (`at`, `number`, `sha256`), the first one first."""
        return list(self.details.get(ORIGINS, ()))

    @property
    def digests(self) -> list[str]:
        """Its own digest, and those that it had in other stores."""
        return [self.digest, *(str(one["sha256"]) for one in self.origins)]


@dataclass
class Read:
    """What the two files hold."""

    entries: list[Entry] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    size: int = 0  # bytes of whole lines


def end_of(entries: Sequence[Entry]) -> str:
    """What the next line is chained to."""
    return entries[-1].digest if entries else NOTHING


def lacking(there: Sequence[Entry], here: Sequence[Entry]) -> list[Entry]:
    """The entries of one ledger that another has not, whatever their digests are in which store."""
    known = {digest for one in here for digest in one.digests}
    return [one for one in there if not known & {*one.digests}]


def brought(one: Entry) -> dict[str, Any]:
    """The details of an entry in another ledger than its own: with where it stood."""
    origin = {"at": one.at, "number": one.number, "sha256": one.digest}
    return {**one.details, ORIGINS: [*one.origins, origin]}


def parsed(content: bytes) -> Read:
    """The whole lines; a last one without an end is no entry."""
    whole = content.rpartition(b"\n")[0]
    lines = whole.split(b"\n") if whole else []
    found = Read(size=len(whole) + bool(lines))
    before = NOTHING
    for number, line in enumerate(lines, start=1):
        try:
            entry = _entry(line)
        except (ValueError, RecursionError):
            found.problems.append(f"line {number} is not an entry as it was written")
        else:
            found.problems += _unchained(entry, number, before)
            found.entries.append(entry)
        before = hashlib.sha256(line).hexdigest()
    return found


def _entry(line: bytes) -> Entry:
    """Raises ValueError for a line that `Entry.line` would write in another way."""
    data = json.loads(line)
    check(data, _Written)
    if set(data) != set(_Written.__annotations__):
        raise Mistyped("", data, "an entry")
    entry = Entry(**data)
    if entry.line != line or entry.event not in EVENTS:
        raise Mistyped("", data, "an entry")
    return entry


def _unchained(entry: Entry, number: int, before: str) -> Iterator[str]:
    if entry.number != number:
        yield f"line {number} has entry {entry.number}: lines are gone, or in another order"
    elif entry.previous != before:
        yield f"line {number} does not follow the line before it: one of the two was changed"


def against(head: Head | None, entries: Sequence[Entry]) -> list[str]:
    """What the head says against the lines; a killed writer leaves it a line behind them."""
    if head is None:
        return ["its head is gone"] if len(entries) > 1 else []
    if head["number"] > len(entries):
        return [f"it ends with line {len(entries)}, and {head['number']} were written: the others are gone"]
    if entries[head["number"] - 1].digest != head["sha256"]:
        return [f"line {head['number']} is not the one that was written"]
    return []
