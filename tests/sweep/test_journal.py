"""Journals: only what is one is mended or written to, and what it was before stays beside it."""

from __future__ import annotations

import errno
import json

import pytest

from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.sweep import storage
from deepunlearn_cli.sweep.storage import open_storage

LINE = b'{"op_code":0,"worker_id":"w","study_name":"s","directions":[1]}\n'
FOREIGN = {
    "json.json": b'{"lr": 0.1, "x": 2}',
    "line.txt": b"milk\n",
    "word.txt": b"milk",
    "brace.txt": b"{",
    "list.json": b"[1, 2]",
    "deep.json": b"[" * 100_000,
    "log.jsonl": b'{"epoch": 0}\n{"epoch": 1}',
    "orig.pt": b"PK\x03\x04" + bytes(range(256)),
    "null": b"null\n",
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_file_of_something_else_is_refused_untouched_and_gets_no_neighbours(tmp_path, name):
    file = tmp_path / name
    file.write_bytes(FOREIGN[name])
    with pytest.raises(UsageFailure, match="is not an Optuna journal"):
        written(file)
    assert file.read_bytes() == FOREIGN[name]
    assert list(tmp_path.iterdir()) == [file]


def written(file):
    import optuna

    optuna.create_study(storage=open_storage(f"journal:{file}"), study_name="mine")


@pytest.mark.parametrize("torn", [LINE + b'{"op_code":4,"worker_id":"tor', b'{"op_code":0,"wor'])
def test_a_journal_is_mended_beside_a_copy_of_what_it_was(tmp_path, torn):
    file = tmp_path / "x.journal"
    for number in range(2):
        file.write_bytes(torn)
        written(file)
        assert all(json.loads(line) for line in file.read_bytes().splitlines())
        assert (tmp_path / f"x.journal.{number}.torn").read_bytes() == torn


def test_a_journal_that_cannot_be_copied_first_is_not_mended(tmp_path, monkeypatch):
    def full(source, target):
        target.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    file = tmp_path / "x.journal"
    file.write_bytes(LINE + b'{"op_code":4')
    monkeypatch.setattr(storage.shutil, "copy2", full)
    with pytest.raises(OSError, match="No space"):
        written(file)
    assert file.read_bytes() == LINE + b'{"op_code":4'
    assert not list(tmp_path.glob("*.torn"))
