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

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepunlearn_cli.core.errors import StoreCorrupt
from deepunlearn_cli.core.events import (
    AUDITED,
    CERTIFIED,
    EVENTS,
    POLICY,
    PURGED,
    RECEIVED,
    STATES,
    UNLEARNED,
)  # fmt: skip
from deepunlearn_cli.core.room import full, is_full
from deepunlearn_cli.core.typed import check
from deepunlearn_cli.core.whole import flush
from deepunlearn_cli.store.chain import (
    NOTHING,
    ORIGINS,
    Entry,
    Head,
    Read,
    against,
    brought,
    end_of,
    lacking,
    parsed,
)
from deepunlearn_cli.store.run import plain
from deepunlearn_cli.system.locks import hold
from deepunlearn_cli.system.rights import follow, forbidden, is_refusal

__all__ = [
    "AUDITED", "CERTIFIED", "EVENTS", "NOTHING", "ORIGINS", "POLICY", "PURGED", "RECEIVED", "STATES",
    "UNLEARNED", "Entry", "Ledger",
]  # fmt: skip

LEDGER, HEAD, LOCK = "ledger.jsonl", "ledger.head", ".ledger.lock"
FACT = "ledger"  # among a run's facts: the head when it was made
CURE = "put ledger.jsonl and ledger.head back from a backup; deepunlearn verify lists what does not fit"


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

    def head(self) -> str:
        """SHA-256 of the last line, `NOTHING` where there is none; `entries` says what it raises.

        Whoever keeps it elsewhere notices whatever is changed or removed up to here.
        """
        return end_of(self.entries())

    def append(
        self,
        request: str,
        event: str,
        details: Mapping[str, Any],
        *,
        known: Callable[[Sequence[Entry]], Entry | None] | None = None,
        admit: Callable[[Sequence[Entry]], None] | None = None,
    ) -> Entry:
        """Add an entry for good; it is on the disk when this returns.

        Args:
            known: finds among the request's entries one that says the same already: it is returned instead.
            admit: looks at all entries while nobody else can add one; what it raises is raised.

        Raises:
            StoreCorrupt: the chain does not hold: nothing is added to it.
            UsageFailure: this user may not write it.
            DiskFull: there is no room; the ledger is as it was.
        """
        if event not in EVENTS or bool(request) == (event == POLICY):
            raise ValueError(f"{event} of {request!r}")
        with self._writing() as found:
            if admit:
                admit(found.entries)
            own = [one for one in found.entries if one.request == request]
            if known and (same := known(own)):
                return same
            return self._add(found, [(request, event, details)])[0]

    def bring(self, entries: Sequence[Entry]) -> None:
        """Add entries of another store's ledger, each with where it stood; those that are here are left.

        Raises:
            StoreCorrupt, UsageFailure, DiskFull: as `append`.
        """
        with self._writing() as found:
            self._add(found, [(o.request, o.event, brought(o)) for o in lacking(entries, found.entries)])

    def read(self) -> Read:
        """What can be read of it, sound or not, and what does not hold: for who has damage to mend.

        Raises:
            UsageFailure: this user may not read it.
            StoreCorrupt: its file cannot be read at all.
        """
        found = self._read()
        # A writer may have come between the two files.
        return self._read() if found.problems else found

    def _sound(self) -> Read:
        found = self.read()
        if found.problems:
            raise StoreCorrupt(f"the ledger {self.path} was changed: {found.problems[0]}", CURE)
        return found

    @contextmanager
    def _writing(self) -> Iterator[Read]:
        """The sound ledger, while nobody else can add to it."""
        try:
            with hold(self.root / LOCK):
                yield self._sound()
        except OSError as error:
            raise self._unwritable(error) from error

    def _read(self) -> Read:
        """The head first: what is added in the meantime is then only more than it says."""
        head, wrong = self._head()
        found = parsed(self._content())
        found.problems += [wrong] if wrong else against(head, found.entries)
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

    def _head(self) -> tuple[Head | None, str]:
        try:
            head: Head = json.loads((self.root / HEAD).read_bytes())
            check(head, Head)
        except FileNotFoundError:
            return None, ""
        except PermissionError as error:
            raise forbidden(error, self.root / HEAD) from None
        except (OSError, ValueError, RecursionError):
            return None, f"{HEAD} is not what was written"
        return head, ""

    def _add(self, found: Read, told: Iterable[tuple[str, str, Mapping[str, Any]]]) -> list[Entry]:
        """Entries of these requests, events and details, all in one write."""
        made: list[Entry] = []
        for number, (request, event, details) in enumerate(told, len(found.entries) + 1):
            before = end_of(made or found.entries)
            made.append(Entry(number, now(), request, event, kept(details), before))
        if made:
            self._write(made, found.size)
        return made

    def _write(self, entries: Sequence[Entry], size: int) -> None:
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            os.ftruncate(descriptor, size)  # what a killed writer left of a line
            _all(descriptor, b"".join(one.line + b"\n" for one in entries), size)
            os.fsync(descriptor)
        except BaseException:
            with suppress(OSError):
                os.ftruncate(descriptor, size)
            raise
        finally:
            os.close(descriptor)
        follow(self.path)
        flush(self.root)
        self._keep_head(entries[-1])

    def _keep_head(self, entry: Entry) -> None:
        draft = self.root / f".{HEAD}-{os.getpid()}-{os.urandom(4).hex()}"
        head: Head = {"number": entry.number, "sha256": entry.digest}
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
        return forbidden(error, self.root) if is_refusal(error) else error


def marked(root: Path, facts: Mapping[str, Any]) -> dict[str, Any]:
    """A run's facts with the head of the store's ledger, where there is one: the run knows what it saw."""
    head = None
    with suppress(Exception):  # a damaged ledger stops no run: `verify` tells
        head, _ = Ledger(root)._head()
    return {**facts, FACT: dict(head)} if head else dict(facts)


def unmarked(facts: Mapping[str, Any]) -> dict[str, Any]:
    """A run's facts without what it saw of another store's ledger."""
    return {name: value for name, value in facts.items() if name != FACT}


def kept(details: Mapping[str, Any]) -> dict[str, Any]:
    """Details as an entry has them: plain data, floats as they stand in the file."""
    told: dict[str, Any] = json.loads(json.dumps(plain(details)))
    return told


def now() -> str:
    """This second, UTC."""
    return moment(time.time())


def moment(seconds: float) -> str:
    """Seconds since 1970 as a time in UTC, ISO 8601, to the second."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _all(descriptor: int, content: bytes, at: int) -> None:
    os.lseek(descriptor, at, os.SEEK_SET)
    while content:
        content = content[os.write(descriptor, content) :]
