"""What is wrong with one run is told of that run, here and in workers; what is wrong with the machine is not."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from deepunlearn_cli import data
from deepunlearn_cli.core.errors import ExitCode, Failure, UsageFailure
from deepunlearn_cli.core.recipe import Recipe
from deepunlearn_cli.execution import makers, recipes
from deepunlearn_cli.execution.forgetting import forget_for
from deepunlearn_cli.execution.pool import PoolRunner
from deepunlearn_cli.execution.runner import Runner
from deepunlearn_cli.store import Store

EPOCH = {"epochs": 1, "batch_size": 256}
WAYS = {"alone": Runner, "pool": lambda store, device: PoolRunner(store, device, None, 2)}


def begun(store: Store, val_share: float = 0.0) -> tuple[Recipe, data.ForgetSet]:
    """An original on digits without a validation part, and a forget set."""
    digits = data.open_dataset("digits", store.data)
    scene = recipes.Scene(digits, "resnet-tiny", val_share, data.SPLIT_SEED)
    forget = forget_for(scene.data, digits, "random:0.1", Runner(store, "cpu"))
    return recipes.original(scene, EPOCH, 0), forget


def broken(recipe: Recipe) -> Recipe:
    """A recipe that no training takes."""
    return Recipe.from_json(recipe.to_json() | {"params": {"epochs": 0}})


@pytest.mark.parametrize("way", WAYS)
def test_a_run_that_cannot_be_made_stops_no_other(tmp_path, way) -> None:
    store = Store.open(tmp_path / "store", create=True)
    start, forget = begun(store)
    wanted = [recipes.unlearned(start, name, forget, {}) for name in ("nablatau", "do-nothing", "retrain")]
    wanted.append(recipes.attack(wanted[0], "ks"))
    wanted.append(recipes.unlearned(broken(start), "ga", forget, {}))
    outcome = WAYS[way](store, "cpu").ensure_all(wanted)
    assert [run.recipe.name for run in outcome.runs] == ["do-nothing", "retrain"]
    said = {recipe.key: failure for recipe, failure in outcome.failures}
    assert list(said) == [wanted[0].key, wanted[3].key, wanted[4].key]
    first, attack, last = said.values()
    assert first.message == attack.message
    assert first.message.startswith(f"nablatau (run {wanted[0].key}): the method reads the val set")
    assert "--val-share" in first.hint
    assert "epochs" in last.message
    assert first.code == last.code == ExitCode.USAGE, "what it is if nobody else was asked for"
    assert store.leftovers() == []


@pytest.mark.parametrize("way", WAYS)
def test_a_damaged_run_stops_no_other(tmp_path, way) -> None:
    store = Store.open(tmp_path / "store", create=True)
    start, forget = begun(store)
    wanted = [recipes.unlearned(start, name, forget, {}) for name in ("do-nothing", "retrain")]
    store.place(wanted[0].key).mkdir(parents=True)
    runner = WAYS[way](store, "cpu")
    assert [step.state for step in runner.plan(wanted)] == ["damaged", "make"]
    outcome = runner.ensure_all(wanted)
    assert [run.id for run in outcome.runs] == [wanted[1].key]
    [(_, failure)] = outcome.failures
    assert failure.code == ExitCode.STORE_CORRUPT
    assert f"prune {wanted[0].key}" in failure.hint


def test_what_failed_is_not_tried_for_every_run_that_starts_from_it(tmp_path, monkeypatch) -> None:
    store = Store.open(tmp_path / "store", create=True)
    start, forget = begun(store)
    tried = Counter()

    def burst(recipe, *_):
        tried[recipe.name] += 1
        raise IndexError("out of range")

    monkeypatch.setitem(makers.MAKERS, "train", burst)
    runner = Runner(store, "cpu")
    wanted = [recipes.unlearned(start, name, forget, {}) for name in ("ft", "ga", "ct")]
    outcome = runner.ensure_all(wanted)
    assert tried == {"original": 1}
    assert [failure.code for _, failure in outcome.failures] == [ExitCode.UNEXPECTED] * 3
    assert "unexpected IndexError: out of range" in outcome.failures[0][1].message
    with pytest.raises(IndexError):
        runner.ensure(wanted[0])
    assert tried == {"original": 2}, "asked for alone it is tried again, and its error stays what it is"


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), MemoryError(), Failure("no room"), RuntimeError("x")]
)
def test_what_is_wrong_with_the_machine_stops_the_batch(tmp_path, monkeypatch, error) -> None:
    if isinstance(error, RuntimeError):
        error.__cause__ = OSError(122, "Disk quota exceeded")
    store = Store.open(tmp_path / "store", create=True)
    start, forget = begun(store)

    def burst(*_):
        raise error

    monkeypatch.setitem(makers.MAKERS, "train", burst)
    with pytest.raises(type(error)):
        Runner(store, "cpu").ensure_all([recipes.unlearned(start, name, forget, {}) for name in ("ft", "ga")])


@pytest.mark.parametrize("way", WAYS)
def test_a_device_that_is_not_there_is_told_once(tmp_path, way) -> None:
    store = Store.open(tmp_path / "store", create=True)
    start, forget = begun(store)
    wanted = [recipes.unlearned(start, name, forget, {}) for name in ("ft", "ga")]
    with pytest.raises(UsageFailure, match="nowhere"):
        WAYS[way](store, "nowhere").ensure_all(wanted)
    assert not any(Path(store.runs).glob("*/*/manifest.json"))
