"""A plan carried out: originals, searches, methods with what was found, attacks; and its size beforehand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from deepunlearn_cli import data
from deepunlearn_cli.checkpoints import refs
from deepunlearn_cli.core.errors import Failure
from deepunlearn_cli.core.recipe import RETRAIN
from deepunlearn_cli.core.specs import for_run, likely_share
from deepunlearn_cli.execution import recipes
from deepunlearn_cli.methods import METHODS
from deepunlearn_cli.methods._method import CIFAR10, Sizes
from deepunlearn_cli.studies.plan import Cell, Plan

if TYPE_CHECKING:
    from deepunlearn_cli.core.recipe import Recipe
    from deepunlearn_cli.execution.runner import Runner
    from deepunlearn_cli.sweep import Standing, Tuned

Row = dict[str, Any]
Tell = Callable[["Standing"], None]
Say = Callable[[str], None]

DEFAULT_SWEEP: Mapping[str, Any] = {"trials": 100, "originals": 3, "sampler": "tpe", "confirm": 3}
ORIGINALS, RETRAINED, TRIALS, MODELS, ATTACKS = "originals", "retrained", "search trials", "models", "attacks"


@dataclass(frozen=True)
class Bench:
    """A plan on a machine.

    Args:
        seeds: the plan's, as numbers.
        precision: the plan's, or the device's default.
        workers: processes that search.
    """

    plan: Plan
    runner: Runner
    seeds: Sequence[int]
    precision: str
    workers: int = 1

    def scene(self, cell: Cell) -> recipes.Scene:
        """What a pair is trained on; decodes its dataset if need be."""
        plan = self.plan
        dataset = self.runner.dataset(cell.dataset, image_size=plan.image_size)
        return recipes.Scene(
            dataset, cell.model, plan.val_share, plan.split_seed, self.precision, plan.augment
        )

    def forget_sets(self, scene: recipes.Scene) -> dict[tuple[int, str], data.ForgetSet]:
        """Every forget set of a pair, by the seed of the run and the spec for it."""
        specs = {spec for seed in self.seeds for spec in self._specs(seed)}
        sets = {spec: refs.forget_for(scene.data, scene.dataset, spec, self.runner) for spec in specs}
        return {(seed, spec): sets[spec] for seed in self.seeds for spec in self._specs(seed)}

    def starts(self, cell: Cell) -> list[refs.Start]:
        """Every original of a pair with every forget set."""
        scene = self.scene(cell)
        source = data.portable(cell.dataset)
        return [
            refs.Start(recipes.original(scene, cell.training, seed), scene.dataset, forget, source)
            for (seed, _), forget in self.forget_sets(scene).items()
        ]

    def judged(self, found: Mapping[tuple[str, str], Mapping[str, Any]]) -> list[Recipe]:
        """Every model to be judged; `found` holds tuned hyperparameters by (pair's model key, method)."""
        return [
            recipes.unlearned(
                start.recipe,
                method,
                start.forget,
                {**found.get((self._name(cell), method), {}), **self.plan.params.get(method, {})},
                augment=self.plan.augment_unlearning,
            )
            for cell in self.plan.pairs
            for start in self.starts(cell)
            for method in self.plan.method_names
        ]

    def attacks(self, judged: Sequence[Recipe]) -> list[Recipe]:
        """Every attack of the plan on every model of the plan."""
        asked = self.plan.attack_settings
        return [recipes.attack(target, name, settings) for target in judged for name, settings in asked]

    def tuned(self, tell: Tell, say: Say) -> tuple[dict[tuple[str, str], Mapping[str, Any]], list[Failure]]:
        """Search every pair's methods; what was found by (pair, method), and what failed."""
        found: dict[tuple[str, str], Mapping[str, Any]] = {}
        failures: list[Failure] = []
        for cell in self.plan.pairs if self.plan.sweep else ():
            tuned, failed = self._search(cell, tell, say)
            found |= {(self._name(cell), one.question.method): one.preset.params for one in tuned}
            failures += failed
        return found, failures

    def _search(self, cell: Cell, tell: Tell, say: Say) -> tuple[list[Tuned], list[Failure]]:
        from deepunlearn_cli import sweep

        asked: dict[str, Any] = {**DEFAULT_SWEEP, **self.plan.sweep}
        starts = self.starts(cell)[: asked["originals"]]
        self.runner.ensure_all([start.recipe for start in starts])
        methods = [name for name in self.plan.method_names if name in sweep.tunable()]
        fixed = {name: self.plan.params.get(name, {}) for name in methods}
        questions = sweep.questions(self.runner, starts, sweep.Search(asked["sampler"]), fixed)
        root, device = str(self.runner.store.root), self.runner.device
        order = sweep.Order(tuple(questions), root, None, device, asked["trials"], None, PATIENCE)
        given_up = sweep.search(order, self.workers, self.runner, tell)
        tuned, failures = sweep.conclude(order, self.runner, asked["confirm"], say)
        return tuned, [*given_up, *failures]

    def _specs(self, seed: int) -> list[str]:
        return [for_run(spec, seed) for spec in self.plan.forget_specs]

    @staticmethod
    def _name(cell: Cell) -> str:
        return f"{cell.dataset} {cell.model}"


PATIENCE = 10  # failed trials in a row that end a method's search


def size(plan: Plan, seeds: int) -> Iterator[Row]:
    """How many runs of each kind every pair takes, from the plan alone, with their mean work in epochs.

    Work is that of the methods' defaults: a search tries longer and shorter ones.
    """
    actors = {name: METHODS.get(name) for name in plan.method_names}
    methods = [name for name, actor in actors.items() if not actor.control]
    asked = {**DEFAULT_SWEEP, **plan.sweep}
    tried = asked["trials"] * asked["originals"] if plan.sweep else 0
    sets = [_sizes(spec) for spec in plan.forget_specs]
    each = seeds * len(sets)
    for cell in plan.pairs:
        epochs = recipes.TRAINER.build(cell.training).epochs
        once = _mean(_work(name, plan, epochs, sizes) for name in methods for sizes in sets)
        retrained = each if RETRAIN in actors or plan.sweep else 0
        counts = {
            ORIGINALS: (seeds, epochs),
            RETRAINED: (retrained, epochs * _mean(sizes.retain / sizes.training for sizes in sets)),
            TRIALS: (tried * len(methods), once),
            MODELS: (each * len(methods), once),
            ATTACKS: (each * len(actors) * len(plan.attacks), 0.0),
        }
        for kind, (count, work) in counts.items():
            if count:
                yield {
                    "dataset": cell.dataset,
                    "model": cell.model,
                    "kind": kind,
                    "runs": count,
                    "epochs": work,
                }


def _sizes(spec: str) -> Sizes:
    """The paper's split with as large a forget set as `spec` asks for: only shares count."""
    share = likely_share(spec, CIFAR10.classes)
    forget = CIFAR10.forget if share is None else max(1, round(share * CIFAR10.training))
    return replace(CIFAR10, forget=forget, retain=CIFAR10.training - forget)


def _mean(values: Iterable[float]) -> float:
    known = list(values)
    return sum(known) / max(1, len(known))


def _work(method: str, plan: Plan, training_epochs: int, sizes: Sizes) -> float:
    """Epochs of training that a method's defaults take, within its budget."""
    actor = METHODS.get(method)
    params = recipes.budget(actor, training_epochs) | dict(plan.params.get(method, {}))
    return actor.build(params).work(sizes) / sizes.training


def there(bench: Bench) -> Counter[tuple[str, str, str]]:
    """How many of these runs the store holds, by dataset, model and kind.

    Pairs whose data are not at hand count nothing; models of a plan with a search are not known before it.
    """
    found: Counter[tuple[str, str, str]] = Counter()
    for cell in bench.plan.pairs:
        try:
            starts = bench.starts(cell)
        except Failure:
            continue
        recipes = {(kind, recipe.key) for kind, recipe in _recipes(bench, starts)}
        held = [kind for kind, key in recipes if bench.runner.store.get(key)]
        found.update((cell.dataset, cell.model, kind) for kind in held)
    return found


def _recipes(bench: Bench, starts: Sequence[refs.Start]) -> Iterator[tuple[str, Recipe]]:
    plan = bench.plan
    for start in starts:
        yield ORIGINALS, start.recipe
        yield RETRAINED, recipes.retrained(start.recipe, start.forget)
        for name in plan.method_names:
            params, augment = plan.params.get(name, {}), plan.augment_unlearning
            target = recipes.unlearned(start.recipe, name, start.forget, params, augment=augment)
            if not METHODS.get(name).control and not plan.sweep:
                yield MODELS, target
            yield from ((ATTACKS, attack) for attack in bench.attacks([target]))


def seconds_per_epoch(runner: Runner) -> dict[tuple[str, str], float]:
    """Seconds that an epoch's work took, by (dataset, model), from unshared runs in the store."""
    totals: dict[tuple[str, str], list[float]] = {}
    for row in runner.store.rows(status="done"):
        if row["seconds"] and row["work"] and not row["shared"] and row["kind"] in ("train", "unlearn"):
            held = totals.setdefault((row["dataset"], row["model"]), [0.0, 0.0])
            held[0] += row["seconds"]
            held[1] += row["work"]
    return {pair: seconds / work for pair, (seconds, work) in totals.items()}
