"""The index: rows, filters, and the truth whatever happens to the file."""

from __future__ import annotations

import json
import os
import pickle
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from store_kit import in_processes, put, recipe, settle

from deepunlearn_cli.core.facts import FACTS
from deepunlearn_cli.core.rows import IndexRow
from deepunlearn_cli.store import Store, ancestry, manifest
from deepunlearn_cli.store import index as index_room
from deepunlearn_cli.store.asked import by_choice
from deepunlearn_cli.store.index import Index, row


@pytest.fixture
def store(tmp_path) -> Store:
    return Store.open(tmp_path / "store", create=True)


def test_the_layout_s_number_follows_from_the_row_s_fields():
    fields = [*IndexRow.__annotations__, *FACTS]
    assert index_room.layout(fields) == index_room.LAYOUT
    assert index_room.layout([*fields, "another"]) != index_room.LAYOUT
    assert 0 < index_room.LAYOUT < 2**31  # what SQLite's user_version holds


def test_a_run_of_a_search_says_so_until_somebody_asks_and_its_heirs_do_not(store):
    made = by_choice(recipe(kind="unlearn", name="msg", inputs={"original": recipe()}), "msg-1234")
    heir = replace(made, kind="attack", name="umia", inputs={"target": made})
    runs = [store.put(one, scores={}, facts={"status": "done"}) for one in (made, heir)]
    assert made.key == replace(made, labels={}).key, "a label is no part of a key"
    assert {row["id"]: row["chosen"] for row in store.rows()} == {made.key: "msg-1234", heir.key: None}
    store.asked.add(runs)
    assert store.asked.all() == {made.key}
    store.remove([made.key])
    assert store.asked.all() == set()


def test_rows_say_what_is_needed(store):
    made = recipe(3, kind="unlearn", name="msg", inputs={"target": recipe()}, forget="f" * 64)
    facts = {
        "status": "failed",
        "reason": "diverged",
        "created": 5.0,
        "seconds": 2.0,
        "work": 1.5,
        "shared": True,
    }
    store.put(made, scores={"test": 0.5}, facts=facts)
    (row,) = store.rows()
    assert row == {
        "id": made.key, "base": made.key, "attempt": 0, "kind": "unlearn", "name": "msg", "seed": 3,
        "params": {"epochs": 2, "lr": 0.1}, "setting": made.setting, "dataset": "digits", "model": "cnn",
        "forget": "f" * 64, "forget_label": "random:0.1", "method": None, "chosen": None, "precision": "fp32", "augment": True,
            "status": "failed",
        "reason": "diverged", "created": 5.0, "target": recipe().key, "earlier": "", "scores": {"test": 0.5},
        "inputs": [recipe().key],
        **dict.fromkeys(FACTS), "seconds": 2.0, "work": 1.5, "shared": True,
    }  # fmt: skip


def test_rows_are_ordered_and_filtered(store):
    runs = [put(store, seed) for seed in (3, 1, 2)]
    other = put(store, 9, kind="unlearn", name="msg", forget="a", labels={"dataset": "mnist"})
    assert [row["seed"] for row in store.rows()] == [1, 2, 3, 9]
    assert [row["seed"] for row in store.rows(kind="train", name=None)] == [1, 2, 3]
    for filters in ({"name": "msg"}, {"dataset": "mnist"}, {"forget": "a"}, {"id": other.id[:6]}):
        assert [row["id"] for row in store.rows(**filters)] == [other.id]
    assert len(store.rows(setting=runs[0].recipe.setting, model="cnn", status="done")) == 4
    with pytest.raises(TypeError, match="colour"):
        store.rows(colour="red")


def test_put_goes_to_an_index_that_exists(store):
    store.rows()
    run = put(store)
    assert store.index._load(1.0, run.id[:2])[run.id[:2]].runs.keys() == {run.id}


def test_a_warm_index_reads_no_manifest(store, monkeypatch):
    for seed in range(3):
        put(store, seed)
    settle(store)
    rows = store.rows()
    monkeypatch.setattr("deepunlearn_cli.store.manifest.row_of", lambda _: pytest.fail("read a manifest"))
    assert store.rows() == rows


@pytest.mark.parametrize("settled", [True, False])
def test_runs_deleted_by_hand_disappear(store, settled):
    first, second = put(store), put(store, seed=1)
    if settled:
        settle(store)
    assert len(store.rows()) == 2
    first.path.rename(store.root / "elsewhere")
    assert [row["id"] for row in store.rows()] == [second.id]
    (store.root / "elsewhere").rename(first.path)
    assert len(store.rows()) == 2


def test_a_run_replaced_by_hand_is_read_again(store):
    run = put(store, scores={"test": 0.1})
    store.rows()
    run.path.rename(store.root / "old")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Index, "refresh", lambda *_: None)
        put(store, scores={"test": 0.2})
    assert [row["scores"] for row in store.rows()] == [{"test": 0.2}]


def foreign_table(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE diary (day TEXT)")
        db.execute(f"PRAGMA user_version = {index_room.LAYOUT}")
    db.close()


def old_layout(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA user_version = {index_room.LAYOUT - 1}")
    db.close()


def wrong_rows(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("UPDATE shards SET runs = ?", (pickle.dumps({}),))
    db.close()


def half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def junk(path: Path) -> None:
    path.write_bytes(b"junk" * 1000)


@pytest.mark.parametrize("ruin", [Path.unlink, foreign_table, old_layout, wrong_rows, half, junk])
def test_a_ruined_index_is_rebuilt(store, ruin):
    for seed in range(5):
        put(store, seed)
    settle(store)
    rows = store.rows()
    path = store.root / "index.sqlite"
    ruin(path)
    assert store.rows() == rows
    assert {s.name: s.mtime > 0 for s in store.index._load(1.0).values()} == {
        row["id"][:2]: True for row in rows
    }
    ruin(path)
    put(store, seed=7)
    assert len(store.rows()) == 6


@pytest.mark.parametrize(
    "runs",
    [
        {"a": os.getcwd},
        [1],
        {recipe().key: (1, {})},
        {recipe().key: (1, {"scores": 5})},
        {recipe(1).key: (1, row(recipe(), {"test": 0.5}, {}))},
        {recipe().key: (1, {**row(recipe(), {"test": 0.5}, {}), "created": "x"})},
        {recipe().key: (1, {**row(recipe(), {"test": 0.5}, {}), "scores": {"test": "x"}})},
    ],
)
def test_an_index_cannot_run_code_nor_say_what_rows_do_not(store, runs):
    put(store)
    settle(store)
    store.rows()
    blob = pickle.dumps(runs)
    name, mtime = recipe().key[:2], (store.runs / recipe().key[:2]).stat().st_mtime_ns
    with sqlite3.connect(store.root / "index.sqlite") as db:
        crc = index_room._checksum(name, mtime, blob)
        db.execute("UPDATE shards SET runs = ?, crc = ?", (blob, crc))
    db.close()
    assert [(one["id"], one["scores"]) for one in store.rows()] == [(recipe().key, {"test": 0.5})]


def test_a_store_that_cannot_be_written_is_readable(store, monkeypatch):
    put(store)

    def read_only(*_):
        raise sqlite3.OperationalError("attempt to write a readonly database")

    monkeypatch.setattr(index_room, "_write", read_only)
    assert len(store.rows()) == len(store.rows()) == 1
    monkeypatch.undo()
    store.rows()
    put(store, seed=1)
    monkeypatch.setattr(index_room, "_write", read_only)
    assert len(store.rows()) == 2
    assert not list(store.root.glob(".index-*"))


def test_readers_and_writers_at_once(store):
    def work() -> None:
        for number in range(10):
            put(store, seed=os.getpid() * 100 + number)
            if number % 4 == 0:
                (store.root / "index.sqlite").unlink(missing_ok=True)
            assert number < len(store.rows())

    in_processes(work)
    assert len(store.rows()) == 40
    assert store.verify() == []
    assert store.leftovers() == []


def test_a_change_within_one_tick_of_the_clock_is_seen(store):
    put(store)
    (shard,) = store.runs.iterdir()
    before = shard.stat()
    assert len(store.rows()) == 1
    (other := shard / (shard.name + "0" * 14)).mkdir()
    manifest.write(other, {**manifest.row_of(store.get(recipe().key).path), "id": other.name})
    os.utime(shard, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert len(store.rows()) == 2


def test_what_runs_were_made_from_is_in_their_rows(store, monkeypatch):
    first, child = (
        put(store),
        put(store, kind="unlearn", name="ft", inputs={"original": recipe(), "x": recipe()}),
    )
    (row,) = store.rows(name="ft")
    assert row["inputs"] == [first.id]
    monkeypatch.setattr(ancestry, "inputs_of", lambda run: pytest.fail(f"{run.id} was read"))
    assert store.dependents([first.id, child.id]) == {first.id: [child.id], child.id: []}


@pytest.mark.parametrize("damaged", [True, False], ids=["damaged", "of an earlier version"])
def test_a_run_that_the_index_cannot_tell_of_is_asked_itself(damaged, store):
    first, child = put(store), put(store, kind="unlearn", name="ft", inputs={"original": recipe()})
    told = json.loads((child.path / "manifest.json").read_bytes())
    del told["row"]["inputs"], told["seal"]
    sound = json.dumps(told | {"seal": manifest._seal(told)})
    (child.path / "manifest.json").write_text("{}" if damaged else sound)
    store.index.path.unlink(missing_ok=True)
    assert store.dependents([first.id]) == {first.id: [] if damaged else [child.id]}
