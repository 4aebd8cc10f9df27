"""A plan carried out: originals, searches, methods with what was found, attacks; and its size beforehand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypedDict

from deepunlearn_cli import data
from deepunlearn_cli.checkpoints import refs
from deepunlearn_cli.core.errors import Failure
from deepunlearn_cli.core.recipe import RETRAIN
from deepunlearn_cli.core.specs import for_run, likely_share
from deepunlearn_cli.execution import forgetting, recipes
from deepunlearn_cli.execution.capacity import peaks
from deepunlearn_cli.methods import METHODS
from deepunlearn_cli.methods._method import CIFAR10, Sizes
from deepunlearn_cli.studies.plan import Plan, Setup, Tuning

if TYPE_CHECKING:
    from deepunlearn_cli.core.recipe import Recipe
    from deepunlearn_cli.execution.runner import Runner
    from deepunlearn_cli.sweep import StudyProgress, TunedMethod

TunedParams = Mapping[tuple[str, str], Mapping[str, Any]]  # hyperparameters by (setup, method)
Tell = Callable[["StudyProgress"], None]
Say = Callable[[str], None]

ORIGINALS, RETRAINED, TRIALS, MODELS, ATTACKS = "originals", "retrained", "search trials", "models", "attacks"


@dataclass(frozen=True)
class Bench:
    """A plan on a machine.

    Args:
        seeds: the plan's, as numbers.
        precision: the plan's, or the device's default.
    """

    plan: Plan
    runner: Runner
    seeds: Sequence[int]
    precision: str

    def scene(self, setup: Setup) -> recipes.Scene:
        """What a setup is trained on; decodes its dataset if need be."""
        plan = self.plan
        dataset = self.runner.dataset(setup.dataset, image_size=plan.image_size)
        return recipes.Scene(
            dataset, setup.model, plan.val_share, plan.split_seed, self.precision, plan.augment
        )

    def forget_sets(self, scene: recipes.Scene) -> dict[tuple[int, str], data.ForgetSet]:
        """Every forget set of a setup, by the seed of the run and the spec for it."""
        specs = {spec for seed in self.seeds for spec in self._specs(seed)}
        sets = {spec: forgetting.forget_for(scene.data, scene.dataset, spec, self.runner) for spec in specs}
        return {(seed, spec): sets[spec] for seed in self.seeds for spec in self._specs(seed)}

    def starts(self, setup: Setup) -> list[refs.Start]:
        """Every original of a setup with every forget set."""
        scene = self.scene(setup)
        source = data.portable(setup.dataset)
        return [
            refs.Start(recipes.original(scene, setup.training, seed), scene.dataset, forget, source)
            for (seed, _), forget in self.forget_sets(scene).items()
        ]

    def judged(self, tuned: TunedParams) -> list[Recipe]:
        """Every model to be judged; the store keeps what its original is trained for."""
        for setup in self.plan.setups:
            for start in self.starts(setup):
                forgetting.remember(start.recipe, start.forget, self.runner, named=False)
        return [
            recipes.unlearned(
                start.recipe,
                method,
                start.forget,
                {**tuned.get((self._name(setup), method), {}), **self.plan.params.get(method, {})},
                augment=self.plan.augment_unlearning,
            )
            for setup in self.plan.setups
            for start in self.starts(setup)
            for method in self.plan.method_names
        ]

    def timed(self, judged: Sequence[Recipe]) -> list[Recipe]:
        """The same models; those of the plan's timing seed as runs that shared the machine with no others.

        Where the newest run of one was shared it is made again, as a new attempt, here and alone.
        """
        wanted = self.plan.timing.get("seed")
        newest = [self.runner.newest(recipe) if recipe.seed == wanted else recipe for recipe in judged]
        again = {r.key: self.runner.another(r) for r in newest if r.seed == wanted and self._shared(r)}
        made = {run.recipe.base.key for run in self.runner.one_by_one(list(again.values())).runs}
        return [again[r.key] if r.key in again and r.base.key in made else r for r in newest]

    def _shared(self, recipe: Recipe) -> bool:
        run = self.runner.store.get(recipe.key)
        return bool(run and run.status == "done" and run.facts.get("shared"))

    def attacks(self, judged: Sequence[Recipe]) -> list[Recipe]:
        """Every attack of the plan on every model of the plan."""
        each = self.plan.attack_settings
        return [recipes.attack(target, name, settings) for target in judged for name, settings in each]

    def tuned(self, tell: Tell, say: Say) -> tuple[TunedParams, list[Failure]]:
        """Search every setup's methods, if the plan says so; what came of it, and what failed."""
        params: dict[tuple[str, str], Mapping[str, Any]] = {}
        failures: list[Failure] = []
        if self.plan.tuning is None:
            return params, failures
        for setup in self.plan.setups:
            methods, failed = self._tune(setup, self.plan.tuning, tell, say)
            params |= {(self._name(setup), one.question.method): one.preset.params for one in methods}
            failures += failed
        return params, failures

    def _tune(
        self, setup: Setup, tuning: Tuning, tell: Tell, say: Say
    ) -> tuple[list[TunedMethod], list[Failure]]:
        from deepunlearn_cli import sweep

        starts = self.starts(setup)[: tuning.originals]
        self.runner.ensure_all([start.recipe for start in starts])
        methods = [name for name in self.plan.method_names if sweep.is_tunable(name)]
        fixed = {name: self.plan.params.get(name, {}) for name in methods}
        questions = sweep.questions(self.runner, starts, sweep.Search(tuning.sampler), fixed)
        root, device = str(self.runner.store.root), self.runner.device
        order = sweep.Order(tuple(questions), root, None, device, tuning.trials, None, PATIENCE)
        jobs = self.runner.width([start.recipe for start in starts])
        given_up = sweep.search(order, jobs, self.runner, tell)
        tuned, failures = sweep.conclude(order, self.runner, tuning.confirm, say)
        return tuned, [*given_up, *failures]

    def _specs(self, seed: int) -> list[str]:
        return [for_run(spec, seed) for spec in self.plan.forget_specs]

    @staticmethod
    def _name(setup: Setup) -> str:
        return f"{setup.dataset} {setup.model}"


PATIENCE = 10  # failed trials in a row that end a method's search


class RunCount(TypedDict):
    """How many runs of one kind a setup takes, and the mean work of one in `epochs` of training."""

    dataset: str
    model: str
    kind: str
    runs: int
    epochs: float


class RunsToMake(RunCount):
    """The same, with how many are `there`, and what the others may take (None: unknown).

    Attributes:
        seconds: of all of them, one at a time.
        peak_memory: bytes that one of them adds to a process, at most.
        peak_device_memory: bytes that one of them takes of a GPU, at most.
    """

    there: int
    seconds: float | None
    peak_memory: int | None
    peak_device_memory: int | None


def size(plan: Plan, seeds: int) -> Iterator[RunCount]:
    """How many runs of each kind every setup takes, from the plan alone.

    Work is that of the methods' defaults: a search tries longer and shorter ones.
    """
    actors = {name: METHODS.get(name) for name in plan.method_names}
    methods = [name for name, actor in actors.items() if not actor.control]
    tried = plan.tuning.trials * plan.tuning.originals if plan.tuning else 0
    sets = [_sizes(spec) for spec in plan.forget_specs]
    each = seeds * len(sets)
    for setup in plan.setups:
        epochs = recipes.TRAINER.build(setup.training).epochs
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
                    "dataset": setup.dataset,
                    "model": setup.model,
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

    Setups whose data are not at hand count nothing; models of a plan with a search are not known before it.
    """
    counts: Counter[tuple[str, str, str]] = Counter()
    for setup in bench.plan.setups:
        try:
            starts = bench.starts(setup)
        except Failure:
            continue
        keys = {(kind, recipe.key) for kind, recipe in _recipes(bench, starts)}
        kinds = [kind for kind, key in keys if bench.runner.store.get(key)]
        counts.update((setup.dataset, setup.model, kind) for kind in kinds)
    return counts


def to_make(bench: Bench) -> Iterator[RunsToMake]:
    """The plan's size with what the store holds, and how long the rest may take by the runs in it."""
    counts, pace = there(bench), seconds_per_epoch(bench.runner)
    rows = bench.runner.store.rows(status="done")
    memory, of_device = peaks(rows, "peak_memory"), peaks(rows, "peak_device_memory")
    for row in size(bench.plan, len(bench.seeds)):
        count = min(row["runs"], counts[row["dataset"], row["model"], row["kind"]])
        missing = 0 if row["kind"] == ATTACKS else row["runs"] - count
        pair = (row["dataset"], row["model"])
        each = pace.get(pair) if missing else 0.0
        yield {
            **row,
            "there": count,
            "seconds": None if each is None else missing * row["epochs"] * each,
            "peak_memory": memory.get(pair) if missing else None,
            "peak_device_memory": of_device.get(pair) if missing else None,
        }


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
            total = totals.setdefault((row["dataset"], row["model"]), [0.0, 0.0])
            total[0] += row["seconds"]
            total[1] += row["work"]
    return {pair: seconds / work for pair, (seconds, work) in totals.items()}
