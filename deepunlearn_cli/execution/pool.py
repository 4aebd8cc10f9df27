"""A pool: the runs of a batch, several at a time, each in a worker process with its share of the threads."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

from deepunlearn_cli.core.errors import ExitCode, Failure, NotFound, RunFailed
from deepunlearn_cli.core.recipe import Recipe
from deepunlearn_cli.execution import capacity, code
from deepunlearn_cli.execution.own import own_failure, usable
from deepunlearn_cli.execution.queue import Queue
from deepunlearn_cli.execution.runner import Outcome, Reporter, Runner, Step
from deepunlearn_cli.store import Run, Store
from deepunlearn_cli.store.store import give_up
from deepunlearn_cli.system.processes import ProcessPool
from deepunlearn_cli.system.protocol import Asked, Event, Link, Lost, Pool, Told
from deepunlearn_cli.system.rights import check_writable

PROGRESS_SECONDS = 0.1  # between two words of a worker on the same run
NODES_BORNE = 20  # machines of a cluster that may die under a run or trial: mostly somebody's will


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
        if not self.outsources(jobs):
            return self.one_by_one(recipes)
        return self.made_by(jobs, recipes, steps)

    def made_by(self, jobs: int, recipes: Sequence[Recipe], steps: Sequence[Step]) -> Outcome:
        """What so many workers make of recipes, of which these are the steps."""
        self.reporter.planned(sum(step.state == "make" for step in steps))
        batch = _Batch(self, recipes, steps)
        if batch.queue:
            check_writable(self.store.runs)
            try:
                with self.pool(jobs) as pool:
                    batch.make(pool, min(jobs, len(batch.queue)))
            finally:
                batch.tidy()
        return batch.outcome()

    def outsources(self, jobs: int) -> bool:
        """Whether so many runs at a time are made by workers."""
        return jobs > 1

    def prepare(self, recipes: Iterable[Recipe]) -> None:
        """Have these runs whole for workers that make others of them; workers here make what they lack."""

    def pool(self, jobs: int) -> Pool:
        """So many workers."""
        return ProcessPool(jobs)


class _Batch:
    """Where a batch stands.

    Attributes:
        asked: by key, the recipes that were asked for, as often as they were.
        queue: what no worker has begun.
        running: by worker, what it is making; `idle`: workers that wait, in the order of their asking.
        seen: workers that have asked at least once; `unseen`: how many died before, since one last asked.
        deaths: by key, and whether by its own death, how many workers a run has cost.
        settled: by key, what became of it.
    """

    def __init__(self, runner: PoolRunner, recipes: Sequence[Recipe], steps: Sequence[Step]) -> None:
        self.store, self.reporter, self.device = runner.store, runner.reporter, runner.device
        self.recipes = recipes
        self.queue = Queue(step.recipe for step in steps if step.state == "make")
        self.asked: dict[str, list[Recipe]] = {}
        for recipe in recipes:
            self.asked.setdefault(recipe.key, []).append(recipe)
        self.running: dict[int, Recipe] = {}
        self.idle: dict[int, None] = {}
        self.seen, self.unseen = set[int](), 0
        self.deaths: Counter[tuple[str, bool]] = Counter()
        self.settled: dict[str, Run | RunFailed] = {}
        for step in steps:
            if step.state != "make":
                self._settle(step.recipe)

    def tidy(self) -> None:
        """Remove what workers left of their runs that had to be killed: locks, half a run."""
        for recipe in self.running.values():
            if any(self.store.runs.glob(f"{recipe.key[:2]}/.{recipe.key}*")):
                with suppress(BlockingIOError), self.store.making(recipe, give_up):
                    pass

    def make(self, pool: Pool, workers: int) -> None:
        """Have everything made that can be."""
        arguments = (str(self.store.root), self.device)
        for event in pool.run(work, [arguments] * workers):
            self._take(event, pool)
            if isinstance(event, Lost) and self.queue:
                pool.start(work, *arguments)
            self._assign(pool)

    def outcome(self) -> Outcome:
        """What became of the recipes, in the order in which they were asked for."""
        results = [(recipe, self.settled[recipe.key]) for recipe in self.recipes]
        failures = [(recipe, result) for recipe, result in results if isinstance(result, RunFailed)]
        return Outcome([result for _, result in results if isinstance(result, Run)], failures)

    def _take(self, event: Event, pool: Pool) -> None:
        match event:
            case Asked(worker):
                self.idle[worker] = None
                self.seen.add(worker)
                self.unseen = 0
            case Told(worker, words):
                self._hear(worker, words)
            case Lost():
                self._lost(event, pool)

    def _assign(self, pool: Pool) -> None:
        for worker in list(self.idle):
            recipe = self.queue.pop()
            if recipe:
                self.running[worker] = recipe
                pool.give(worker, recipe.to_json())
            elif not self.queue:
                pool.dismiss(worker)
            if recipe is None and self.queue:
                return  # nobody else has more to do
            del self.idle[worker]

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

    def _lost(self, lost: Lost, pool: Pool) -> None:
        """A worker is gone: what it was making is made by another, unless it has cost too many."""
        self.idle.pop(lost.worker, None)
        recipe = self.running.pop(lost.worker, None)
        if recipe is None:
            self._stillborn(lost, pool)
            return
        self.reporter.stopped(recipe)
        self.deaths[recipe.key, lost.own] += 1
        lives = pool.lives if lost.own else NODES_BORNE
        if self.deaths[recipe.key, lost.own] < lives:
            self.queue.put_back(recipe)
            what = f"{recipe.name} (run {recipe.key})"
            self.reporter.told(f"{what}: its worker was {lost.reason}; another makes it")
            return
        why = f"{recipe.name} (run {recipe.key}) was not made: its worker process was {lost.reason}"
        self._fail(recipe.key, RunFailed(why, "the same command tries again; fewer --jobs need less memory"))

    def _stillborn(self, lost: Lost, pool: Pool) -> None:
        self.unseen += lost.worker not in self.seen
        if self.unseen > pool.stillborn:
            raise Failure(f"a worker process was {lost.reason} before it began", pool.without)

    def _settle(self, recipe: Recipe, made: bool = False) -> None:
        """Take up what the store has."""
        try:
            run = self._found(recipe, made)
        except Exception as error:  # noqa: BLE001 - raised again if it is not this run's own
            self._fail(recipe.key, own_failure(recipe, error))
        else:
            self.settled[recipe.key] = run
            self.queue.settle(recipe.key)
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
        for recipe in self.asked.get(key, ()):
            self.reporter.failed(recipe, failure)
        for recipe in self.queue.fail(key):
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
    there = Store.open(store, create=False)
    runner = Runner(there, device, _LinkReporter(link), sharing=link.workers, node=link.node)
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
