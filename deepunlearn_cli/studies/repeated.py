"""The study of deletions in a row: requests one by one, all at once, and training anew after each.

Whether a method that is right once is right ten times is an open question of Deep Unlearn (arXiv 2410.01276):
errors may add up, and what was forgotten first may come back while later requests are carried out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict

from deepunlearn_cli import data
from deepunlearn_cli.attacks import TOLERANCE
from deepunlearn_cli.core.recipe import DO_NOTHING, RETRAIN, Recipe
from deepunlearn_cli.core.specs import for_run, together
from deepunlearn_cli.evaluation.metrics import retention_deviation
from deepunlearn_cli.execution import forgetting, recipes
from deepunlearn_cli.methods import METHODS

if TYPE_CHECKING:
    from deepunlearn_cli.data import ForgetSet
    from deepunlearn_cli.execution.recipes import Scene
    from deepunlearn_cli.store import Run
    from deepunlearn_cli.studies.bench import Bench
    from deepunlearn_cli.studies.plan import Setup

IN_A_ROW, AT_ONCE, ANEW = "in a row", "at once", "anew"  # ways to carry out requests
ATTACK = "umia"
NEW, OLD, ALL = "new", "old", "all"  # what an attack asks about: the newest request, those before it, all
LIMITS = {"umia_all": TOLERANCE, "TA": 0.02}  # how far from the retrained model's means "retrain now"


@dataclass(frozen=True)
class Place:
    """One model of the study: after how many requests, made in which way, with its reference.

    Attributes:
        attacks: by what they ask about.
        before: the models that came before it in a row, whose cost counts too.
        sizes: pictures of the newest request, and of all.
        forget: what each request asks for.
    """

    setup: str
    seed: int
    method: str
    way: str
    requests: int
    model: Recipe
    reference: Recipe
    attacks: Mapping[str, Recipe]
    before: Sequence[Recipe]
    sizes: tuple[int, int]
    forget: str

    @property
    def runs(self) -> list[Recipe]:
        """All that it takes."""
        return [self.model, *self.attacks.values()]


class Row(TypedDict):
    """What one model of the study says; accuracies (0..1), cost in epochs of training and in seconds, summed.

    `umia_old` is None for the first request. `reference` has the same of the model that was trained anew.
    """

    setup: str
    seed: int
    method: str
    way: str
    requests: int
    run: str
    RetDev: float
    umia_new: float
    umia_old: float | None
    umia_all: float
    FA: float
    TA: float
    work: float | None
    seconds: float | None
    reference: str
    forgotten: int
    forget: str


def places(bench: Bench) -> list[Place]:
    """Every model of the study, those of one seed together, references before what is held against them.

    Raises:
        UsageFailure: so many requests leave nothing to retain, or a method that needs a track.
    """
    return [
        place
        for setup in bench.plan.setups
        for seed in bench.seeds
        for place in _of_seed(bench, setup, bench.scene(setup), seed)
    ]


def _of_seed(bench: Bench, setup: Setup, scene: Scene, seed: int) -> Iterator[Place]:
    start = recipes.original(scene, setup.training, seed)
    sets = _requests(bench, scene, seed)
    name = f"{setup.dataset} {setup.model}"
    rows = _in_a_row(bench, start, DO_NOTHING, sets)
    references = [
        recipes.retrained(before, forget) for before, forget in zip([start, *rows], sets, strict=False)
    ]
    asked, counts = _asked(bench, sets), _counts(bench)
    unions = [asked[count - 1][ALL] for count in counts]
    cell = _Cell(bench, name, seed, asked, references)
    yield from cell.places(RETRAIN, ANEW, references)
    for method in bench.plan.method_names:
        if METHODS.needed(method).from_scratch:
            continue
        yield from cell.places(method, IN_A_ROW, _in_a_row(bench, start, method, sets))
        if METHODS.needed(method).changes_weights:
            yield from cell.places(method, AT_ONCE, _at_once(bench, start, method, unions), counts)


def _requests(bench: Bench, scene: Scene, seed: int) -> list[ForgetSet]:
    """The forget set of each request, drawn from what those before it left."""
    (spec,) = bench.plan.forget_specs
    sets: list[ForgetSet] = []
    for _ in range(bench.plan.repeated["requests"]):
        gone = sets[::-1]
        sets.append(
            forgetting.forget_for(scene.data, scene.dataset, for_run(spec, seed), bench.runner, gone=gone)
        )
    return sets


def _in_a_row(bench: Bench, start: Recipe, method: str, sets: Sequence[ForgetSet]) -> list[Recipe]:
    made: list[Recipe] = []
    for forget in sets:
        start = bench.plan.steps.unlearned(start, method, forget, bench.plan.params.get(method, {}))
        made.append(start)
    return made


def _counts(bench: Bench) -> list[int]:
    """Numbers of requests that are carried out at once, too."""
    repeated = bench.plan.repeated
    return sorted(set(repeated.get("at_once", range(1, repeated["requests"] + 1))))


def _at_once(bench: Bench, start: Recipe, method: str, unions: Sequence[ForgetSet]) -> list[Recipe]:
    params = bench.plan.params.get(method, {})
    return [bench.plan.steps.unlearned(start, method, union, params) for union in unions]


def _asked(bench: Bench, sets: Sequence[ForgetSet]) -> list[dict[str, ForgetSet]]:
    """What attacks ask about after each request."""
    unions = [_union(bench, sets[: place + 1]) for place in range(len(sets))]
    olds = [{}, *({OLD: union} for union in unions)]
    return [{NEW: new, ALL: every} | old for new, every, old in zip(sets, unions, olds, strict=False)]


def _union(bench: Bench, sets: Sequence[ForgetSet]) -> ForgetSet:
    union = data.union(sets)
    data.save_forget(union, bench.runner.store.data)
    return union


@dataclass(frozen=True)
class _Cell:
    """One seed of a setup: what attacks ask about after each request, and the model trained anew then."""

    bench: Bench
    name: str
    seed: int
    asked: Sequence[Mapping[str, ForgetSet]]
    references: Sequence[Recipe]

    def places(
        self, method: str, way: str, made: Sequence[Recipe], counts: Sequence[int] = ()
    ) -> Iterator[Place]:
        """The models after each number of requests, all of them unless `counts` says which."""
        for count, model in zip(counts or range(1, len(made) + 1), made, strict=True):
            asked = self.asked[count - 1]
            attacks = {what: recipes.attack(model, ATTACK, forget=one) for what, one in asked.items()}
            yield Place(
                self.name,
                self.seed,
                method,
                way,
                count,
                model,
                self.references[count - 1],
                attacks,
                () if way == AT_ONCE else made[: count - 1],
                (len(asked[NEW]), len(asked[ALL])),
                self.bench.plan.forget_specs[0],
            )


def rows(places: Sequence[Place], made: Mapping[str, Run]) -> list[Row]:
    """What the runs of the study say; of models that are there with their references and attacks."""
    there = [
        place
        for place in places
        if all(one.key in made for one in (*place.runs, place.reference, *place.before))
    ]
    return [_row(place, made) for place in there]


def _row(place: Place, made: Mapping[str, Run]) -> Row:
    run, reference = made[place.model.key], made[place.reference.key]
    ours, theirs = _accuracies(run, place), _accuracies(reference, place)
    found = {what: made[attack.key].scores["accuracy"] for what, attack in place.attacks.items()}
    spent = [made[one.key].facts for one in (*place.before, place.model)]
    return {
        "setup": place.setup,
        "seed": place.seed,
        "method": place.method,
        "way": place.way,
        "requests": place.requests,
        "run": run.id,
        "RetDev": retention_deviation(ours, theirs),
        "umia_new": found[NEW],
        "umia_old": found.get(OLD),
        "umia_all": found[ALL],
        "FA": ours["FA"],
        "TA": ours["TA"],
        "work": _sum(spent, "work"),
        "seconds": _sum(spent, "seconds"),
        "reference": reference.id,
        "forgotten": place.sizes[1],
        "forget": together([place.forget] * place.requests),
    }


def _accuracies(run: Run, place: Place) -> dict[str, float]:
    """RA, TA, and FA of all that was forgotten in however many requests."""
    scores, (new, every) = run.scores, place.sizes
    old = every - new if "OA" in scores else 0
    forgotten = scores["FA"] if not old else (scores["FA"] * new + scores["OA"] * old) / every
    return {"RA": scores["RA"], "FA": forgotten, "TA": scores["TA"]}


def _sum(facts: Sequence[Mapping[str, Any]], name: str) -> float | None:
    values = [one.get(name) for one in facts]
    return None if any(value is None for value in values) else float(sum(v for v in values if v is not None))
