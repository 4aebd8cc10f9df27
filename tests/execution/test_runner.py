"""Recipes to runs: made once, inputs first, same bits, failures on record."""

from __future__ import annotations

import multiprocessing
from dataclasses import replace
from pathlib import Path

import pytest
import tiny

from deepunlearn_cli import data
from deepunlearn_cli.core.errors import RunFailed, UsageFailure
from deepunlearn_cli.core.recipe import Recipe
from deepunlearn_cli.execution import recipes
from deepunlearn_cli.execution.forgetting import forget_for
from deepunlearn_cli.execution.runner import Reporter, Runner
from deepunlearn_cli.store import Run, Store

EPOCH = {"epochs": 1, "batch_size": 256}


class Notes(Reporter):
    """Remembers what was made."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def finished(self, run: Run, made: bool) -> None:
        if made:
            self.made.append(run.recipe.name)


def open_runner(root: Path) -> Runner:
    return Runner(Store.open(root, create=True), "cpu", Notes())


def started(runner: Runner, seed: int = 0) -> tuple[Recipe, data.ForgetSet]:
    """An original on digits, and a forget set."""
    digits = data.open_dataset("digits", runner.store.data)
    scene = recipes.Scene(digits, "resnet-tiny", data.VAL_SHARE, data.SPLIT_SEED)
    return recipes.original(scene, EPOCH, seed), forget_for(scene.data, digits, "random:0.1", runner)


@pytest.fixture(scope="module")
def runner(tmp_path_factory) -> Runner:
    return open_runner(tmp_path_factory.mktemp("runner") / "store")


def test_inputs_are_made_first_and_everything_once(runner: Runner) -> None:
    start, forget = started(runner)
    attack = recipes.attack(recipes.unlearned(start, "ft", forget, EPOCH), "umia")
    assert [step.state for step in runner.plan([attack])] == ["make"] * 3
    run = runner.ensure(attack)
    assert runner.reporter.made == ["original", "ft", "umia"]
    assert runner.ensure(attack).id == run.id == attack.key
    assert runner.reporter.made == ["original", "ft", "umia"]
    assert [step.state for step in runner.plan([attack, attack])] == ["made"]


def test_the_original_stays_as_it_is(runner: Runner) -> None:
    start, forget = started(runner)
    original = runner.ensure(start)
    before = original.weights()
    after = runner.ensure(recipes.unlearned(start, "ga", forget, {"epochs": 1, "lr": 0.01})).weights()
    assert tiny.same(before, runner.ensure(start).weights())
    assert not tiny.same(before, after)
    assert runner.store.verify() == []


def test_facts_tell_cost_device_and_versions(runner: Runner) -> None:
    start, forget = started(runner)
    facts = runner.ensure(start).facts
    assert facts["work"] == pytest.approx(1.0)
    assert facts["seconds"] > 0
    for name in ("device", "threads", "torch", "version", "created", "shared", "warnings", "samples_forward"):
        assert name in facts
    retrained = runner.ensure(recipes.retrained(start, forget))
    assert retrained.facts["work"] == pytest.approx(0.9, abs=0.01)
    assert set(retrained.scores) == {"RA", "FA", "VA", "TA"}


def test_same_recipe_same_bits_and_other_seeds_other_bits(tmp_path, runner: Runner) -> None:
    elsewhere = open_runner(tmp_path / "store")
    for name in ("ft", "msg", "srl"):
        pair = []
        for one in (runner, elsewhere):
            start, forget = started(one)
            pair.append(one.ensure(recipes.unlearned(start, name, forget, {"epochs": 1})))
        assert pair[0].id == pair[1].id
        assert tiny.same(pair[0].weights(), pair[1].weights())
    other = elsewhere.ensure(started(elsewhere, seed=1)[0])
    assert not tiny.same(other.weights(), runner.ensure(started(runner)[0]).weights())


def test_a_failed_run_is_on_record_and_does_not_stop_the_others(runner: Runner) -> None:
    start, forget = started(runner)
    bad = recipes.unlearned(start, "ga", forget, {"epochs": 400, "lr": 0.1, "weight_decay": 0.0})
    good = recipes.unlearned(start, "ct", forget, {"epochs": 1})
    outcome = runner.ensure_all([bad, good])
    assert [run.recipe.name for run in outcome.runs] == ["ct"]
    [(recipe, failure)] = outcome.failures
    assert recipe == bad
    assert failure.hint
    run = runner.store.get(bad.key)
    assert run is not None
    assert run.status == "failed"
    assert run.log(), "the epochs before the failure are kept"
    assert [step.state for step in runner.plan([bad])] == ["failed"]
    with pytest.raises(RunFailed, match=run.id):
        runner.ensure(bad)
    with pytest.raises(RunFailed):
        runner.ensure(recipes.attack(bad, "umia"))


def test_force_makes_another_attempt(runner: Runner) -> None:
    start, _ = started(runner)
    first = runner.ensure(start)
    again = runner.ensure(runner.another(start))
    assert again.id != first.id
    assert again.recipe.attempt == 1
    assert tiny.same(first.weights(), again.weights())


def test_what_an_earlier_revision_made_is_found_and_not_made_by_this_one(runner: Runner) -> None:
    start, forget = started(runner)
    earlier = replace(start, revision=start.revision - 1)
    assert recipes.retrained(earlier, forget).revision == earlier.revision
    for recipe in (earlier, recipes.retrained(earlier, forget), recipes.unlearned(earlier, "ft", forget)):
        with pytest.raises(UsageFailure, match="revision 1; this version makes 2"):
            runner.ensure(recipe)
    runner.store.put(earlier, weights=runner.ensure(start).weights(), scores={}, facts={"status": "done"})
    assert runner.ensure(recipes.unlearned(earlier, "ft", forget, EPOCH)).status == "done"


def test_defaults_stay_within_a_fifth_of_the_originals_training(runner: Runner) -> None:
    start, forget = started(runner)
    for epochs, allowed in ((1, 1), (12, 3), (182, 5)):
        trained = Recipe.from_json(start.to_json() | {"params": start.params | {"epochs": epochs}})
        assert recipes.unlearned(trained, "msg", forget).params["epochs"] == allowed
    assert recipes.unlearned(start, "msg", forget, {"epochs": 9}).params["epochs"] == 9


def test_a_retrained_recipe_is_the_same_from_train_and_from_unlearn(runner: Runner) -> None:
    start, forget = started(runner)
    made = recipes.unlearned(start, "retrain", forget)
    assert made == recipes.retrained(start, forget)
    assert made.params == start.params
    assert made.inputs == {}


def make_in_process(root: Path) -> str:
    import torch

    torch.set_num_threads(1)
    runner = open_runner(root)
    return runner.ensure(started(runner, seed=5)[0]).id


@pytest.mark.slow
def test_four_processes_one_run(tmp_path) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        ids = pool.map(make_in_process, [tmp_path / "store"] * 4)
    store = Store.open(tmp_path / "store", create=False)
    assert len(set(ids)) == 1
    assert store.ids() == [ids[0]]
    assert store.verify() == []
    assert store.leftovers() == []
