"""The store with many processes at once, with damaged files, and with runs removed."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path

import pytest
import torch
from store_kit import in_processes, names, put, recipe

from deepunlearn_cli.store import Run, Store
from deepunlearn_cli.store import index as index_room
from deepunlearn_cli.store.ancestry import consumers_first
from deepunlearn_cli.system import locks


@pytest.fixture
def store(tmp_path) -> Store:
    return Store.open(tmp_path / "store", create=True)


def test_four_processes_put_the_same_recipe(store):
    in_processes(lambda: put(store, scores={"pid": os.getpid()}))
    (row,) = store.rows()
    assert store.get(row["id"]).scores == row["scores"]
    assert (store.verify(), store.leftovers()) == ([], [])


def test_the_first_rename_wins_without_locks(store, monkeypatch):
    monkeypatch.setattr("deepunlearn_cli.system.locks.fcntl", None)
    in_processes(lambda: put(store, scores={"pid": os.getpid()}))
    assert len(store.rows()) == 1
    assert store.verify() == []
    assert names(store.runs / recipe().key[:2]) == [recipe().key]


def test_losing_the_rename_returns_the_winner(store, monkeypatch):
    real = index_room.row

    def somebody_is_faster(*args):
        monkeypatch.setattr("deepunlearn_cli.store.store.row", real)
        elsewhere = Store(store.root)
        elsewhere._write(
            recipe(),
            {"weights": None, "track": None, "outputs": None, "scores": {"a": 1}, "facts": {}, "log": ()},
        )
        return real(*args)

    monkeypatch.setattr("deepunlearn_cli.store.store.row", somebody_is_faster)
    assert put(store, scores={"b": 2}).scores == {"a": 1}
    assert names(store.runs / recipe().key[:2]) == [recipe().key]


def make_once(store: Store, journal: Path) -> None:
    with store.making(recipe(), lambda: note(journal, "waiting")) as ready:
        if ready is None:
            note(journal, "worked")
            time.sleep(0.2)
            put(store)


def note(journal: Path, word: str) -> None:
    with journal.open("a") as file:
        file.write(word + "\n")


def test_four_processes_make_one_run(store, tmp_path):
    journal = tmp_path / "journal"
    in_processes(lambda: make_once(store, journal))
    words = journal.read_text().split()
    assert words.count("worked") == 1
    assert words.count("waiting") <= 3
    assert names(store.runs / recipe().key[:2]) == [recipe().key]


def test_four_threads_make_one_run(store, tmp_path):
    journal = tmp_path / "journal"
    threads = [threading.Thread(target=make_once, args=(store, journal)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert journal.read_text().split().count("worked") == 1


def test_another_thread_may_put_for_the_maker(store):
    with store.making(recipe()):
        worker = threading.Thread(target=put, args=(store,))
        worker.start()
        worker.join(60)
        assert not worker.is_alive()
    assert store.get(recipe().key)


def test_a_lock_file_that_its_owner_just_deleted_is_no_lock(tmp_path, monkeypatch):
    path, real, calls = tmp_path / "lock", locks._flock, []

    def owner_leaves_first(descriptor):
        if not calls:
            path.unlink()
        calls.append(descriptor)
        return real(descriptor)

    monkeypatch.setattr(locks, "_flock", owner_leaves_first)
    with locks.hold(path):
        assert path.exists()
    assert len(calls) == 2


def test_ctrl_c_while_waiting(store):
    def interrupt() -> None:
        raise KeyboardInterrupt

    def second() -> None:
        with pytest.raises(KeyboardInterrupt), store.making(recipe(), interrupt):
            pass

    with store.making(recipe()):
        in_processes(second, times=1)
    assert not list(store.runs.rglob(".*"))


def damage_edit(run: Run) -> None:
    (run.path / "scores.json").write_text(json.dumps({"test": 0.6}, indent=1) + "\n")


def damage_tear(run: Run) -> None:
    (run.path / "weights.safetensors").write_bytes((run.path / "weights.safetensors").read_bytes()[:-1])


def damage_delete(run: Run) -> None:
    (run.path / "facts.json").unlink()


def damage_add(run: Run) -> None:
    (run.path / "notes.txt").write_text("x")


def damage_manifest(run: Run) -> None:
    path = run.path / "manifest.json"
    path.write_text(path.read_text().replace('"test": 0.5', '"test": 0.9'))


def damage_manifest_torn(run: Run) -> None:
    (run.path / "manifest.json").write_text('{"files": ')


@pytest.mark.parametrize(
    ("damage", "file", "what"),
    [
        (damage_edit, "scores.json", "differs from its SHA-256"),
        (damage_tear, "weights.safetensors", "bytes instead of"),
        (damage_delete, "facts.json", "is missing"),
        (damage_add, "notes.txt", "is not in the manifest"),
        (damage_manifest, "manifest.json", "was edited"),
        (damage_manifest_torn, "manifest.json", "is missing or cannot be read"),
    ],
)
def test_verify_finds_damage(store, damage, file, what):
    run = store.put(recipe(), weights={"w": torch.ones(3)}, scores={"test": 0.5}, facts={})
    other = put(store, seed=1)
    assert store.verify() == []
    damage(run)
    seen = []
    (problem,) = store.verify(progress=lambda done, total, text: seen.append((done, total)))
    assert (problem.id, problem.file) == (run.id, file)
    assert what in str(problem)
    assert seen == [(1, 2), (2, 2)]
    assert store.verify([other.id]) == []
    store.rows()  # damage is verify's business


def test_verify_finds_a_run_in_the_wrong_place(store):
    run = put(store)
    run.path.rename(run.path.with_name(run.id[:2] + "0" * 14))
    wrong, row, gone = sorted(store.verify(), key=lambda problem: problem.file, reverse=True)
    assert (wrong.file, run.id in wrong.what) == ("recipe.json", True)
    assert (row.file, "does not describe this run" in row.what) == ("manifest.json", True)
    assert (gone.id, gone.what) == (run.id, "is not in the store")
    assert store.rows() == []


def test_verify_of_an_unknown_id(store):
    assert [str(p) for p in store.verify(["0" * 16])] == ["0" * 16 + " is not in the store"]


def test_remove(store):
    first, second = put(store), put(store, seed=1)
    store.rows()
    store.remove([first.id, "0" * 16])
    assert [row["id"] for row in store.rows()] == [second.id] == store.ids()
    assert store.leftovers() == []


def test_a_killed_remove_leaves_no_half_run(store, monkeypatch):
    run = put(store)
    with monkeypatch.context() as patch:
        patch.setattr("shutil.rmtree", lambda *a, **k: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            store.remove([run.id])
    assert store.get(run.id) is None
    assert (store.rows(), store.verify()) == ([], [])
    assert len(store.leftovers()) == 1
    assert len(store.remove_leftovers()) == 1
    assert store.leftovers() == []


def test_leftovers_are_only_what_nobody_holds(store):
    shard = store.runs / recipe().key[:2]
    foreign = shard / ".DS_Store"
    with store.making(recipe()):
        dead = shard / f".{recipe().key}-1-abcd"
        dead.mkdir()
        foreign.touch()
        assert store.leftovers() == store.remove_leftovers() == []
    assert store.leftovers() == [dead]
    assert store.verify() == []
    with store.making(recipe()):
        assert not dead.exists()
    assert foreign.exists()


def test_dependents(store):
    run = put(store)
    child = put(store, kind="unlearn", name="msg", inputs={"target": recipe()})
    attack = put(store, kind="attack", name="ulira", inputs={"model/3": recipe(), "other": child.recipe})
    assert store.dependents([run.id, child.id, attack.id]) == {
        run.id: sorted([child.id, attack.id]),
        child.id: [attack.id],
        attack.id: [],
    }
    order = [one.id for one in consumers_first([run, child, attack])]
    assert order == [attack.id, child.id, run.id]
