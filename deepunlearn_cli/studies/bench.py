"""A plan carried out: originals, searches, methods with what was found, attacks; and its size beforehand."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deepunlearn_cli import data
from deepunlearn_cli.checkpoints import refs
from deepunlearn_cli.core.errors import Failure, RunFailed, StoreCorrupt
from deepunlearn_cli.core.specs import for_run
from deepunlearn_cli.execution import forgetting, recipes
from deepunlearn_cli.execution.runner import Outcome
from deepunlearn_cli.studies.plan import Plan, Setup, Tuning
from deepunlearn_cli.studies.plan_checks import check_setup
from deepunlearn_cli.studies.plan_spelling import in_plan

if TYPE_CHECKING:
    from deepunlearn_cli.core.recipe import Recipe
    from deepunlearn_cli.execution.runner import Runner
    from deepunlearn_cli.sweep import Order, StudyProgress, TunedMethod
    from deepunlearn_cli.sweep.presets import Preset
    from deepunlearn_cli.sweep.question import Question

Presets = Mapping[tuple[str, str], "Preset"]  # by (setup, method)
Tell = Callable[["StudyProgress"], None]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Bench:
    """A plan on a machine.

    Args:
        seeds: the plan's, as numbers.
        precision: the plan's, or the device's default.
        database: where studies are kept, whatever the plan says; None as it says.
        follow: told the key of each study before its search and after the choice.
    """

    plan: Plan
    runner: Runner
    seeds: Sequence[int]
    precision: str
    database: str | None = None
    follow: Callable[[str], None] = lambda _: None

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

    @in_plan()
    def judged(self, tuned: Presets) -> list[Recipe]:
        """Every model to be judged; the store keeps what its original is trained for.

        Raises:
            UsageFailure: an original does not allow a method, or an attack has too few pictures.
        """
        every = [(setup, self.starts(setup)) for setup in self.plan.setups]
        for _, starts in every:
            check_setup(self.plan, starts)
        for start in (start for _, starts in every for start in starts):
            forgetting.remember(start.recipe, start.forget, self.runner, named=False)
        return [
            self.model(start, method, tuned.get((self._name(setup), method)))
            for setup, starts in every
            for start in starts
            for method in self.plan.method_names
        ]

    def model(self, start: refs.Start, method: str, preset: Preset | None = None) -> Recipe:
        """A method's model as the plan has it, with what was found for it if something was."""
        found = preset.params if preset else {}
        params = {**found, **self.plan.params.get(method, {})}
        said = preset.title if preset else ""
        return self.plan.steps.unlearned(start.recipe, method, start.forget, params, said)

    def make(self, wanted: Sequence[Recipe]) -> Outcome:
        """Make what is not there: the plan's timing seed first and alone, then the others."""
        seed = self.plan.timing.get("seed")
        alone = self.runner.one_by_one([one for one in wanted if one.root.seed == seed])
        others = self.runner.ensure_all([one for one in wanted if one.root.seed != seed])
        return Outcome([*alone.runs, *others.runs], [*alone.failures, *others.failures])

    def timed(self, judged: Sequence[Recipe]) -> list[Recipe]:
        """The same models; those of the plan's timing seed as runs that shared the machine with no others.

        Where the newest run of one was shared it is made again, as a new attempt, here and alone.
        """
        wanted = self.plan.timing.get("seed")
        newest = [self.runner.newest(recipe) if recipe.seed == wanted else recipe for recipe in judged]
        again = {r.key: self.runner.another(r) for r in newest if r.seed == wanted and self.shared(r)}
        alone = self.runner.one_by_one(self.with_attacks([*again.values()]))
        made = {run.recipe.base.key for run in alone.runs}
        return [again[r.key] if r.key in again and r.base.key in made else r for r in newest]

    def so_far(self, wanted: Sequence[Recipe]) -> list[Recipe]:
        """Of models with their attacks, the models of those seeds of which all that is wanted is there.

        Newest attempts first: whoever is cut off while models are made again alone has some of those.
        """
        there = self.runner.store.has
        lacking = {recipe.root.seed for recipe in wanted if not there(recipe.key)}
        models = [r for r in wanted if r.kind != "attack" and r.root.seed not in lacking]
        newest = [self.runner.newest(recipe) for recipe in models]
        whole = [all(there(one.key) for one in self.with_attacks([recipe])) for recipe in newest]
        return [new if is_whole else old for new, old, is_whole in zip(newest, models, whole, strict=True)]

    def shared(self, recipe: Recipe) -> bool:
        """Whether there is a run of it that shared the machine with others."""
        run = self.runner.store.get(recipe.key)
        return bool(run and run.status == "done" and run.facts.get("shared"))

    def with_attacks(self, judged: Sequence[Recipe]) -> list[Recipe]:
        """Models, each with its attacks, seed after seed: a bench that is cut off has whole seeds."""
        return [one for target in judged for one in (target, *self.attacks([target]))]

    def attacks(self, judged: Sequence[Recipe]) -> list[Recipe]:
        """Every attack of the plan on every model of the plan."""
        each = self.plan.attack_settings
        return [recipes.attack(target, name, settings) for target in judged for name, settings in each]

    def tuned(self, tell: Tell, say: Say) -> tuple[Presets, list[Failure]]:
        """Search every setup's methods, if the plan says so; what came of it, and what failed."""
        found: dict[tuple[str, str], Preset] = {}
        failures: list[Failure] = []
        if self.plan.tuning is None:
            return found, failures
        for setup in self.plan.setups:
            methods, failed = self._tune(setup, self.plan.tuning, tell, say)
            found |= {(self._name(setup), one.question.method): one.preset for one in methods}
            failures += failed
        return found, failures

    def _tune(
        self, setup: Setup, tuning: Tuning, tell: Tell, say: Say
    ) -> tuple[list[TunedMethod], list[Failure]]:
        from deepunlearn_cli import sweep

        starts = self.starts(setup)[: tuning.originals]
        self.runner.ensure_all(
            [*(start.recipe for start in starts), *sweep.references(starts, self.runner.store)]
        )
        try:
            questions = sweep.questions(self.runner, starts, tuning.search, self.searched, self.plan.steps)
        except (RunFailed, StoreCorrupt) as failure:  # nothing to judge trials by, in this setup
            return [], [failure]
        order = self.order(questions, tuning)
        jobs = self.runner.width([start.recipe for start in starts])
        self._follow(order)
        given_up = sweep.search(order, jobs, self.runner, tell)
        self._follow(order)
        tuned, failures = sweep.conclude(order, self.runner, tuning.confirm, say)
        self._follow(order)
        return tuned, [*given_up, *failures]

    def _follow(self, order: Order) -> None:
        for key in order.keys:
            self.follow(key)

    @property
    def searched(self) -> dict[str, Mapping[str, Any]]:
        """The methods that have something to search, with what the plan fixes and what ranges it gives."""
        from deepunlearn_cli import sweep

        names = [name for name in self.plan.method_names if sweep.is_tunable(name)]
        ranges = self.plan.tuning.ranges if self.plan.tuning else {}
        return {name: {**self.plan.params.get(name, {}), **ranges.get(name, {})} for name in names}

    @property
    def address(self) -> str | None:
        """Where the studies are kept; None for the store."""
        return self.database or (self.plan.tuning.database if self.plan.tuning else None)

    def order(self, questions: Sequence[Question], tuning: Tuning) -> Order:
        """The search of these questions as the plan has it, its time counted from now on."""
        from deepunlearn_cli import sweep

        deadline = time.time() + tuning.seconds if tuning.seconds else None
        place = str(self.runner.store.root), self.address
        settled = tuning.max_failures, tuning.seconds
        return sweep.Order(tuple(questions), *place, tuning.trials, deadline, *settled)

    def _specs(self, seed: int) -> list[str]:
        return [for_run(spec, seed) for spec in self.plan.forget_specs]

    @staticmethod
    def _name(setup: Setup) -> str:
        return f"{setup.dataset} {setup.model}"
