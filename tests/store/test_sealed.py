"""What is read of a run is what was sealed; runs and inputs that are gone are missed."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch
from store_kit import put, recipe

from deepunlearn_cli.core.errors import StoreCorrupt
from deepunlearn_cli.store import Store
from deepunlearn_cli.store.manifest import MANIFEST


@pytest.fixture
def store(tmp_path) -> Store:
    return Store.open(tmp_path / "store", create=True)


@pytest.fixture
def full(store):
    made = recipe()
    outputs = {"test": {"logits": np.zeros((64, 10), np.float32)}}
    weights = {"w": torch.zeros(1000)}
    return store.put(
        made,
        weights=weights,
        track=weights,
        outputs=outputs,
        scores={"a": 0.25},
        facts={},
        log=[{"loss": 2.5}],
    )


def flip(path, at=None):
    content = bytearray(path.read_bytes())
    content[len(content) // 2 if at is None else at] ^= 1
    path.write_bytes(content)


READERS = {
    "weights.safetensors": lambda run: run.weights(),
    "track.safetensors": lambda run: run.track(),
    "outputs.safetensors": lambda run: run.outputs(),
    "scores.json": lambda run: run.scores,
    "recipe.json": lambda run: run.recipe,
    "log.jsonl": lambda run: run.log(),
}


@pytest.mark.parametrize("name", READERS)
def test_a_flipped_bit_is_found_by_who_reads_it(store, full, name):
    READERS[name](store.get(full.id))
    flip(full.path / name, -8)
    with pytest.raises(StoreCorrupt, match=name):
        READERS[name](store.get(full.id))


def test_an_edited_number_is_found_by_who_reads_it(store, full):
    scores = full.path / "scores.json"
    scores.write_text(scores.read_text("utf-8").replace("0.25", "0.75"), "utf-8")
    with pytest.raises(StoreCorrupt, match=r"scores\.json"):
        assert store.get(full.id).scores


def test_an_edited_manifest_vouches_for_nothing(store, full):
    sealed = full.path / MANIFEST
    sealed.write_text(sealed.read_text("utf-8").replace('"size": ', '"size": 1'), "utf-8")
    with pytest.raises(StoreCorrupt, match=MANIFEST):
        store.get(full.id).weights()


def test_a_log_that_was_removed_is_not_an_empty_one(store, full):
    (full.path / "log.jsonl").unlink()
    with pytest.raises(StoreCorrupt, match=r"log\.jsonl"):
        store.get(full.id).log()


def test_runs_whose_folders_are_gone_are_missed(store):
    first, second = put(store), put(store, seed=1)
    shutil.rmtree(first.path)
    assert [str(problem) for problem in store.verify()] == [f"{first.id} is not in the store"]
    shutil.rmtree(second.path.parent)
    assert {problem.id for problem in store.verify()} == {first.id, second.id}
    put(store)
    store.remove([second.id])
    assert store.verify() == []


def test_runs_of_an_older_store_are_missed_from_its_first_new_run_on(store):
    first = put(store)
    store.sealed.path.unlink()
    put(store, seed=1)
    shutil.rmtree(first.path)
    assert [problem.id for problem in store.verify()] == [first.id]


def test_torn_lines_of_the_list_say_nothing(store):
    run = put(store)
    with store.sealed.path.open("ab") as file:
        file.write(b"+12\n\x00garbage\n")
    assert store.sealed.all() == {run.id}
    assert store.verify() == []


def test_an_input_that_is_gone_is_missed_by_what_was_made_from_it(store):
    original = put(store)
    made = put(store, seed=1, kind="unlearn", name="ga", inputs={"original": recipe()})
    assert store.verify([made.id]) == []
    shutil.rmtree(original.path)
    (problem,) = store.verify([made.id])
    assert (problem.id, original.id in problem.what) == (made.id, True)
