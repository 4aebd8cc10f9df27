"""Small spaces: no setting comes twice, and a search ends when there is none left."""

from __future__ import annotations

import random
import threading
import time

import pytest
from sweep_kit import Formula, order, question, scores_of, store

from deepunlearn_cli.core.errors import RunFailed
from deepunlearn_cli.methods import METHODS
from deepunlearn_cli.reporting.sweeps import sweep_table
from deepunlearn_cli.sweep import SAMPLERS, finite, search, summaries
from deepunlearn_cli.sweep.judge import flattered, reads_judge
from deepunlearn_cli.sweep.presence import Presence, present
from deepunlearn_cli.sweep.question import Question

SIZE = 18  # epochs 1 .. 6, batch_size 64 | 128 | 256


def small(sampler: str = "tpe") -> Question:
    others = {name: value for name, value in METHODS.get("ft")().values().items() if name != "epochs"}
    return question("ft", sampler, fixed={k: v for k, v in others.items() if k != "batch_size"})


def answer(params):
    if params["batch_size"] == 256 and params["epochs"] > 4:
        raise RunFailed("the loss became nan", "")
    scores = scores_of(params)
    return scores | {"FA": scores["FA"] - params["epochs"] / 100}


def points(at, asked: Question) -> list[tuple]:
    [study] = order(at, asked).open(Presence(None), {})
    trials = [t for t in study.optuna.get_trials(deepcopy=False) if t.state.name != "WAITING"]
    return [(t.number, t.state.name, finite.key(t.params)) for t in trials]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_search_ends_when_every_setting_was_tried(tmp_path, sampler):
    at, asked, told = store(tmp_path), small(sampler), []
    runner = Formula(at, answer)
    assert search(order(at, asked, wanted=30), 1, runner, told.append) == []
    assert len(runner.asked) == len({recipe.key for recipe in runner.asked}) == SIZE
    assert len({point for *_, point in points(at, asked)}) == SIZE
    [study] = order(at, asked).open(Presence(None), {})
    assert (study.done(), study.exhausted()) == (SIZE - 2, True)
    assert (told[-1].done, told[-1].failed, told[-1].wanted) == (SIZE - 2, 2, SIZE - 2)
    search(order(at, asked, wanted=60), 1, runner, told.append)
    assert len(runner.asked) == SIZE
    [row] = summaries(at.studies)
    assert (row["trials"], row["failed"], row["points"]) == (SIZE - 2, 2, SIZE)
    assert "16 (all)" in sweep_table([row]).cells()[0]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_fewer_trials_are_as_many_different_settings(tmp_path, sampler):
    at, asked = store(tmp_path), small(sampler)
    search(order(at, asked, wanted=12, patience=9), 1, Formula(at), lambda _: None)
    assert len({point for *_, point in points(at, asked)}) == 12
    [study] = order(at, asked).open(Presence(None), {})
    assert not study.exhausted()
    [row] = summaries(at.studies)
    assert "12" in sweep_table([row]).cells()[0]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_interrupted_it_is_the_same(tmp_path, sampler):
    asked, rng = small(sampler), random.Random(3)
    search(
        order(store(tmp_path / "whole"), asked, wanted=30),
        1,
        Formula(store(tmp_path / "whole"), answer),
        lambda _: None,
    )
    at = store(tmp_path / "parts")

    def often(params):
        if rng.random() < 0.4:
            raise KeyboardInterrupt
        return answer(params)

    for _ in range(100):
        try:
            search(order(at, asked, wanted=30), 1, Formula(at, often), lambda _: None)
            break
        except KeyboardInterrupt:
            pass
    assert points(at, asked) == points(store(tmp_path / "whole"), asked)


@pytest.mark.parametrize("wanted", [12, 30])
def test_workers_together_try_the_settings_of_one(tmp_path, wanted):
    asked, whole, at = small("random"), store(tmp_path / "whole"), store(tmp_path / "several")
    search(order(whole, asked, wanted=wanted), 1, Formula(whole, answer), lambda _: None)
    order(at, asked).open(Presence(None), {})

    def slow(params):
        time.sleep(random.random() * 0.02)
        return answer(params)

    def work():
        with present(at.studies):
            search(order(at, asked, wanted=wanted), 1, Formula(at, slow), lambda _: None)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert points(at, asked) == points(whole, asked)


def test_repeats_that_an_earlier_version_made_do_not_count(tmp_path):
    import optuna

    at, asked = store(tmp_path), small()
    [study] = order(at, asked).open(Presence(None), {})
    for _ in range(21):
        study.optuna.add_trial(
            optuna.trial.create_trial(
                params=dict(asked.nearest_to_defaults), distributions=study.distributions, value=0.1,
                user_attrs={"losses": [0.1, 0.0, 0.0, 0.0]},
            )
        )  # fmt: skip
    assert study.done() == 1
    search(order(at, asked, wanted=30), 1, Formula(at), lambda _: None)
    assert study.done() == SIZE
    assert summaries(at.studies)[0]["trials"] == SIZE


def test_the_size_of_a_space():
    whole = {"low": 1, "high": 6, "log": False, "whole": True}
    assert finite.size({"a": whole, "b": {"choices": [1, 2, 3]}}) == 18
    assert finite.size({"a": whole | {"whole": False}}) is None
    assert finite.size({"a": whole | {"whole": False, "high": 1}}) == 1
    assert finite.size({"a": whole | {"high": 10**12}}) == 10**12, "without making a list of it"


def test_the_last_setting_of_many_is_found():
    domains = {"a": {"low": 1, "high": 5000, "log": False, "whole": True}}
    tried = {finite.key({"a": a}) for a in range(1, 5000)}
    assert finite.untried({"a": 1}, domains, tried, 0) == {"a": 5000}
    assert finite.untried({"a": 1}, domains, tried | {finite.key({"a": 5000})}, 0) == {"a": 1}


@pytest.mark.parametrize(
    ("method", "params", "reads"),
    [
        ("kde", {}, True),
        ("nablatau", {}, True),
        ("ft", {}, False),
        ("scrub", {"rewind": True}, True),
        ("scrub", {}, False),
    ],
)
def test_methods_that_read_what_they_are_judged_on_say_so(method, params, reads):
    assert reads_judge(method, params) == reads
    assert [method in text for text in flattered(method, params)] == [True] * reads
    assert not reads_judge("no method of ours", {})
