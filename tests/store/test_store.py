"""The store's contract: opening, putting, reading, references."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from store_kit import in_processes, names, put, recipe, tree

from deepunlearn_cli.core.errors import NotFound, StoreCorrupt, UsageFailure
from deepunlearn_cli.store import Store


@pytest.fixture
def store(tmp_path) -> Store:
    return Store.open(tmp_path / "store", create=True)


def test_open_makes_a_marker_and_opens_again(tmp_path):
    store = Store.open(str(tmp_path / "a" / "b"), create=True)
    told = json.loads((store.root / "store.json").read_text())
    assert told["schema"] == 1
    assert len(bytes.fromhex(told["id"])) == 16
    assert Store.open(store.root, create=False) == store == Store.open(store.root, create=True)
    assert store.data == store.root / "data"


def test_open_missing_is_not_found_and_makes_nothing(tmp_path):
    with pytest.raises(NotFound, match="no store") as caught:
        Store.open(tmp_path / "none", create=False)
    assert "--store" in caught.value.hint
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("create", [True, False])
def test_open_refuses_a_foreign_folder_and_leaves_it(tmp_path, create):
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(UsageFailure, match="not a deepunlearn store"):
        Store.open(tmp_path, create=create)
    assert tree(tmp_path) == {"thesis.tex": b"x"}


@pytest.mark.parametrize("below", ["", "inside/deeper"])
def test_open_refuses_a_file(tmp_path, below):
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageFailure):
        Store.open(tmp_path / "file" / below, create=True)


@pytest.mark.parametrize(
    ("text", "error", "hint"),
    [('{"schema": 99}', UsageFailure, "upgrade"), ("{", StoreCorrupt, "echo"), ("[]", StoreCorrupt, "echo")],
)
def test_open_refuses_a_newer_or_torn_marker(store, text, error, hint):
    (store.root / "store.json").write_text(text)
    with pytest.raises(error) as caught:
        Store.open(store.root, create=False)
    assert hint in caught.value.hint


def test_a_store_that_may_only_be_read_opens(store, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *a, **k: False)
    assert Store.open(store.root, create=True) == Store.open(store.root, create=False) == store


def test_open_where_nothing_may_be_read(tmp_path, monkeypatch):
    def forbidden(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "stat", forbidden)
    monkeypatch.setattr(os, "listdir", forbidden)
    with pytest.raises(UsageFailure, match="may not use"):
        Store.open(tmp_path, create=True)


def test_open_by_many_at_once(tmp_path):
    in_processes(lambda: Store.open(tmp_path / "s", create=True), times=8)
    assert names(tmp_path / "s") == ["store.json"]


def test_layout_and_round_trip(store):
    weights = {
        "conv": torch.randn(4, 3, 3, 3).to(memory_format=torch.channels_last),
        "tied": (base := torch.arange(6.0)),
        "view": base[1:3],
        "count": torch.tensor(7),
    }
    logits = np.arange(6, dtype=np.float32).reshape(2, 3)
    outputs = {"retain": {"logits": logits.T, "labels": np.array([1, 2, 0])}, "test": {"logits": logits}}
    done = store.put(
        recipe(),
        weights=weights,
        outputs=outputs,
        scores={"test": 0.5},
        facts={"status": "done"},
        log=[{"e": 1}],
    )
    key = recipe().key
    assert done.id == key
    assert done.path == store.root / "runs" / key[:2] / key
    kept = (
        "facts.json",
        "log.jsonl",
        "outputs.safetensors",
        "recipe.json",
        "scores.json",
        "weights.safetensors",
    )
    assert done.files == list(kept)
    again = store.get(key)
    assert again == done
    assert again.recipe == recipe()
    assert (again.scores, again.facts) == ({"test": 0.5}, {"status": "done"})
    assert (again.status, again.log()) == ("done", [{"e": 1}])
    assert all(torch.equal(value, again.weights()[name]) for name, value in weights.items())
    assert np.array_equal(again.outputs()["retain"]["logits"], logits.T)
    assert sorted(again.outputs()["retain"]) == ["labels", "logits"]
    assert store.verify() == []
    assert names(done.path.parent) == [key]


def test_a_trial_keeps_no_weights(store):
    run = put(store)
    assert run.files == ["facts.json", "recipe.json", "scores.json"]
    assert run.log() == []
    for read in (run.weights, run.outputs):
        with pytest.raises(NotFound, match="keeps no"):
            read()


def test_put_again_keeps_the_first(store):
    first = put(store, scores={"test": 0.1})
    assert put(store, scores={"test": 0.9}) == first
    assert store.get(first.id).scores == {"test": 0.1}
    assert len(store.rows()) == 1


def test_what_is_not_finite_becomes_null(store):
    scores = {"nan": math.nan, "inf": -math.inf, "np": np.float32("nan"), "n": np.int64(3)}
    facts = {"t": torch.tensor(0.5), "deep": [{"inf": -math.inf}]}
    run = store.put(recipe(), scores=scores, facts=facts, log=[{"loss": math.nan}])
    plain = {"nan": None, "inf": None, "np": None, "n": 3}
    assert (run.scores, run.log()) == (plain, [{"loss": None}])
    assert run.facts == {"t": 0.5, "deep": [{"inf": None}]}
    assert store.rows()[0]["scores"] == plain
    assert store.verify() == []


def test_torn_files_are_corrupt_not_a_traceback(store):
    run = store.put(recipe(), weights={"w": torch.ones(3)}, scores={}, facts={})
    for name in ("weights.safetensors", "scores.json", "recipe.json"):
        (run.path / name).write_bytes(b"{")
    fresh = store.get(run.id)
    for read in (fresh.weights, lambda: fresh.scores, lambda: fresh.recipe):
        with pytest.raises(StoreCorrupt, match=run.id):
            read()


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, OSError])
@pytest.mark.parametrize("where", ["store.write_files", "manifest.write"])
def test_an_interrupted_put_leaves_nothing(store, monkeypatch, error, where):
    def interrupt(*_, **__):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(f"deepunlearn_cli.store.{where}", interrupt)
        with pytest.raises(error):
            put(store)
    assert [p for p in store.runs.rglob("*") if p.is_file() or p.name.startswith(".")] == []
    assert put(store).scores == {"test": 0.5}


def test_a_folder_without_manifest_is_corrupt_and_removable(store):
    run = put(store)
    (run.path / "manifest.json").unlink()
    with pytest.raises(StoreCorrupt, match=r"manifest\.json"):
        store.get(run.id)
    with pytest.raises(StoreCorrupt):
        put(store)
    assert [p.file for p in store.verify()] == ["manifest.json"]
    store.remove([store.find(run.id).id])
    assert put(store).status == "done"


def test_attempts(store):
    assert store.next_attempt(recipe()) == recipe()
    put(store)
    second = store.next_attempt(recipe())
    assert (second.attempt, second.base.key) == (1, recipe().key)
    store.put(second, scores={}, facts={})
    assert store.next_attempt(second).attempt == 2
    assert {row["base"] for row in store.rows()} == {recipe().key}


def test_find_by_prefix(store):
    run = put(store)
    for ref in (run.id, run.id[:4], run.id[:9].upper()):
        assert store.find(ref) == run


@pytest.mark.parametrize("ref", ["", "abc", "xyzw", "abcg1", "../..", "ab cd"])
def test_find_refuses_what_is_no_id(store, ref):
    with pytest.raises(UsageFailure, match="not a run id"):
        store.find(ref)


@pytest.mark.parametrize("ref", ["abcd", "0" * 16, "0" * 40])
def test_find_unknown(store, ref):
    with pytest.raises(NotFound) as caught:
        store.find(ref)
    assert "deepunlearn runs" in caught.value.hint


def test_find_ambiguous_lists_five(store):
    shard = store.runs / "ab"
    for number in range(7):
        (shard / f"abcd00000000000{number}").mkdir(parents=True)
    with pytest.raises(UsageFailure, match=r"7 runs: abcd000000000000, .*abcd000000000004, \.\.\.$"):
        store.find("abcd")
    assert store.find("abcd000000000003").id == "abcd000000000003"


@pytest.mark.parametrize("key", ["../../etc", "", "abcd"])
def test_remove_takes_whole_ids_only(store, key):
    with pytest.raises(UsageFailure):
        store.remove([key])


def test_a_recipe_that_differs_in_labels_is_the_same_run(store):
    first = put(store)
    assert store.get(replace(recipe(), labels={"dataset": "other"}).key) == first


def test_importing_the_store_is_light():
    heavy = {"torch", "numpy", "safetensors", "pandas", "sklearn"}
    code = f"import sys, deepunlearn_cli.store; print(*({heavy} & set(sys.modules)))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).split() == []
