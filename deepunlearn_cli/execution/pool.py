"""A pool: the runs of a batch, several at a time, each in a worker process with its share of the threads."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from deepunlearn_cli.core.errors import ExitCode, Failure, NotFound, RunFailed
from deepunlearn_cli.core.recipe import Recipe
from deepunlearn_cli.execution import capacity, code
from deepunlearn_cli.execution.own import own_failure
from deepunlearn_cli.execution.runner import Outcome, Reporter, Runner, Step, usable
from deepunlearn_cli.store import Run, Store
from deepunlearn_cli.system.processes import Asked, Event, Link, Lost, ProcessPool, Told

ORDER = (  # attacks first: what is attacked is done with, should all be stopped; then what others wait for
    "attack",
    "checkpoint",
    "train",
    "unlearn",
    "shadow",
    "lockstep",
    "trial",
)
PROGRESS_SECONDS = 0.1  # between two words of a worker on the same run
UNBORN = 4  # worker processes that may die before they begin: killed, not hindered by what all would meet


class PoolRunner(Runner):
    """A runner whose batches are made by several worker processes at a time; single runs it makes itself.

    Each worker has the machine's threads divided by `jobs`, however few runs there are: results depend on the
    number of threads (in the last bits of each sum), and so only on the command.

    Args:
        jobs: worker processes, 2 or more; or None for as many as the machine carries (`capacity`).
    """

    def __init__(self, store: Store, device: str, reporter: Reporter | None, jobs: int | None) -> None:
        super().__init__(store, device, reporter)
        self.jobs = jobs

    def width(self, recipes: Sequence[Recipe]) -> int:
        """As asked for, or as many as fit."""
        if self.jobs:
            return self.jobs
        jobs = capacity.fitting(recipes, self)
        self.reporter.carrying(jobs)
        return jobs

    def ensure_all(self, recipes: Sequence[Recipe]) -> Outcome:
        """All runs that can be made; a failed one, or a killed worker, does not stop the others.

        Raises:
            Failure: whatever concerns the machine, as `Runner.ensure_all` would raise it.
        """
        steps = self.plan(recipes)
        missing = [step.recipe for step in steps if step.state == "make"]
        jobs = self.width(missing) if missing else 1
        if jobs == 1:
            return self.one_by_one(recipes)
        self.reporter.planned(len(missing))
        batch = _Batch(self, recipes, steps)
        with ProcessPool(jobs) as pool:
            batch.make(pool, min(jobs, len(batch.todo)))
        return batch.outcome()


class _Batch:
    """Where a batch stands.

    Attributes:
        todo: by key, what no worker has begun.
        running: by worker, what it is making; `idle`: workers that wait, in the order of their asking.
        seen: workers that have asked at least once; `unborn`: how many died before that.
        settled: by key, what became of it.
    """

    def __init__(self, runner: PoolRunner, recipes: Sequence[Recipe], steps: Sequence[Step]) -> None:
        self.store, self.reporter, self.device = runner.store, runner.reporter, runner.device
        self.recipes = recipes
        self.todo = {step.recipe.key: step.recipe for step in steps if step.state == "make"}
        asked = dict.fromkeys(recipe.root.seed for recipe in self.todo.values())
        self.seeds = {seed: place for place, seed in enumerate(asked)}
        self.running: dict[int, Recipe] = {}
        self.idle: dict[int, None] = {}
        self.seen: set[int] = set()
        self.unborn = 0
        self.settled: dict[str, Run | RunFailed] = {}
        for step in steps:
            if step.state != "make":
                self._settle(step.recipe)

    def make(self, pool: ProcessPool, workers: int) -> None:
        """Have everything made that can be."""
        arguments = (str(self.store.root), self.device)
        for event in pool.run(work, [arguments] * workers):
            self._take(event)
            if isinstance(event, Lost) and self.todo:
                pool.start(work, *arguments)
            self._assign(pool)

    def outcome(self) -> Outcome:
        """What became of the recipes, in the order in which they were asked for."""
        results = [(recipe, self.settled[recipe.key]) for recipe in self.recipes]
        failures = [(recipe, result) for recipe, result in results if isinstance(result, RunFailed)]
        return Outcome([result for _, result in results if isinstance(result, Run)], failures)

    def _take(self, event: Event) -> None:
        match event:
            case Asked(worker):
                self.idle[worker] = None
                self.seen.add(worker)
            case Told(worker, words):
                self._hear(worker, words)
            case Lost(worker, reason):
                self._lost(worker, reason)

    def _assign(self, pool: ProcessPool) -> None:
        for worker in list(self.idle):
            recipe = self._next()
            if recipe:
                self.running[worker] = self.todo.pop(recipe.key)
                pool.give(worker, recipe.to_json())
            elif not self.todo:
                pool.dismiss(worker)
            if recipe or not self.todo:
                del self.idle[worker]

    def _next(self) -> Recipe | None:
        """Of the runs whose inputs are there, the first of the longest kind of the first seed.

        Whoever is cut off so has whole seeds; the next seed's originals are trained beside this one's runs,
        so that nobody has to wait for them.
        """
        ready = (r for r in self.todo.values() if all(i.key in self.settled for i in r.inputs.values()))
        return min(ready, key=self._turn, default=None)

    def _turn(self, recipe: Recipe) -> tuple[int, int]:
        ahead = int(recipe.kind in ("checkpoint", "train"))
        return self.seeds[recipe.root.seed] - ahead, ORDER.index(recipe.kind)

    def _hear(self, worker: int, words: tuple[Any, ...]) -> None:
        """What a worker's runner reports of the run in hand, and in the end what became of it."""
        recipe = self.running[worker]
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
                del self.running[worker]
                self._settle(recipe, made)
            case ("failed", message, hint, code):
                del self.running[worker]
                failure = RunFailed(message, hint)
                failure.code = ExitCode(code)
                self._fail(recipe.key, failure)

    def _lost(self, worker: int, reason: str) -> None:
        self.idle.pop(worker, None)
        recipe = self.running.pop(worker, None)
        if recipe:
            self.reporter.stopped(recipe)
            why = f"{recipe.name} (run {recipe.key}) was not made: its worker process was {reason}"
            self._fail(
                recipe.key, RunFailed(why, "the same command tries again; fewer --jobs need less memory")
            )
        elif worker not in self.seen:
            self.unborn += 1
            if self.unborn > UNBORN:
                raise Failure(
                    f"{self.unborn} worker processes died before they began, the last {reason}",
                    "--jobs 1 does without them",
                )

    def _settle(self, recipe: Recipe, made: bool = False) -> None:
        """Take up what the store has."""
        try:
            run = self._found(recipe, made)
        except Exception as error:  # noqa: BLE001 - raised again if it is not this run's own
            self._fail(recipe.key, own_failure(recipe, error))
        else:
            self.settled[recipe.key] = run
            self.reporter.finished(run, made)

    def _found(self, recipe: Recipe, made: bool) -> Run:
        run = self.store.get(recipe.key)
        if run is None:
            raise NotFound(f"the store has lost run {recipe.key}", "the same command makes it again")
        if not made:
            code.check(run)
        return usable(run)

    def _fail(self, key: str, failure: RunFailed) -> None:
        """A run failed, and with it every run that would start from it."""
        self.settled[key] = failure
        blocked = [r for r in self.todo.values() if any(i.key == key for i in r.inputs.values())]
        for recipe in self.recipes:
            if recipe.key == key:
                self.reporter.failed(recipe, failure)
        for recipe in blocked:
            del self.todo[recipe.key]
            self._fail(recipe.key, failure)


class _LinkReporter(Reporter):
    """Tells a worker's owner what the worker's runner reports."""

    def __init__(self, link: Link) -> None:
        self._link, self._told = link, 0.0

    def started(self, recipe: Recipe) -> None:
        self._link.tell(("started",))

    def waiting(self, recipe: Recipe) -> None:
        self._link.tell(("waiting",))

    def stopped(self, recipe: Recipe) -> None:
        self._link.tell(("stopped",))

    def progress(self, done: float, total: float, text: str, recipe: Recipe | None = None) -> None:
        if time.monotonic() - self._told > PROGRESS_SECONDS:
            self._told = time.monotonic()
            self._link.tell(("progress", done, total, text))


def work(link: Link, store: str, device: str) -> None:
    """A worker: makes the runs it is given as recipes, in the store at this place, on this device."""
    runner = Runner(Store.open(store, create=False), device, _LinkReporter(link), sharing=link.workers)
    _ = runner.materials  # what is wrong with the device is wrong with every run
    for item in link.items():
        recipe = Recipe.from_json(item)
        link.tell(_made(runner, recipe))


def _made(runner: Runner, recipe: Recipe) -> tuple[Any, ...]:
    """Have a run made; what there is to say of it."""
    try:
        known = runner.store.get(recipe.key)
        runner.ensure_whole(recipe)
    except Exception as error:  # noqa: BLE001 - raised again if it is not this run's own
        failure = own_failure(recipe, error)
        return "failed", failure.message, failure.hint, int(failure.code)
    return "ended", known is None or not known.whole
