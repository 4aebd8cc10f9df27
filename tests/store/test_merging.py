"""Two stores: what differs, and what a merge takes, leaves, and survives."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from store_kit import put, recipe, tree

from deepunlearn_cli.store import Run, Store, merging
from deepunlearn_cli.store.purposes import Purpose


@pytest.fixture
def ours(tmp_path) -> Store:
    return Store.open(tmp_path / "ours", create=True)


@pytest.fixture
def theirs(tmp_path) -> Store:
    return Store.open(tmp_path / "theirs", create=True)


def quiet(done: int, total: int, text: str) -> None:
    assert 0 < done <= total


def weighted(store: Store, value: float, seed: int = 0) -> Run:
    facts = {"status": "done", "created": value, "device": "cpu"}
    return store.put(recipe(seed), weights={"w": torch.full((3,), value)}, scores={"RA": value}, facts=facts)


def unlearned(store: Store, seed: int = 0) -> Run:
    start = recipe(seed)
    return put(store, seed, kind="unlearn", name="ft", inputs={"original": start})


def states(ours: Store, theirs: Store) -> dict[str, str]:
    return {one.id: one.state for one in merging.standings(ours, theirs)}


def test_tells_apart_who_has_what(ours, theirs):
    same, only_here, only_there = put(ours, 0), put(ours, 1), put(theirs, 2)
    put(theirs, 0)
    weighted(ours, 0.25, seed=3)
    other = weighted(theirs, 0.5, seed=3)
    assert states(ours, theirs) == {
        same.id: "same", only_here.id: "here", only_there.id: "there", other.id: "different"
    }  # fmt: skip
    (apart,) = [one for one in merging.standings(ours, theirs) if one.id == other.id]
    assert apart.files == ("scores.json", "weights.safetensors")


def test_when_and_where_a_run_was_made_is_no_difference(ours, theirs):
    for store, device in ((ours, "cpu"), (theirs, "cuda")):
        store.put(recipe(), scores={"RA": 1.0}, facts={"created": 7.0, "device": device}, log=[{"epoch": 1}])
    assert [*states(ours, theirs).values()] == ["same"]


def test_a_broken_manifest_is_told_and_stops_nothing(ours, theirs):
    one, two = put(ours, 0), put(theirs, 0)
    put(theirs, 1)
    (two.path / "manifest.json").write_text("[]")
    assert states(ours, theirs)[one.id] == "broken"
    assert sorted(states(ours, theirs).values()) == ["broken", "there"]


def test_takes_runs_with_their_inputs_and_purposes(ours, theirs):
    start = weighted(theirs, 0.5)
    made = unlearned(theirs)
    purpose = Purpose("a" * 64, "class:3", named=True)
    theirs.purposes.add(start.id, purpose)
    ids = merging.with_inputs(theirs, [made.id])
    assert ids == [start.id, made.id]
    merged = merging.take(ours, theirs, ids, quiet)
    assert (merged.taken, merged.busy, merged.problems) == (ids, [], [])
    assert ours.verify() == []
    assert np.allclose(Run(start.id, ours.place(start.id)).weights()["w"], 0.5)
    assert [row["id"] for row in ours.rows(kind="unlearn")] == [made.id]
    assert ours.purposes.of(start.id) == [purpose]
    assert tree(ours.place(made.id)) == tree(theirs.place(made.id))


def test_inputs_come_first_whatever_is_named_first(theirs):
    ids = [unlearned(theirs, seed).id for seed in (0, 1)]
    starts = [weighted(theirs, 0.5, seed).id for seed in (0, 1)]
    ordered = merging.with_inputs(theirs, [*ids, *starts])
    assert sorted(ordered) == sorted([*ids, *starts])
    assert all(ordered.index(start) < ordered.index(made) for start, made in zip(starts, ids, strict=True))


@pytest.mark.parametrize("damage", ["weights.safetensors", "recipe.json", "manifest.json"])
def test_a_damaged_run_is_not_taken_nor_what_was_made_from_it(ours, theirs, damage):
    start = weighted(theirs, 0.5)
    made, sound = unlearned(theirs), put(theirs, 5)
    file = start.path / damage
    file.write_bytes(file.read_bytes()[:-9] + b"x" * 9)
    merged = merging.take(ours, theirs, merging.with_inputs(theirs, [made.id, sound.id]), quiet)
    assert merged.taken == [sound.id]
    assert {problem.id for problem in merged.problems} == {start.id, made.id}
    assert ours.verify() == []
    assert ours.ids() == [sound.id]
    assert ours.leftovers() == []


def test_what_is_here_is_never_replaced(ours, theirs):
    mine = weighted(ours, 0.25)
    weighted(theirs, 0.5)
    before = tree(mine.path)
    merging.take(ours, theirs, [mine.id], quiet)
    assert tree(mine.path) == before


def test_a_run_that_is_being_made_here_is_left_to_its_maker(ours, theirs):
    run = put(theirs, 0)
    with ours.making(recipe(0)):
        merged = merging.take(ours, theirs, [run.id], quiet)
    assert (merged.taken, merged.busy) == ([], [run.id])
    assert ours.ids() == []


def test_a_run_under_another_key_is_not_taken(ours, theirs):
    run = put(theirs, 0)
    wrong = theirs.runs / "ab" / f"ab{run.id[2:]}"
    wrong.parent.mkdir(exist_ok=True)
    run.path.rename(wrong)
    manifest = json.loads((wrong / "manifest.json").read_text())
    assert manifest["row"]["id"] == run.id
    merged = merging.take(ours, theirs, [wrong.name], quiet)
    assert merged.taken == []
    assert "key" in merged.problems[0].what


def test_what_somebody_asked_for_is_asked_for_here_too(ours, theirs):
    chosen = put(theirs, 0, labels={"chosen": ["study", recipe(0).key]})
    other = put(theirs, 1, labels={"chosen": ["study", recipe(1).key]})
    theirs.asked.add([chosen])
    merging.take(ours, theirs, [chosen.id, other.id], quiet)
    assert ours.asked.all() == {chosen.id}
