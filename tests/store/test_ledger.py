"""The ledger: appended to and never edited, whatever kills its writer; whatever was changed in it is found."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest
from store_kit import in_processes, put

from deepunlearn_cli.core.errors import StoreCorrupt
from deepunlearn_cli.core.room import DiskFull
from deepunlearn_cli.store import Store, chain, ledger
from deepunlearn_cli.store.ledger import HEAD, LOCK, NOTHING, Entry, Ledger
from deepunlearn_cli.store.requests import requests_of
from deepunlearn_cli.system.locks import hold

FIELDS = {"number", "at", "request", "event", "details", "previous"}


@pytest.fixture
def store(tmp_path) -> Store:
    return Store.open(tmp_path / "store", create=True)


@pytest.fixture
def book(store) -> Ledger:
    """A ledger of five entries."""
    book = Ledger(store.root)
    for number in range(5):
        book.append(f"r{number % 2}", "received", {"count": number, "note": "a ü \u202e\n b"})
    return book


def lines(book: Ledger) -> list[bytes]:
    return book.path.read_bytes().splitlines(keepends=True)


def write(book: Ledger, those: list[bytes]) -> None:
    book.path.write_bytes(b"".join(those))


def test_lines_are_canonical_json_chained_by_their_bytes(book):
    before = NOTHING
    for number, line in enumerate(lines(book), start=1):
        data = json.loads(line)
        assert set(data) == FIELDS
        assert (data["number"], data["previous"]) == (number, before)
        time.strptime(data["at"], "%Y-%m-%dT%H:%M:%SZ")
        assert line == (json.dumps(data, sort_keys=True, separators=(",", ":")) + "\n").encode("ascii")
        before = hashlib.sha256(line.rstrip(b"\n")).hexdigest()
    assert book.head() == before
    assert [entry.details["count"] for entry in requests_of(book.entries())["r1"].entries] == [1, 3]
    assert book.read().problems == []


def test_an_empty_ledger_has_no_entries_and_makes_no_file(store):
    book = Ledger(store.root)
    assert (book.entries(), book.head(), book.read().problems) == ([], NOTHING, [])
    assert not book.path.exists()


def test_entries_are_plain_data(store):
    book = Ledger(store.root)
    entry = book.append("r", "audited", {"figure": float("nan"), "pair": (1, 2)})
    assert book.entries() == [entry]
    assert entry.details == {"figure": None, "pair": [1, 2]}


@pytest.mark.parametrize(("request_", "event"), [("r", "forgotten"), ("", "received"), ("r", "policy")])
def test_foreign_events_are_refused(store, request_, event):
    with pytest.raises(ValueError, match="of"):
        Ledger(store.root).append(request_, event, {})
    assert not Ledger(store.root).path.exists()


def test_what_is_known_already_is_not_added(book):
    def known(own):
        return next((one for one in own if one.details["count"] == 3), None)

    assert book.append("r1", "received", {"count": 9}, known=known).number == 4
    assert book.append("r0", "received", {"count": 9}, known=known).number == 6


def test_who_admits_sees_all_and_may_refuse(book):
    def refuse(entries):
        raise LookupError(len(entries))

    with pytest.raises(LookupError, match="5"):
        book.append("r", "received", {}, admit=refuse)
    assert len(book.entries()) == 5


EDITS = {
    "changed": lambda those: [*those[:2], those[2].replace(b'"count":2', b'"count":7'), *those[3:]],
    "its last line changed": lambda those: [*those[:4], those[4].replace(b'"count":4', b'"count":7')],
    "its first line changed": lambda those: [those[0].replace(b'"count":0', b'"count":7'), *those[1:]],
    "spaces added": lambda those: [*those[:4], those[4].replace(b",", b", ", 1)],
    "a line removed": lambda those: [*those[:2], *those[3:]],
    "its first line removed": lambda those: those[1:],
    "two lines swapped": lambda those: [those[0], those[2], those[1], *those[3:]],
    "a line twice": lambda those: [*those[:2], those[1], *those[2:]],
    "its last line removed": lambda those: those[:4],
    "all but one removed": lambda those: those[:1],
    "all removed": lambda those: [],
    "its last end removed": lambda those: [*those[:4], those[4][:-1]],
    "half a line removed": lambda those: [*those[:4], those[4][:40]],
    "an empty line": lambda those: [*those[:2], b"\n", *those[2:]],
    "no text": lambda those: [*those[:2], b"\xff\x00\n", *those[2:]],
    "no table": lambda those: [*those, b"[]\n"],
    "too deep": lambda those: [*those, b"[" * 100_000 + b"\n"],
    "a foreign key": lambda those: [*those, those[4].replace(b'"at"', b'"and":1,"at"')],
}


@pytest.mark.parametrize("edit", EDITS)
def test_whatever_was_changed_is_found_and_nothing_is_added_to_it(book, edit):
    write(book, EDITS[edit](lines(book)))
    content = book.path.read_bytes()
    assert book.read().problems
    with pytest.raises(StoreCorrupt, match=r"ledger\.jsonl") as failure:
        book.entries()
    assert failure.value.hint
    with pytest.raises(StoreCorrupt):
        book.append("r", "received", {})
    assert book.path.read_bytes() == content


@pytest.mark.parametrize("at", range(0, 900, 29))
def test_a_flipped_bit_anywhere_is_found(book, at):
    content = bytearray(book.path.read_bytes())
    content[at] ^= 4
    book.path.write_bytes(content)
    assert book.read().problems


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b'{"number":9,"sha256":"%s"}' % (b"0" * 64)])
def test_a_damaged_head_is_found(book, content):
    (book.root / HEAD).write_bytes(content)
    assert book.read().problems


def test_a_removed_head_and_a_removed_ledger_are_found(book):
    (book.root / HEAD).unlink()
    assert book.read().problems == ["its head is gone"]
    other = Ledger(book.root.parent)
    other.append("r", "received", {})
    other.path.unlink()
    assert "the others are gone" in other.read().problems[0]


def test_a_writer_killed_at_any_byte_leaves_a_sound_ledger(book):
    before, head = book.path.read_bytes(), (book.root / HEAD).read_bytes()
    fifth = book.entries()
    book.append("r9", "unlearned", {"runs": ["0123456789abcdef"]})
    whole = book.path.read_bytes()
    for end in range(len(before), len(whole) + 1):
        book.path.write_bytes(whole[:end])
        (book.root / HEAD).write_bytes(head)
        there = book.entries()
        assert there[:5] == fifth
        assert len(there) == 5 + (end == len(whole))
        book.append("r9", "unlearned", {"runs": []}, known=lambda own: next(iter(own), None))
        assert [entry.request for entry in book.entries()] == [*(e.request for e in fifth), "r9"]
        assert book.read().problems == []


WRITER = """
import sys, itertools
from pathlib import Path
from deepunlearn_cli.store.ledger import Ledger
book = Ledger(Path(sys.argv[1]))
print("ready", flush=True)
for number in itertools.count():
    entry = book.append("r", "received", {"of": sys.argv[2], "note": "n" * 2000})
    print(entry.number, entry.digest, flush=True)
"""


@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
def test_kill_at_random_moments(store):
    book, moments, said = Ledger(store.root), random.Random(0), []
    for round_number in range(6):
        command = [sys.executable, "-c", WRITER, str(store.root), str(round_number)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
            assert writer.stdout
            assert writer.stdout.readline() == b"ready\n"
            time.sleep(moments.uniform(0.0, 0.06))
            writer.send_signal(signal.SIGKILL)
            said += [line.split() for line in writer.stdout.read().splitlines() if line.count(b" ") == 1]
        entries = book.entries()  # what was told is there
        known = {(str(entry.number), entry.digest) for entry in entries}
        told = {(number.decode(), digest.decode()) for number, digest in said if len(digest) == 64}
        assert told <= known
    book.append("r", "received", {})
    store.remove_leftovers()
    drafts = [path.name for path in store.root.glob(".ledger*")]
    assert all(name.startswith(f".{HEAD}-") for name in drafts)  # young ones may have a writer
    assert store.verify() == []


def test_several_processes_write_one_chain(store):
    book = Ledger(store.root)

    def work():
        for _ in range(10):
            book.append("r", "received", {"pid": os.getpid()})

    in_processes(work)
    assert len(book.entries()) == 40
    assert not (store.root / LOCK).exists()


def test_a_reader_waits_for_nobody(book):
    with hold(book.root / LOCK):
        assert len(book.entries()) == 5


def test_a_full_disk_leaves_the_ledger_as_it_was(book, monkeypatch):
    before = book.path.read_bytes()

    def full(descriptor, content, at):
        os.pwrite(descriptor, content[:20], at)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ledger, "_all", full)
    with pytest.raises(DiskFull):
        book.append("r", "received", {})
    assert book.path.read_bytes() == before
    monkeypatch.undo()
    assert book.append("r", "received", {}).number == 6


def test_a_run_knows_the_head_that_it_saw(store):
    assert "ledger" not in put(store).facts
    entry = Ledger(store.root).append("r", "received", {})
    assert put(store, seed=1).facts["ledger"] == {"number": 1, "sha256": entry.digest}
    (store.root / HEAD).write_bytes(b"\xff")
    assert "ledger" not in put(store, seed=2).facts  # a damaged ledger stops no run


def test_a_ledger_has_no_last_number(book):
    line = Entry(100_001, "2026-11-27T10:00:00Z", "r", "received", {}, NOTHING).line
    assert chain.parsed(line + b"\n").problems == [
        "line 1 has entry 100001: lines are gone, or in another order"
    ]
    (book.root / HEAD).write_text(json.dumps({"number": 100_001, "sha256": "a" * 64}))
    assert "100001 were written" in book.read().problems[0]


def test_entries_of_another_store_are_brought_once_in_one_write(book, tmp_path, monkeypatch):
    ours, writes = Ledger(tmp_path / "ours"), []
    ours.root.mkdir()
    ours.append("mine", "received", {})
    monkeypatch.setattr(ledger, "_all", lambda *told, write=ledger._all: (writes.append(1), write(*told)))
    theirs = book.entries()
    ours.bring(theirs)
    ours.bring(theirs)
    assert (len(writes), len(ours.entries())) == (1, 1 + len(theirs))
    assert [entry.digests[-1] for entry in ours.entries()[1:]] == [entry.digest for entry in theirs]
    assert chain.lacking(theirs, ours.entries()) == []
