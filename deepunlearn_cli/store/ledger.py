"""The ledger of a store: what was asked and done about requests, one line an entry, each chained to the last.

    ROOT/ledger.jsonl    one canonical-JSON line an entry, with the SHA-256 of the line before it
    ROOT/ledger.head     number and SHA-256 of the last line that was written
    ROOT/.ledger.lock    held while a line is being added

A line is added under a lock that dies with its owner, and on the disk before its head is. Nothing is edited:
what a killed writer left of a line has no end and is no entry, and the next writer writes over it. Lines that
were changed, removed or put elsewhere break the chain; lines cut off its end are missed by the head, by the
runs that were made after them (`marked`), and by whoever keeps a head elsewhere.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypedDict

from deepunlearn_cli.core.errors import StoreCorrupt, UsageFailure
from deepunlearn_cli.core.room import full, is_full
from deepunlearn_cli.core.typed import Count, Digest, Mistyped, check
from deepunlearn_cli.store.manifest import flush
from deepunlearn_cli.store.run import plain
from deepunlearn_cli.system.locks import hold
from deepunlearn_cli.system.rights import follow, forbidden

LEDGER, HEAD, LOCK = "ledger.jsonl", "ledger.head", ".ledger.lock"
POLICY = "policy"  # the one event that belongs to no request
RECEIVED, UNLEARNED, AUDITED, CERTIFIED, PURGED = STATES = (
    "received", "unlearned", "audited", "certified", "purged",
)  # fmt: skip
EVENTS = (POLICY, *STATES)
NOTHING = "0" * 64  # what the first line is chained to
ORIGINS = "origins"  # among the details of an entry that came from another store's ledger: where it stood
FACT = "ledger"  # among a run's facts: the head when it was made
CURE = "put ledger.jsonl and ledger.head back from a backup; deepunlearn verify lists what does not fit"


class _Written(TypedDict):
    number: Count
    at: str
    request: str
    event: str
    details: Mapping[str, Any]
    previous: Digest


class _Head(TypedDict):
    number: Count
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
class _Read:
    """What the two files hold."""

    entries: list[Entry] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    size: int = 0  # bytes of whole lines


@dataclass(frozen=True)
class Ledger:
    """The ledger of the store at `root`; there may be none yet."""

    root: Path

    @property
    def path(self) -> Path:
        """The file of the entries."""
        return self.root / LEDGER

    def entries(self) -> list[Entry]:
        """Every entry, the oldest first; takes no lock, so a store that may only be read has them too.

        Raises:
            StoreCorrupt: the chain or its head does not hold.
            UsageFailure: this user may not read it.
        """
        return self._sound().entries

    def of(self, request: str) -> list[Entry]:
        """The entries of one request; `entries` says what it raises."""
        return [entry for entry in self.entries() if entry.request == request]

    def head(self) -> str:
        """SHA-256 of the last line, `NOTHING` where there is none; `entries` says what it raises.

        Whoever keeps it elsewhere notices whatever is changed or removed up to here.
        """
        return _end(self.entries())

    def append(
        self,
        request: str,
        event: str,
        details: Mapping[str, Any],
        *,
        unless: Callable[[Entry], bool] | None = None,
        admit: Callable[[Sequence[Entry]], None] | None = None,
    ) -> Entry:
        """Add an entry for good; it is on the disk when this returns.

        Args:
            unless: an entry of this request and event that says the same already: it is returned instead.
            admit: looks at all entries while nobody else can add one; what it raises is raised.

        Raises:
            StoreCorrupt: the chain does not hold: nothing is added to it.
            UsageFailure: this user may not write it.
            DiskFull: there is no room; the ledger is as it was.
        """
        if event not in EVENTS or bool(request) == (event == POLICY):
            raise ValueError(f"{event} of {request!r}")
        try:
            with hold(self.root / LOCK):
                found = self._sound()
                if admit:
                    admit(found.entries)
                for entry in found.entries if unless else ():
                    if (entry.request, entry.event) == (request, event) and unless and unless(entry):
                        return entry
                told = json.loads(json.dumps(plain(details)))
                made = Entry(len(found.entries) + 1, now(), request, event, told, _end(found.entries))
                self._write(made, found.size)
                return made
        except OSError as error:
            raise self._unwritable(error) from error

    def problems(self) -> list[str]:
        """What does not hold, in words; what this user may not read raises `UsageFailure`."""
        found = self._read()
        # A writer may have come between the two files.
        return self._read().problems if found.problems else []

    def digests(self) -> set[str]:
        """Of every entry, as far as the lines can be read, those that they had in other stores too."""
        return {digest for entry in self._read().entries for digest in entry.digests}

    def _sound(self) -> _Read:
        found = self._read()
        if found.problems:
            found = self._read()
        if found.problems:
            raise StoreCorrupt(f"the ledger {self.path} was changed: {found.problems[0]}", CURE)
        return found

    def _read(self) -> _Read:
        """The head first: what is added in the meantime is then only more than it says."""
        head, wrong = self._head()
        found = _parsed(self._content())
        found.problems += [wrong] if wrong else _against(head, found.entries)
        return found

    def _content(self) -> bytes:
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return b""
        except PermissionError as error:
            raise forbidden(error, self.path) from None
        except OSError as error:
            raise StoreCorrupt(f"the ledger {self.path} cannot be read: {error.strerror}", CURE) from None

    def _head(self) -> tuple[_Head | None, str]:
        try:
            head: _Head = json.loads((self.root / HEAD).read_bytes())
            check(head, _Head)
        except FileNotFoundError:
            return None, ""
        except PermissionError as error:
            raise forbidden(error, self.root / HEAD) from None
        except (OSError, ValueError, RecursionError):
            return None, f"{HEAD} is not what was written"
        return head, ""

    def _write(self, entry: Entry, size: int) -> None:
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            os.ftruncate(descriptor, size)  # what a killed writer left of a line
            _all(descriptor, entry.line + b"\n", size)
            os.fsync(descriptor)
        except BaseException:
            with suppress(OSError):
                os.ftruncate(descriptor, size)
            raise
        finally:
            os.close(descriptor)
        follow(self.path)
        flush(self.root)
        self._keep_head(entry)

    def _keep_head(self, entry: Entry) -> None:
        draft = self.root / f".{HEAD}-{os.getpid()}-{os.urandom(4).hex()}"
        head: _Head = {"number": entry.number, "sha256": entry.digest}
        try:
            draft.write_text(json.dumps(head) + "\n", "utf-8")
            flush(draft)
            follow(draft).replace(self.root / HEAD)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
        flush(self.root)

    def _unwritable(self, error: OSError) -> Exception:
        if is_full(error):
            return full(self.path, 4096)
        if isinstance(error, PermissionError):
            return forbidden(error, self.root)
        if error.errno == errno.EROFS:
            hint = "copy the store to where it may be written, and name that with --store DIR"
            return UsageFailure(f"{self.root} is on a read-only disk: its ledger takes no entry", hint)
        return error


def marked(root: Path, facts: Mapping[str, Any]) -> dict[str, Any]:
    """A run's facts with the head of the store's ledger, where there is one: the run knows what it saw."""
    head = None
    with suppress(Exception):  # a damaged ledger stops no run: `verify` tells
        head, _ = Ledger(root)._head()
    return {**facts, FACT: dict(head)} if head else dict(facts)


def now() -> str:
    """This second, UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def entries_in(content: bytes, name: str) -> list[Entry]:
    """The entries of a ledger's file, wherever it is, by their chain alone; `name` is the file's.

    Raises:
        StoreCorrupt: the chain does not hold.
    """
    found = _parsed(content)
    if found.problems:
        raise StoreCorrupt(f"the ledger {name} was changed: {found.problems[0]}", "get the file again")
    return found.entries


def _all(descriptor: int, content: bytes, at: int) -> None:
    os.lseek(descriptor, at, os.SEEK_SET)
    while content:
        content = content[os.write(descriptor, content) :]


def _end(entries: Sequence[Entry]) -> str:
    return entries[-1].digest if entries else NOTHING


def _parsed(content: bytes) -> _Read:
    """The whole lines; a last one without an end is no entry."""
    whole = content.rpartition(b"\n")[0]
    lines = whole.split(b"\n") if whole else []
    found = _Read(size=len(whole) + bool(lines))
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


def _against(head: _Head | None, entries: Sequence[Entry]) -> list[str]:
    """What the head says against the lines; it is at most one line behind a killed writer."""
    if head is None:
        return [f"{HEAD} is gone"] if len(entries) > 1 else []
    if head["number"] > len(entries):
        return [f"it ends with line {len(entries)}, and {head['number']} were written: the others are gone"]
    if entries[head["number"] - 1].digest != head["sha256"]:
        return [f"line {head['number']} is not the one that was written"]
    return []
