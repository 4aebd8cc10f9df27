"""Trials asked and told here and made by workers, who know nothing of studies; and what becomes of the dead."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sweep_kit import Formula, order, question, scores_of, store

from deepunlearn_cli.core.errors import ExitCode, UsageFailure
from deepunlearn_cli.core.recipe import Recipe
from deepunlearn_cli.execution.pool import NODES_BORNE, PoolRunner
from deepunlearn_cli.store import Store
from deepunlearn_cli.sweep.order import Order
from deepunlearn_cli.sweep.workers import search
from deepunlearn_cli.system.protocol import Asked, Ended, Event, Lost, Told

Fate = Callable[[Recipe, int], tuple[Any, ...] | None]


def fine(recipe: Recipe, times: int) -> tuple[Any, ...]:
    return ("ended", True)


class Workers:
    """Workers that answer from a formula, in an order of their own.

    Args:
        fate: of a recipe that was given so many times: what is said of it; None for a worker that dies of it.
    """

    lives, stillborn = 1, 0

    def __init__(self, at: Store, fate: Fate) -> None:
        self.at, self.fate = at, fate
        self.given: dict[int, Recipe] = {}
        self.times: dict[str, int] = {}
        self.most = 0
        self._events: list[Event] = []
        self._alive: set[int] = set()
        self._started, self._rng = 0, random.Random(3)

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *error: object) -> None:
        self._alive.clear()

    def start(self, work: Any, *arguments: Any) -> int:
        self._started += 1
        self._alive.add(self._started)
        self._events.append(Asked(self._started))
        return self._started

    def give(self, worker: int, item: Any) -> None:
        self.given[worker] = recipe = Recipe.from_json(item)
        self.times[recipe.key] = self.times.get(recipe.key, 0) + 1
        self.most = max(self.most, len(self.given))

    def dismiss(self, worker: int) -> None:
        self._events.append(Ended(worker, None))

    def run(self, work: Any, arguments: list[tuple[Any, ...]]) -> Iterator[Event]:
        for one in arguments:
            self.start(work, *one)
        while self._alive:
            if not self._events:
                self._go_on()
            event = self._events.pop(0)
            if isinstance(event, (Lost, Ended)):
                self._alive.discard(event.worker)
            yield event

    def _go_on(self) -> None:
        assert self.given, "workers wait, and nobody gives them anything"
        worker = self._rng.choice(sorted(self.given))
        recipe = self.given.pop(worker)
        words = self.fate(recipe, self.times[recipe.key])
        if words is None:
            self._events.append(Lost(worker, "killed"))
            return
        if words == ("gone",):
            self._events.append(Lost(worker, "lost with its node", own=False))
            return
        if words[0] == "ended" and self.at.get(recipe.key) is None:
            facts = {"status": "done", "seconds": 0.5, "work": 2.0}
            self.at.put(recipe, scores=scores_of(dict(recipe.params)), facts=facts)
        self._events += [Told(worker, ("started",)), Told(worker, words), Asked(worker)]


class Several(PoolRunner):
    """A runner with such workers."""

    def __init__(self, at: Store, fate: Fate = fine) -> None:
        super().__init__(at, "cpu", None, 3)
        self.workers = Workers(at, fate)

    def pool(self, jobs: int) -> Any:
        return self.workers


def trials(of: Order) -> list[tuple[int, str, Any]]:
    study = of.existing(of.questions[0])
    assert study
    return [(one.number, one.state.name, one.params) for one in study.optuna.get_trials(deepcopy=False)]


@pytest.mark.parametrize("originals", [1, 3])
def test_several_make_the_trials_that_one_makes(tmp_path: Path, originals: int) -> None:
    asked = question("ft", sampler="random", originals=originals)
    one, several = store(tmp_path / "one"), store(tmp_path / "several")
    assert search(order(one, asked, wanted=12), 1, Formula(one), lambda _: None) == []
    runner = Several(several)
    assert search(order(several, asked, wanted=12), 3, runner, lambda _: None) == []
    assert trials(order(several, asked)) == trials(order(one, asked))
    assert len(runner.workers.times) == 12 * originals
    assert set(runner.workers.times.values()) == {1}, "none is made twice"
    assert runner.workers.most == 3


def test_a_search_that_goes_on_makes_no_run_again(tmp_path: Path) -> None:
    at, asked = store(tmp_path), question("ft", originals=2)
    search(order(at, asked, wanted=4), 3, Several(at), lambda _: None)
    study = order(at, asked).existing(asked)
    assert study
    runner = Several(at)
    search(order(at, asked, wanted=9), 3, runner, lambda _: None)
    assert study.done() == 9
    assert len(runner.workers.times) == 2 * 5


def test_a_trial_that_kills_its_workers_is_not_tried_for_ever(tmp_path: Path) -> None:
    at, asked = store(tmp_path), question("ft")
    deadly: list[str] = []

    def fate(recipe: Recipe, times: int) -> tuple[Any, ...] | None:
        deadly.append(recipe.key)
        return None if recipe.key == deadly[0] else ("ended", True)

    runner = Several(at, fate)
    assert search(order(at, asked, wanted=6), 3, runner, lambda _: None) == []
    states = [state for _, state, _ in trials(order(at, asked))]
    assert states.count("COMPLETE") == 6
    assert states.count("FAIL") == 1
    study = order(at, asked).existing(asked)
    assert study
    [failed] = [one for one in study.optuna.get_trials(deepcopy=False) if one.state.name == "FAIL"]
    assert failed.user_attrs["reason"] == "its worker died 3 times (out of memory?)"
    assert runner.workers.times[deadly[0]] == 3


def test_a_trial_that_takes_every_machine_down_fails_in_the_end(tmp_path: Path) -> None:
    at, asked, deadly = store(tmp_path), question("ft", sampler="random"), list[str]()

    def fate(recipe: Recipe, times: int) -> tuple[Any, ...]:
        deadly.append(recipe.key)
        return ("gone",) if recipe.key == deadly[0] else ("ended", True)

    runner = Several(at, fate)
    assert search(order(at, asked, wanted=70), 3, runner, lambda _: None) == []
    assert [state for _, state, _ in trials(order(at, asked))].count("FAIL") == 1
    assert runner.workers.times[deadly[0]] == NODES_BORNE + 1


def test_a_worker_that_dies_costs_no_trial(tmp_path: Path) -> None:
    at, asked, rng = store(tmp_path), question("ft"), random.Random(1)
    runner = Several(at, lambda recipe, times: None if rng.random() < 0.3 and times < 3 else ("ended", True))
    assert search(order(at, asked, wanted=12), 3, runner, lambda _: None) == []
    assert [state for _, state, _ in trials(order(at, asked))] == ["COMPLETE"] * 12


def test_a_method_that_cannot_act_ends_its_own_search_only(tmp_path: Path) -> None:
    at, asked = store(tmp_path), (question("ft"), question("msg"))

    def fate(recipe: Recipe, times: int) -> tuple[Any, ...]:
        if recipe.name == "msg":
            return ("failed", "no such layers", "another model", int(ExitCode.USAGE))
        return ("ended", True)

    [failure] = search(order(at, *asked, wanted=5), 3, Several(at, fate), lambda _: None)
    assert isinstance(failure, UsageFailure)
    assert failure.message == "msg: no such layers"
    assert [state for _, state, _ in trials(order(at, asked[0]))] == ["COMPLETE"] * 5


def test_an_interrupted_search_leaves_its_trials_to_the_next(tmp_path: Path) -> None:
    at, asked = store(tmp_path), question("ft")

    def fate(recipe: Recipe, times: int) -> tuple[Any, ...]:
        if len(at.ids()) == 4:
            raise KeyboardInterrupt
        return ("ended", True)

    with pytest.raises(KeyboardInterrupt):
        search(order(at, asked, wanted=9), 3, Several(at, fate), lambda _: None)
    states = [state for _, state, _ in trials(order(at, asked))]
    assert states.count("COMPLETE") == 4
    assert "RUNNING" not in states
    assert search(order(at, asked, wanted=9), 3, Several(at), lambda _: None) == []
    assert [state for _, state, _ in trials(order(at, asked))] == ["COMPLETE"] * 9
