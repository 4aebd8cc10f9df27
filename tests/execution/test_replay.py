"""A run made again and held against itself: equal, up to rounding, or another."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from test_runner import started

from deepunlearn_cli.core.errors import Failure, NotFound, StoreCorrupt, UsageFailure
from deepunlearn_cli.core.recipe import Recipe
from deepunlearn_cli.core.room import DiskFull
from deepunlearn_cli.execution import recipes, scratch
from deepunlearn_cli.execution.forgetting import forget_for
from deepunlearn_cli.execution.remaking import Remaking
from deepunlearn_cli.execution.replay import replay
from deepunlearn_cli.execution.runner import Runner
from deepunlearn_cli.execution.trials import trial
from deepunlearn_cli.store import Run, Store, manifest
from deepunlearn_cli.store.index import row

ONE = {"epochs": 1}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Runner:
    """An original, two unlearned models, attacks, a trial: of one thread."""
    torch.set_num_threads(1)
    runner = Runner(Store.open(tmp_path_factory.mktemp("replay") / "store", create=True), "cpu")
    for recipe in asked(runner).values():
        runner.ensure(recipe)
    return runner


def asked(runner: Runner) -> dict[str, Recipe]:
    start, forget = started(runner)
    ft = recipes.unlearned(start, "ft", forget, ONE)
    return {
        "original": start,
        "ft": ft,
        "umia": recipes.attack(ft, "umia"),
        "ks": recipes.attack(ft, "ks"),
        "relearn": recipes.attack(ft, "relearn"),
        "trial": trial(ft, recipes.hyperparameters(ft), 5),
        "failed": recipes.unlearned(start, "ga", forget, {"epochs": 3, "lr": 0.1}),
    }


def run_of(runner: Runner, name: str) -> Run:
    run = runner.store.get(asked(runner)[name].key)
    assert run
    return run


def told(store: Store, run: Run, **files) -> None:
    """A run that says something else than was made, sealed anew as if that had been made."""
    facts = run.facts | files.get("facts", {})
    scores = run.scores | files.get("scores", {})
    (run.path / "facts.json").write_text(json.dumps(facts))
    (run.path / "scores.json").write_text(json.dumps(scores))
    if "weights" in files:
        save_file(files["weights"], run.path / "weights.safetensors")
    (run.path / "manifest.json").unlink()
    manifest.write(run.path, row(run.recipe, scores, facts))


@pytest.fixture
def copy(made: Runner, tmp_path: Path) -> Runner:
    shutil.copytree(made.store.root, tmp_path / "store")
    return Runner(Store.open(tmp_path / "store", create=False), "cpu")


def states(result) -> dict[str, str]:
    return {part.name: part.state for part in result.parts}


@pytest.mark.parametrize("name", ["original", "ft", "umia", "ks", "relearn", "trial"])
def test_every_kind_is_equal_to_the_bit(made: Runner, name: str) -> None:
    before = sorted(made.store.root.rglob("*"))
    result = replay(Remaking(run_of(made, name), made.store))
    assert result.state == result.worst == "equal"
    assert result.apart == {}
    assert result.made == 1
    assert set(states(result).values()) == {"equal"}
    assert [path for path in sorted(made.store.root.rglob("*")) if path not in before] == []


def test_what_there_is_to_compare(made: Runner) -> None:
    for name, parts in (
        ("ft", {"status", "weights", "outputs", "scores"}),
        ("umia", {"status", "outputs", "scores"}),
        ("trial", {"status", "scores"}),
    ):
        assert set(states(replay(Remaking(run_of(made, name), made.store)))) == parts


def test_a_failed_run_fails_again(made: Runner) -> None:
    run = run_of(made, "failed")
    result = replay(Remaking(run, made.store))
    assert result.state == "equal"


def test_deep_makes_the_inputs_too(made: Runner) -> None:
    result = replay(Remaking(run_of(made, "umia"), made.store, deep=True))
    assert [one.run.recipe.name for one in result.every] == ["original", "ft", "umia"]
    assert result.made == 3
    assert result.worst == "equal"


@pytest.mark.slow
def test_deep_finds_an_original_that_is_not_what_its_recipe_makes(copy: Runner) -> None:
    original = run_of(copy, "original")
    weights = {name: value.clone() for name, value in original.weights().items()}
    weights["fc.bias"][0] += 1e-6
    told(copy.store, original, weights=weights)
    ft = run_of(copy, "ft")
    result = replay(Remaking(ft, copy.store, deep=True))
    assert result.worst == "different"
    assert {one.run.recipe.name: one.state for one in result.every} == {
        "original": "different",
        "ft": "equal",
    }
    assert replay(Remaking(ft, copy.store)).state == "different", "made from other weights it is another run"


def test_one_bit_is_another_run_where_all_else_is_the_same(copy: Runner) -> None:
    run = run_of(copy, "ft")
    weights = {name: value.clone() for name, value in run.weights().items()}
    weights["fc.bias"][0] = torch.nextafter(weights["fc.bias"][0], torch.tensor(9.0))
    told(copy.store, run, weights=weights)
    result = replay(Remaking(run_of(copy, "ft"), copy.store))
    assert states(result) == {
        "status": "equal",
        "weights": "different",
        "outputs": "equal",
        "scores": "equal",
    }
    assert any("same recipe gives the same bits" in note for note in result.notes)


def test_scores_that_were_made_up(copy: Runner) -> None:
    told(copy.store, run_of(copy, "umia"), scores={"accuracy": 0.4})
    result = replay(Remaking(run_of(copy, "umia"), copy.store))
    assert states(result)["scores"] == "different"


def elsewhere(copy: Runner, shift: float) -> Run:
    """A run that says it is of another torch, with weights that are off by a share of themselves."""
    run = run_of(copy, "ft")
    weights = {n: v * (1 + shift) if v.is_floating_point() else v for n, v in run.weights().items()}
    told(copy.store, run, weights=weights, facts={"torch": "1.0"})
    return run_of(copy, "ft")


def test_rounding_of_another_torch_is_told_with_its_bound(copy: Runner) -> None:
    result = replay(Remaking(elsewhere(copy, 2e-7), copy.store))
    (weights,) = [part for part in result.parts if part.name == "weights"]
    assert (result.state, weights.state) == ("rounding", "rounding")
    assert 0 < weights.largest <= weights.bound < 0.05
    assert set(result.apart) == {"torch"}
    assert result.made == 4
    assert any("rounding is up to" in note for note in result.notes)


def test_another_torch_excuses_no_other_weights(copy: Runner) -> None:
    result = replay(Remaking(elsewhere(copy, 0.1), copy.store))
    assert states(result)["weights"] == "different"
    assert states(result)["outputs"] == "equal"


@pytest.mark.slow
def test_another_seed_is_beyond_rounding(copy: Runner) -> None:
    other = replace(run_of(copy, "original").recipe, seed=1)
    run = run_of(copy, "original")
    told(copy.store, run, weights=copy.ensure(other).weights(), facts={"torch": "1.0"})
    assert replay(Remaking(run_of(copy, "original"), copy.store)).state == "different"


def test_as_many_threads_as_then(made: Runner) -> None:
    run = run_of(made, "ft")
    torch.set_num_threads(2)
    try:
        assert replay(Remaking(run, made.store)).apart == {}
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)
    assert Remaking(run, made.store, threads=3).widths == {run.id: 3}


def test_inputs_that_are_gone_are_made_again(copy: Runner) -> None:
    ft = run_of(copy, "ft")
    shutil.rmtree(run_of(copy, "original").path)
    result = replay(Remaking(ft, copy.store))
    assert (result.state, result.made) == ("equal", 2)
    assert any("made again, with nothing to compare" in note for note in result.notes)


def test_what_cannot_be_made_again_says_why(copy: Runner) -> None:
    ft, store = run_of(copy, "ft"), copy.store
    kept = store.data / "forget" / f"{ft.recipe.forget}.npz"
    kept.unlink()
    with pytest.raises(NotFound, match=f"run {ft.id} cannot be made again: no forget set"):
        replay(Remaking(ft, store))
    shutil.rmtree(store.data / ft.recipe.data["fingerprint"])
    with pytest.raises(NotFound, match="cannot be made again: no decoded dataset"):
        replay(Remaking(ft, store))
    assert replay(Remaking(run_of(copy, "ks"), store)).state == "equal", "it reads no picture"


def test_weights_from_elsewhere_are_said_to_be(copy: Runner) -> None:
    start = run_of(copy, "original")
    recipe = replace(start.recipe, kind="checkpoint", name="checkpoint", params={"sha256": "0" * 64})
    brought = copy.store.put(recipe, weights=start.weights(), scores=start.scores, facts={"status": "done"})
    with pytest.raises(UsageFailure, match="came from elsewhere"):
        replay(Remaking(brought, copy.store, deep=True))


def test_a_run_of_another_revision(copy: Runner) -> None:
    old = replace(run_of(copy, "ft").recipe, revision=1)
    run = copy.store.put(old, scores={}, facts={"status": "done", "version": "0.1"})
    with pytest.raises(UsageFailure, match="revision 1 of ft") as failure:
        replay(Remaking(run, copy.store))
    assert "0.1" in failure.value.hint


def test_a_damaged_run_is_no_answer(copy: Runner) -> None:
    run = run_of(copy, "ft")
    with (run.path / "weights.safetensors").open("r+b") as file:
        file.seek(-4, 2)
        file.write(b"\0\1\2\3")
    with pytest.raises(StoreCorrupt, match="differs from its SHA-256"):
        replay(Remaking(run, copy.store))


class Broken(Exception):
    """Not this tool's."""


@pytest.mark.parametrize("error", [Broken(), KeyboardInterrupt(), Failure("no")])
def test_nothing_is_left_however_it_ends(made: Runner, monkeypatch, error) -> None:
    def fail(*given):
        assert list(made.store.root.glob(".replay-*")), "it was at work"
        raise error

    monkeypatch.setattr(scratch.Again, "_make", fail)
    with pytest.raises(type(error)):
        replay(Remaking(run_of(made, "ft"), made.store))
    assert list(made.store.root.glob(".replay-*")) == []


def test_a_full_disk_is_told_before_anything_is_made(made: Runner, monkeypatch) -> None:
    monkeypatch.setattr(scratch.shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 10, 0))
    with pytest.raises(DiskFull, match="it needs"):
        replay(Remaking(run_of(made, "ft"), made.store))


def test_another_place(made: Runner, tmp_path: Path) -> None:
    assert replay(Remaking(run_of(made, "umia"), made.store, place=tmp_path)).state == "equal"
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(NotFound):
        replay(Remaking(run_of(made, "umia"), made.store, place=tmp_path / "none"))


def test_what_a_killed_replay_left_is_swept(copy: Runner) -> None:
    (left := copy.store.root / ".replay-dead").mkdir()
    assert left in copy.store.leftovers()
    replay(Remaking(run_of(copy, "umia"), copy.store))
    assert not left.exists()


@pytest.mark.slow
def test_weights_that_differ_are_made_of_the_same_things(copy: Runner) -> None:
    run = run_of(copy, "ft")
    weights = load_file(run.path / "weights.safetensors")
    weights.pop("fc.bias")
    told(copy.store, run, weights=weights, facts={"torch": "1.0"})
    result = replay(Remaking(run_of(copy, "ft"), copy.store))
    assert states(result)["weights"] == "different"


def test_forget_sets_of_earlier_requests_are_missed_before_anything_is_made(copy: Runner) -> None:
    ft = run_of(copy, "ft")
    later = forget_for(ft.recipe.data, copy.materials.dataset(ft.recipe), "random:0.2", copy)
    second = copy.ensure(recipes.unlearned(ft.recipe, "ft", later, ONE))
    (copy.store.data / "forget" / f"{ft.recipe.forget}.npz").unlink()
    with pytest.raises(NotFound, match=f"run {second.id} cannot be made again: no forget set"):
        replay(Remaking(second, copy.store))
