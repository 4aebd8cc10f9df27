"""A fleet: the runs of a batch, several at a time, each in a worker process with its share of the threads."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from deepunlearn_cli.core.errors import Failure, RunFailed
from deepunlearn_cli.core.recipe import Recipe
from deepunlearn_cli.execution.runner import Outcome, Reporter, Runner, Step, usable
from deepunlearn_cli.store import Run, Store
from deepunlearn_cli.system.processes import Asked, Crew, Desk, Event, Lost, Told

LONGEST_FIRST = (
    "checkpoint",
    "train",
    "unlearn",
    "shadow",
    "lockstep",
    "trial",
    "attack",
)  # others wait for these, and the last run ends alone
PROGRESS_SECONDS = 0.1  # between two words of a worker on the same run


class Fleet(Runner):
    """A runner whose batches are made by `jobs` worker processes at a time; single runs it makes itself.

    Each worker has the machine's threads divided by `jobs`, however few runs there are: results depend on the
    number of threads (in the last bits of each sum), and so only on the command.

    Args:
        jobs: worker processes, 2 or more.
    """

    def __init__(self, store: Store, device: str, reporter: Reporter | None, jobs: int) -> None:
        super().__init__(store, device, reporter)
        self.jobs = jobs

    def ensure_all(self, recipes: Sequence[Recipe]) -> Outcome:
        """All runs that can be made; a failed one, or a killed worker, does not stop the others.

        Raises:
            Failure: whatever else stops a worker, as `Runner.ensure_all` would raise it.
        """
        steps = self.plan(recipes)
        self.reporter.planned(sum(step.state == "make" for step in steps))
        batch = _Batch(self, recipes, steps)
        with Crew(self.jobs) as crew:
            batch.make(crew, min(self.jobs, len(batch.todo)))
        return batch.outcome()


class _Batch:
    """Where a batch stands: what is still to do, what each worker has in hand, what became of the rest."""

    def __init__(self, runner: Fleet, recipes: Sequence[Recipe], steps: Sequence[Step]) -> None:
        self.store, self.reporter, self.device = runner.store, runner.reporter, runner.device
        self.asked_for = recipes
        self.todo = {step.recipe.key: step.recipe for step in steps if step.state == "make"}
        self.hands: dict[int, Recipe] = {}
        self.idle: dict[int, None] = {}
        self.seen: set[int] = set()
        self.fates: dict[str, Run | RunFailed] = {}
        for step in steps:
            if step.state != "make":
                self._settle(step.recipe.key)

    def make(self, crew: Crew, workers: int) -> None:
        """Have everything made that can be."""
        arguments = (str(self.store.root), self.device)
        for event in crew.run(work, [arguments] * workers):
            self._take(event)
            if isinstance(event, Lost) and self.todo:
                crew.start(work, *arguments)
            self._assign(crew)

    def outcome(self) -> Outcome:
        """What became of the recipes, in the order in which they were asked for."""
        fates = [(recipe, self.fates[recipe.key]) for recipe in self.asked_for]
        failures = [(recipe, fate) for recipe, fate in fates if isinstance(fate, RunFailed)]
        return Outcome([fate for _, fate in fates if isinstance(fate, Run)], failures)

    def _take(self, event: Event) -> None:
        match event:
            case Asked(worker):
                self.idle[worker] = None
                self.seen.add(worker)
            case Told(worker, words):
                self._hear(worker, words)
            case Lost(worker, reason):
                self._lost(worker, reason)

    def _assign(self, crew: Crew) -> None:
        for worker in list(self.idle):
            recipe = self._next()
            if recipe:
                self.hands[worker] = self.todo.pop(recipe.key)
                crew.give(worker, recipe.to_json())
            elif not self.todo:
                crew.dismiss(worker)
            if recipe or not self.todo:
                del self.idle[worker]

    def _next(self) -> Recipe | None:
        """The first of the longest kind whose inputs are there."""
        ready = (r for r in self.todo.values() if all(i.key in self.fates for i in r.inputs.values()))
        return min(ready, key=lambda recipe: LONGEST_FIRST.index(recipe.kind), default=None)

    def _hear(self, worker: int, words: tuple[Any, ...]) -> None:
        """What a worker's runner reports of the run in hand, and in the end what became of it."""
        recipe = self.hands[worker]
        match words:
            case ("started",):
                self.reporter.started(recipe)
            case ("waiting",):
                self.reporter.waiting(recipe)
            case ("progress", done, total, text):
                self.reporter.progress(done, total, text, recipe)
            case ("stopped",):
                self.reporter.stopped(recipe)
            case ("ended", made):
                del self.hands[worker]
                self._settle(recipe.key, made)

    def _lost(self, worker: int, reason: str) -> None:
        self.idle.pop(worker, None)
        recipe = self.hands.pop(worker, None)
        if recipe:
            self.reporter.stopped(recipe)
            why = f"{recipe.name} (run {recipe.key}) was not made: its worker process was {reason}"
            self._fail(
                recipe.key, RunFailed(why, "the same command tries again; fewer --jobs need less memory")
            )
        elif worker not in self.seen:
            raise Failure(f"a worker process was {reason} before it began", "--jobs 1 does without them")

    def _settle(self, key: str, made: bool = False) -> None:
        """Take up what the store has."""
        run = self.store.get(key)
        assert run
        try:
            self.fates[key] = usable(run)
        except RunFailed as failure:
            self._fail(key, failure)
        else:
            self.reporter.finished(run, made)

    def _fail(self, key: str, failure: RunFailed) -> None:
        """A run failed, and with it every run that would start from it."""
        self.fates[key] = failure
        lame = [r for r in self.todo.values() if any(i.key == key for i in r.inputs.values())]
        for recipe in self.asked_for:
            if recipe.key == key:
                self.reporter.failed(recipe, failure)
        for recipe in lame:
            del self.todo[recipe.key]
            self._fail(recipe.key, failure)


class _Wire(Reporter):
    """Tells a worker's owner what the worker's runner reports."""

    def __init__(self, desk: Desk) -> None:
        self._desk, self._told = desk, 0.0

    def started(self, recipe: Recipe) -> None:
        self._desk.tell(("started",))

    def waiting(self, recipe: Recipe) -> None:
        self._desk.tell(("waiting",))

    def stopped(self, recipe: Recipe) -> None:
        self._desk.tell(("stopped",))

    def progress(self, done: float, total: float, text: str, recipe: Recipe | None = None) -> None:
        if time.monotonic() - self._told > PROGRESS_SECONDS:
            self._told = time.monotonic()
            self._desk.tell(("progress", done, total, text))


def work(desk: Desk, store: str, device: str) -> None:
    """A worker: makes the runs it is given as recipes, in the store at this place, on this device."""
    runner = Runner(Store.open(store, create=False), device, _Wire(desk), sharing=desk.crew)
    for item in desk.items():
        recipe = Recipe.from_json(item)
        known = runner.store.get(recipe.key)
        with suppress(RunFailed):  # it is on record, where the owner finds it
            runner.ensure(recipe)
        desk.tell(("ended", known is None))
