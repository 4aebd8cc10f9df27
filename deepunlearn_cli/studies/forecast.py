"""A plan or a search beforehand: how many runs of each kind it makes, how many are there, what is to come.

Where the pictures are at hand every run is named, so that counts are exact: each once, whoever needs it.
Where they are not, the plan alone tells. Failed trials, and what is made again because other work shared the
machine, come on top.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from deepunlearn_cli import data
from deepunlearn_cli.core.errors import Failure
from deepunlearn_cli.core.recipe import DO_NOTHING, RETRAIN, Recipe
from deepunlearn_cli.execution import recipes
from deepunlearn_cli.execution.capacity import BATCH
from deepunlearn_cli.methods import METHODS
from deepunlearn_cli.methods._method import Sizes
from deepunlearn_cli.studies.batches import (
    AGAIN,
    ATTACKS,
    CONFIRMATIONS,
    MODELS,
    NOTHING,
    ORIGINALS,
    RETRAINED,
    TRIALS,
    Batch,
    Counts,
    Load,
    RunsToMake,
    load_of,
    mean_load,
    rows,
    with_startup,
)
from deepunlearn_cli.studies.bench import Bench
from deepunlearn_cli.studies.likely import likely, likely_counts
from deepunlearn_cli.studies.pace import Like
from deepunlearn_cli.studies.plan import Setup
from deepunlearn_cli.studies.plan_checks import check_setup
from deepunlearn_cli.studies.plan_spelling import in_plan

if TYPE_CHECKING:
    from deepunlearn_cli.checkpoints.refs import Start
    from deepunlearn_cli.execution.runner import Runner
    from deepunlearn_cli.studies.throughput import Throughput
    from deepunlearn_cli.sweep import Foreseen, Order


@in_plan()
def of_plan(bench: Bench, throughput: Throughput | None = None) -> list[RunsToMake]:
    """Every kind of every setup of a plan; seconds by what such runs took, or by a throughput.

    Raises:
        UsageFailure: the plan could never end in its tables, or an original does not allow a method.
    """
    return with_startup(_of_plan(bench, throughput), bench.runner)


def _of_plan(bench: Bench, throughput: Throughput | None) -> Iterator[RunsToMake]:
    for setup in bench.plan.setups:
        if _is_at_hand(bench, setup):
            at_hand = _AtHand(bench, setup)
            check_setup(bench.plan, at_hand.starts)
            batches, counts = list(at_hand.batches()), _counts(at_hand.starts[0])
        else:
            batches = list(likely(bench.plan, setup, len(bench.seeds)))
            counts = likely_counts(bench.plan, setup)
        yield from rows(batches, setup.dataset, setup.model, bench.runner, counts, throughput)


def _is_at_hand(bench: Bench, setup: Setup) -> bool:
    """Whether the pictures of a setup and its model can be had here; whatever else is wrong is told."""
    try:
        bench.scene(setup)
    except Failure:
        return False
    return True


def of_search(order: Order, starts: Sequence[Start], confirm: int, runner: Runner) -> list[RunsToMake]:
    """Every kind of a search on these originals."""
    from deepunlearn_cli import sweep

    sizes, label = sizes_of(starts[0]), starts[0].recipe.labels.get("dataset", "")
    batches = _named(
        RETRAINED, (known := sweep.references(starts, runner.store)), sizes, runner.to_make(known)
    )
    for one in sweep.foresee(order, runner.store, confirm):
        batches += _searched(one, sizes)
        batches += _chosen(one, sizes, runner)
    model, counts = starts[0].recipe.model, _counts(starts[0])
    return with_startup(rows(batches, label, model, runner, counts), runner)


class _AtHand:
    """A setup whose pictures are at hand, run by run."""

    def __init__(self, bench: Bench, setup: Setup) -> None:
        self.bench, self.setup, self.runner = bench, setup, bench.runner
        self.starts = bench.starts(setup)
        self.sizes = sizes_of(self.starts[0])
        self.searched = self._foreseen()
        self.again: dict[str, Recipe] = {}  # by model of the plan's timing seed, the attempt that tables show
        self.making = self._to_make()

    def batches(self) -> Iterator[Batch]:
        """Every kind, in the order of making."""
        names = self.bench.plan.method_names
        references = [self.bench.model(start, RETRAIN) for start in self.starts if RETRAIN in names]
        originals = [one.recipe for one in self.starts]
        there = [one for one in originals if one.key in self.making or self.runner.store.get(one.key)]
        yield from self._named(ORIGINALS, there)
        yield from self._named(RETRAINED, [*self._references, *references])
        for one in self.searched.values():
            yield from _searched(one, self.sizes)
        for name in names:
            yield from self._judged(name, self.searched.get(name))

    def _to_make(self) -> set[str]:
        """Keys of what is to be made, or made again for its weights, of all that can be named."""
        open_ended = [name for name, one in self.searched.items() if one.params is None]
        names = [name for name in self.bench.plan.method_names if name not in open_ended]
        models = [self._model(start, name) for start in self.starts for name in names]
        first = [*(start.recipe for start in self._tuned), *self._references]
        making = self.runner.to_make([*first, *self.bench.with_attacks(models)])
        self.again = {one.key: last for one in models if (last := self._timed(one, making))}
        making |= self.runner.to_make(self.bench.with_attacks([*self.again.values()]))
        return making | {one.recipe.key for one in self.starts if open_ended and self._lacks_weights(one)}

    def _lacks_weights(self, start: Start) -> bool:
        """Whether an original is made before anything is made of it."""
        run = self.runner.store.get(start.recipe.key)
        return run is None or not run.whole

    @property
    def _tuned(self) -> Sequence[Start]:
        """The originals of the search."""
        tuning = self.bench.plan.tuning
        return self.starts[: tuning.originals] if tuning else []

    @property
    def _references(self) -> list[Recipe]:
        """What trials are judged by."""
        return [recipes.retrained(start.recipe, start.forget) for start in self._tuned]

    def _model(self, start: Start, name: str) -> Recipe:
        """A method's model, with what its search has chosen."""
        from deepunlearn_cli.sweep.presets import Preset

        found = self.searched.get(name)
        if found is None or found.params is None:
            return self.bench.model(start, name)
        return self.bench.model(start, name, Preset(name, METHODS.needed(name).revision, found.params))

    def _judged(self, name: str, search: Foreseen | None) -> Iterator[Batch]:
        """A method's models with their attacks: run by run where its hyperparameters are known."""
        plan = self.bench.plan
        if search and search.params is None:
            yield Batch(MODELS, _usual(search, self.sizes), len(self.starts))
            for attack, settings in plan.attack_settings:
                like = _attack(self.starts[0].recipe, attack, settings)
                yield Batch(ATTACKS, like, len(self.starts))
            return
        targets = [self._model(start, name) for start in self.starts]
        kind = {RETRAIN: "", DO_NOTHING: NOTHING}.get(name, MODELS)
        if kind:
            yield from self._named(kind, targets)
        yield from self._named(ATTACKS, self.bench.attacks(targets))
        yield from self._again(targets)

    def _again(self, targets: Sequence[Recipe]) -> Iterator[Batch]:
        """What is made again alone, of the plan's timing seed: what shared the machine, or is about to.

        What is not there is made alone to begin with, but for retrained models that a search asks for.
        """
        again = [self.again[recipe.key] for recipe in targets if recipe.key in self.again]
        for kind, runs in ((AGAIN, again), (ATTACKS, self.bench.attacks(again))):
            yield from (one for one in self._named(kind, runs) if not one.there)

    def _timed(self, recipe: Recipe, making: Container[str]) -> Recipe | None:
        """The attempt at a model of the plan's timing seed that tables show, unless that is the first."""
        if recipe.seed != self.bench.plan.timing.get("seed"):
            return None
        if self._searched_beside(recipe):
            return replace(recipe, attempt=1)
        newest = self.runner.newest(recipe)
        shared = newest.key not in making and self.bench.shared(newest)
        last = self.runner.another(newest) if shared else newest
        return last if last.attempt else None

    def _searched_beside(self, recipe: Recipe) -> bool:
        """Whether a search will have it made, with others at a time."""
        tuned = [one.recipe for one in self._tuned]
        asked = recipe.name == RETRAIN and recipe.seed in {one.seed for one in tuned}
        return asked and self.runner.width(tuned) > 1 and self.runner.store.get(recipe.key) is None

    def _foreseen(self) -> dict[str, Foreseen]:
        from deepunlearn_cli import sweep

        tuning = self.bench.plan.tuning
        if tuning is None:
            return {}
        search, steps = tuning.search, self.bench.plan.steps
        questions = sweep.unmeasured(self._tuned, search, self.bench.searched, steps)
        found = sweep.foresee(self.bench.order(questions, tuning), self.runner.store, tuning.confirm)
        return {one.question.method: one for one in found}

    def _named(self, kind: str, runs: Sequence[Recipe]) -> list[Batch]:
        return _named(kind, runs, self.sizes, self.making)


def _named(kind: str, runs: Sequence[Recipe], sizes: Sizes, making: Container[str]) -> list[Batch]:
    """Runs that can be named, each once; `making` are the keys of those that are to be made."""
    each = {recipe.key: recipe for recipe in runs}
    return [Batch(kind, _like(recipe, sizes), 1, int(key not in making)) for key, recipe in each.items()]


def _searched(one: Foreseen, sizes: Sizes) -> list[Batch]:
    question = one.question
    load = mean_load(question.method, question.domains, question.defaults, sizes)
    like = replace(_like(question.runs[0], sizes), kind="trial", params=None, **load._asdict())
    return [
        Batch(TRIALS, like, one.trials, one.trials_there),
        Batch(CONFIRMATIONS, like, one.confirmations, one.confirmations_there),
    ]


def _chosen(one: Foreseen, sizes: Sizes, runner: Runner) -> list[Batch]:
    if one.params is not None:
        models = one.question.unlearned(one.params)
        return _named(MODELS, models, sizes, runner.to_make(models))
    return [Batch(MODELS, _usual(one, sizes), len(one.question.runs))]


def _usual(one: Foreseen, sizes: Sizes) -> Like:
    """Runs of a method whose hyperparameters are still to be found."""
    load = mean_load(one.question.method, one.question.domains, one.question.defaults, sizes)
    return replace(_like(one.question.runs[0], sizes), params=None, **load._asdict())


def _like(recipe: Recipe, sizes: Sizes) -> Like:
    label = recipe.labels.get("dataset", "")
    if recipe.kind == "attack":
        return Like(label, recipe.model, recipe.kind, recipe.name, recipe.params, 0.0)
    load = _trained(recipe, sizes) if recipe.kind in ("train", "checkpoint") else None
    load = load or load_of(recipe.name, recipe.params, sizes)
    return Like(label, recipe.model, recipe.kind, recipe.name, recipe.params, *load)


def _trained(recipe: Recipe, sizes: Sizes) -> Load:
    params = recipes.training_of(recipe)
    share = sizes.retain / sizes.training if recipe.name == RETRAIN else 1.0
    return Load(float(params["epochs"]) * share, float(params.get("batch_size") or BATCH))


def _attack(target: Recipe, name: str, settings: Mapping[str, Any]) -> Like:
    attack = recipes.attack(target, name, settings)
    return Like(target.labels.get("dataset", ""), target.model, "attack", attack.name, attack.params, 0.0)


def _counts(start: Start) -> Counts | None:
    split = data.split(start.dataset, start.recipe.data["val_share"], start.recipe.data["split_seed"])
    training, test = len(split.train), len(split.test)
    return Counts(training, training + len(split.val) + test, test)


def sizes_of(start: Start) -> Sizes:
    """How many pictures each part holds."""
    split = data.split(start.dataset, start.recipe.data["val_share"], start.recipe.data["split_seed"])
    forget = len(start.forget)
    return Sizes(len(split.train) - forget, forget, len(split.val), start.dataset.num_classes)
