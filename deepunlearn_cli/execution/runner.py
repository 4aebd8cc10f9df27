"""Ensure: the answer to a recipe, from the store if it is there, made if not, inputs first."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from deepunlearn_cli.core.errors import RunFailed, StoreCorrupt
from deepunlearn_cli.core.recipe import Recipe
from deepunlearn_cli.execution import code, own
from deepunlearn_cli.execution.own import usable
from deepunlearn_cli.store import arriving
from deepunlearn_cli.store.run import OUTPUTS
from deepunlearn_cli.system.rights import check_writable

if TYPE_CHECKING:
    from deepunlearn_cli.data import Dataset
    from deepunlearn_cli.execution.materials import Materials
    from deepunlearn_cli.store import Run, Store


class Reporter:
    """What a runner tells its user; this one keeps silent."""

    def planned(self, count: int) -> None:
        """So many runs were asked for."""

    def carrying(self, jobs: int) -> None:
        """So many runs at a time are what the machine was found to carry."""

    def spread(self, where: str) -> None:
        """Runs are made on a cluster with these nodes and slots."""

    def started(self, recipe: Recipe) -> None:
        """A run is about to be made."""

    def progress(self, done: float, total: float, text: str, recipe: Recipe | None = None) -> None:
        """A share of a run is done, or of other work."""

    def stopped(self, recipe: Recipe) -> None:
        """A run that was started is no longer being made, for better or worse."""

    def finished(self, run: Run, made: bool) -> None:
        """A run is there, newly made or found."""

    def failed(self, recipe: Recipe, failure: RunFailed) -> None:
        """A run gave no usable model."""

    def told(self, text: str) -> None:
        """Something that a person should know."""

    def warned(self, text: str) -> None:
        """Something that a person must know."""

    def waiting(self, recipe: Recipe) -> None:
        """Another process is making this run; this one waits for it."""


@dataclass(frozen=True)
class Step:
    """One line of a plan: a recipe, and its run: `made`, `failed`, to `make`, or `damaged` in the store."""

    recipe: Recipe
    state: str


@dataclass
class Outcome:
    """What became of a batch: a run for every recipe that has one, a failure for the others."""

    runs: list[Run]
    failures: list[tuple[Recipe, RunFailed]]


class Runner:
    """Makes runs on one device, in one store.

    Args:
        device: a torch device or its name; chosen only when something has to be made.
        sharing: how many processes of ours share the device's memory, this one included.
        node: the machine's name in its cluster, for the facts of runs; empty outside of one.
    """

    def __init__(
        self,
        store: Store,
        device: str = "auto",
        reporter: Reporter | None = None,
        sharing: int = 1,
        node: str = "",
    ) -> None:
        self.store, self.device, self.sharing, self.node = store, device, sharing, node
        self.reporter = reporter or Reporter()
        self._sizes: dict[tuple[str, str, str, bool], int] = {}
        self._begun: float | None = time.perf_counter()  # None once something was made
        self._broken: dict[str, RunFailed] | None = None  # by key, of the batch in hand

    @cached_property
    def materials(self) -> Materials:
        """Data and models on the device; the first use imports torch and settles it on the machine."""
        from deepunlearn_cli.engine.device import pick_device, settle
        from deepunlearn_cli.execution.materials import Materials

        settle()
        return Materials(self.store.data, pick_device(self.device), self.sharing)

    def dataset(
        self,
        spec: str,
        *,
        image_size: int | None = None,
        offline: bool = False,
        split_folders: str | None = None,
        classes: Sequence[str] = (),
        interpolation: str | None = None,
    ) -> Dataset:
        """A dataset by its spec, decoded into the store if it is not there yet; what is left out is said."""
        from deepunlearn_cli.data import open_dataset

        opened = open_dataset(
            spec,
            self.store.data,
            image_size=image_size,
            offline=offline,
            split_folders=split_folders,
            classes=classes,
            interpolation=interpolation,
            progress=self.reporter.progress,
        )
        if opened.left_out:
            self.reporter.warned(f"{opened.name}: left out: {'; '.join(opened.left_out)}")
        if gone := len(opened.purged):
            self.reporter.warned(f"{opened.name}: {gone} pictures were purged, and nothing reads them")
        return opened

    def ensure(self, recipe: Recipe) -> Run:
        """The run of a recipe.

        Raises:
            RunFailed: the recipe, or one of its inputs, gives no usable model (on record or just now).
            UsageFailure: it was made by other code of the same revision.
        """
        with own.kept(recipe, self._broken):
            run = self.store.get(recipe.key)
            made = run is None
            if run is not None:
                code.check(run)
            else:
                run = self._make_whole(recipe)
            usable(run)
        self.reporter.finished(run, made)
        return run

    def ensure_whole(self, recipe: Recipe) -> Run:
        """The run of a recipe with its weights and outputs: made again where only its figures came here.

        Raises:
            RunFailed, UsageFailure: as `ensure`.
        """
        with own.kept(recipe, self._broken):
            run = self.store.get(recipe.key)
            if run is None or run.whole:
                return self.ensure(recipe)
            made = usable(self._make_whole(recipe))
        self.reporter.finished(made, made=True)
        return made

    def ensure_all(self, recipes: Sequence[Recipe]) -> Outcome:
        """All runs that can be made; what is wrong with one does not stop the others (`own.py`)."""
        return self.one_by_one(recipes)

    def one_by_one(self, recipes: Sequence[Recipe]) -> Outcome:
        """`ensure_all` in this process, one run at a time, however many there might be."""
        missing = sum(step.state == "make" for step in self.plan(recipes))
        self.reporter.planned(missing)
        if missing:
            check_writable(self.store.runs)
            _ = self.materials  # what is wrong with the device is wrong with every run
        outcome = Outcome([], [])
        with self._batch():
            for recipe in recipes:
                try:
                    outcome.runs.append(self.ensure(recipe))
                except RunFailed as failure:
                    self.reporter.failed(recipe, failure)
                    outcome.failures.append((recipe, failure))
        return outcome

    def width(self, recipes: Sequence[Recipe]) -> int:
        """How many of these runs are made at a time."""
        del recipes
        return 1

    def plan(self, recipes: Iterable[Recipe]) -> list[Step]:
        """Every run that these recipes need, inputs first, each once."""
        steps: dict[str, Step] = {}
        for recipe in recipes:
            self._plan(recipe, steps)
        return list(steps.values())

    def to_make(self, recipes: Iterable[Recipe]) -> set[str]:
        """Keys of all that is to be made, or made again for its weights, so that these recipes have a run."""
        return {step.recipe.key for step in self.plan(recipes) if step.state == "make"}

    def size(self, recipe: Recipe) -> int:
        """Bytes on disk of a run that is still to be made (attacks and locksteps keep next to nothing)."""
        kept = f"{recipe.kind} {recipe.repeats}"
        kind = (recipe.model, recipe.data["fingerprint"], kept, bool(recipe.forget))
        if recipe.kind in ("attack", "lockstep"):
            return 0
        if kind not in self._sizes:
            self._sizes[kind] = self.materials.size(recipe)
        return self._sizes[kind]

    def another(self, recipe: Recipe) -> Recipe:
        """The recipe as a new attempt, if there is a run of it already (`--force`)."""
        return self.store.next_attempt(recipe)

    def newest(self, recipe: Recipe) -> Recipe:
        """The recipe as its newest attempt, or as it is where there is no run of it."""
        following = self.store.next_attempt(recipe)
        return replace(following, attempt=max(0, following.attempt - 1))

    def _plan(self, recipe: Recipe, steps: dict[str, Step], maker: Recipe | None = None) -> None:
        """`maker`: what is made of it, which takes more than its figures."""
        try:
            run = self.store.get(recipe.key)
        except StoreCorrupt:
            steps[recipe.key] = Step(recipe, "damaged")
            return
        missing = run is None or (maker is not None and not _serves(run, maker))
        if recipe.key in steps and (steps[recipe.key].state == "make" or not missing):
            return
        if missing:
            for needed in recipe.inputs.values():
                self._plan(needed, steps, recipe)
        steps.pop(recipe.key, None)  # behind its inputs
        state = "made" if run is None or run.status == "done" else run.status
        steps[recipe.key] = Step(recipe, "make" if missing else state)

    @contextmanager
    def _batch(self) -> Iterator[None]:
        self._broken = {}
        try:
            yield
        finally:
            self._broken = None

    def _make_whole(self, recipe: Recipe) -> Run:
        for needed in recipe.inputs.values():
            there = self.store.get(needed.key)
            (self.ensure if there and _serves(there, recipe) else self.ensure_whole)(needed)
        with self.store.making(recipe, waiting=lambda: self.reporter.waiting(recipe)):
            run = self.store.get(recipe.key)
            return run if run and run.whole else self._make(recipe)

    def _make(self, recipe: Recipe) -> Run:
        from deepunlearn_cli.execution.makers import make

        inputs = {name: self.store.get(needed.key) for name, needed in recipe.inputs.items()}
        progress = partial(self.reporter.progress, recipe=recipe)
        with self.reporting(recipe):
            materials, start = self.materials, time.perf_counter()
            product = make(recipe, {k: v for k, v in inputs.items() if v}, materials, progress)
            facts = {"status": "done", "created": time.time(), **self._waited(start), **product.facts}
            arriving.make_way(recipe.key, self.store)
            return self.store.put(
                recipe,
                weights=product.weights,
                track=product.track,
                outputs=product.outputs,
                scores=product.scores,
                facts=facts,
                log=product.log,
            )

    def _waited(self, start: float) -> dict[str, Any]:
        """What a run took since `start`, in what company; of the first one what came before."""
        first = {"startup": start - self._begun} if self._begun is not None else {}
        self._begun = None
        where = {"node": self.node} if self.node else {}
        return {"elapsed": time.perf_counter() - start, "jobs": self.sharing, **where, **first}

    @contextmanager
    def reporting(self, recipe: Recipe) -> Iterator[None]:
        """Tell the reporter that a run is being made, until the block ends."""
        self.reporter.started(recipe)
        try:
            yield
        finally:
            self.reporter.stopped(recipe)


def _serves(run: Run, maker: Recipe) -> bool:
    """Whether a run has all that another is made of; U-LiRA takes no more than what travels of its models."""
    return run.whole or (maker.name == "ulira" and OUTPUTS in run.files)
