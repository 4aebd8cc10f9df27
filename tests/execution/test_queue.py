"""The order in which runs are made: inputs first, whole seeds, and no step dearer for a long queue."""

from __future__ import annotations

import inspect
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import pytest

from deepunlearn_cli.core.recipe import Recipe
from deepunlearn_cli.execution.queue import ORDER, Queue


def original(seed: int) -> Recipe:
    return Recipe("train", "original", seed=seed)


def unlearned(start: Recipe, name: str) -> Recipe:
    return Recipe("unlearn", name, seed=start.seed, inputs={"original": start})


def attack(target: Recipe) -> Recipe:
    return Recipe("attack", "umia", inputs={"target": target})


def batch(seeds: int, methods: int) -> list[Recipe]:
    starts = [original(seed) for seed in range(seeds)]
    models = [unlearned(start, f"m{number}") for start in starts for number in range(methods)]
    return [*starts, *models, *map(attack, models)]


def by_hand(todo: dict[str, Recipe], settled: set[str], seeds: list[int]) -> Recipe | None:
    """What is next, of all that may be made looked at one by one."""
    ready = [r for r in todo.values() if all(one.key in settled for one in r.inputs.values())]
    return min(
        ready,
        key=lambda r: (seeds.index(r.root.seed) - (r.kind in ("train", "checkpoint")), ORDER.index(r.kind)),
        default=None,
    )


@pytest.mark.parametrize("seed", range(5))
def test_the_order_is_that_of_looking_at_all_of_them(seed: int) -> None:
    rng, every = random.Random(seed), batch(4, 3)
    rng.shuffle(every)
    queue, todo, settled = Queue(every), {one.key: one for one in every}, set()
    seeds = list(dict.fromkeys(one.root.seed for one in every))
    running: list[Recipe] = []
    while queue or running:
        expected = by_hand(todo, settled, seeds)
        got = queue.pop()
        assert got == expected
        if got:
            del todo[got.key]
            running.append(got)
        if got is None or rng.random() < 0.5:
            done = running.pop(rng.randrange(len(running)))
            if rng.random() < 0.2:
                queue.put_back(done)  # its worker died
                todo = {one.key: one for one in every if one.key in todo or one.key == done.key}
            else:
                settled.add(done.key)
                queue.settle(done.key)
    assert len(settled) == len(every)


def test_what_would_be_made_of_a_failed_run_is_taken_out() -> None:
    start, other = original(0), original(1)
    model = unlearned(start, "a")
    queue = Queue([start, other, model, attack(model)])
    assert queue.pop() == start
    assert queue.fail(start.key) == [model]
    assert queue.fail(model.key) == [attack(model)]
    assert queue.pop() == other
    assert queue.pop() is None
    assert not queue


def test_a_long_queue_costs_no_more_for_each_run() -> None:
    lines = {}
    for seeds in (10, 80):
        every = batch(seeds, 6)
        queue, made = Queue(every), 0
        with counting(Queue) as run:
            while recipe := queue.pop():
                queue.settle(recipe.key)
                made += 1
        assert made == len(every)
        lines[seeds] = len(run) / made
    assert 3 < lines[10] == pytest.approx(lines[80], rel=0.02)


@contextmanager
def counting(kind: type) -> Iterator[list[int]]:
    """The lines of a class's file that are run, one after the other: what it costs, on any machine."""
    file, run = inspect.getfile(kind), []

    def trace(frame: FrameType, event: str, _: object) -> object:
        if frame.f_code.co_filename != file:
            return None
        if event == "line":
            run.append(frame.f_lineno)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield run
    finally:
        sys.settrace(before)
