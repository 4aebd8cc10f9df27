"""The models that U-LiRA needs: originals of random halves, and what each method makes of each forget set."""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any, TypedDict

from deepunlearn_cli import data, models
from deepunlearn_cli.core.errors import RunFailed, UsageFailure
from deepunlearn_cli.core.recipe import DO_NOTHING, Recipe
from deepunlearn_cli.core.specs import check_count
from deepunlearn_cli.execution import recipes, studied
from deepunlearn_cli.execution.runner import Runner
from deepunlearn_cli.store import Run
from deepunlearn_cli.studies import claims
from deepunlearn_cli.system.alarm import TimeUp, time_limit

if TYPE_CHECKING:
    from deepunlearn_cli.evaluation.epsilon import Claim

ORIGINALS = "original"
Settings = Callable[[str, Recipe], Mapping[str, Any]]  # hyperparameters of a method on an original
MOST = 1000  # splits, and forget sets of each: the paper has 64 and 10


@dataclass(frozen=True)
class Design:
    """How many models, of what.

    Attributes:
        scene: dataset, architecture, precision, augmentation.
        splits: random halves of the training part, one original each.
        forget_sets: per half.
        share: of a half that a forget set takes.
        training: hyperparameters of the originals.
    """

    scene: recipes.Scene
    splits: int = 16
    forget_sets: int = 4
    share: float = 0.1
    training: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        from deepunlearn_cli.attacks._likelihood import LEAST_SPLITS

        fair = f"{LEAST_SPLITS} fit U-LiRA; 16 with 4 forget sets each is a fair start, the paper has 64 x 10"
        check_count("--splits", self.splits, LEAST_SPLITS, MOST, fair)
        check_count("--forget-sets", self.forget_sets, 1, MOST)

    def check(self) -> None:
        """Refuse a design that cannot be carried out, before anything is trained for it.

        Raises:
            UsageFailure: no picture is both forgotten and never seen often enough; a share of nothing; too
                few pictures to train a model on.
        """
        import numpy as np

        from deepunlearn_cli.attacks._likelihood import scorable

        whole = data.split(self.scene.dataset, self.scene.val_share, self.scene.split_seed)
        forgotten = np.zeros((self.splits, 1 + int(whole.train.max(initial=0))), np.int32)
        never = np.zeros_like(forgotten)
        trained: set[int] = set()
        for number in range(self.splits):
            half, rest = data.halve(whole, number)
            never[number, rest] = self.forget_sets
            for turn in range(self.forget_sets):
                forget = data.draw_forget(half, self.share, turn).indices
                forgotten[number, forget] += 1
                trained |= {len(half.train), len(half.train) - len(forget)}
        self._check_trained(trained)
        if not scorable(forgotten, never).any():
            raise UsageFailure(
                f"U-LiRA: no picture would be forgotten twice and never seen in {self.splits} splits with "
                f"{self.forget_sets} forget set{'s' * (self.forget_sets > 1)} each",
                "--splits 16 --forget-sets 4, say; a larger --share helps too",
            )

    def _check_trained(self, sizes: Collection[int]) -> None:
        """Refuse originals or retrained models of so many pictures if their BatchNorm takes more.

        Such a network is built to see, but only where there may be too few.
        """
        from deepunlearn_cli.engine import statistics
        from deepunlearn_cli.execution.recipes import TRAINER

        batch = TRAINER.build(self.training).batch_size
        few = [total for total in sorted(sizes) if statistics.smallest(total, batch) < statistics.ENOUGH]
        if not few:
            return
        height, width, channels = self.scene.dataset.image_shape
        channels = self.scene.data.get("channels", channels)
        shape = models.Shape(self.scene.dataset.num_classes, channels, height, width)
        network = models.build(self.scene.model, shape).train()
        try:
            for total in few:
                statistics.check(network, range(total), batch)
        except UsageFailure as failure:
            hint = f"a smaller --share than {self.share:g}, --val-share 0, or: {failure.hint}"
            raise UsageFailure(f"U-LiRA: {failure.message}", hint) from None

    def models(self, method: str, settings: Settings, runner: Runner) -> dict[str, Recipe]:
        """The recipes of a method's models by `SPLIT/FORGET`; their forget sets are kept in the store."""
        from deepunlearn_cli.attacks.ulira import target_name

        made: dict[str, Recipe] = {}
        whole = data.split(self.scene.dataset, self.scene.val_share, self.scene.split_seed)
        for number in range(self.splits):
            half, _ = data.halve(whole, number)
            start = studied.half_original(self.scene, self.training, number)
            params = settings(method, start)
            for turn in range(self.forget_sets):
                forget = data.draw_forget(half, self.share, turn)
                data.save_forget(forget, runner.store.data)
                made[target_name(number, turn)] = studied.shadow(start, method, forget, params)
        return made


@dataclass(frozen=True)
class Analysis:
    """A method's analysis, or why there is none."""

    method: str
    run: Run | None
    failure: RunFailed | None = None
    claim: Claim | None = None  # the method's guarantee, if it has one, beside what its models say


def attack(runner: Runner, analyses: Mapping[str, Recipe]) -> Iterator[Analysis]:
    """Everything that is missing is made, then each method is analysed; a failed method stops no other."""
    outcome = runner.ensure_all(wanted(analyses))
    failed = {recipe.key: failure for recipe, failure in outcome.failures}
    for method, analysis in analyses.items():
        broken = [failed[model.key] for model in analysis.inputs.values() if model.key in failed]
        if broken:
            text = f"{method}: {len(broken)} of {len(analysis.inputs)} models failed: {broken[0].message}"
            yield Analysis(method, None, RunFailed(text, broken[0].hint))
        else:
            yield _analysed(runner, method, analysis)


def within(
    seconds: float | None, runner: Runner, analyses: Mapping[str, Recipe]
) -> tuple[list[Analysis], bool]:
    """What was found in so many seconds (None: in as many as it takes), and whether that is all."""
    try:
        with time_limit(seconds):
            return list(attack(runner, analyses)), True
    except TimeUp:
        there = {method: one for method, one in analyses.items() if all(map(runner.store.has, _keys(one)))}
        return [read(runner, method, one) for method, one in there.items()], False


def _keys(analysis: Recipe) -> list[str]:
    """Of an analysis and its models."""
    return [analysis.key, *(model.key for model in analysis.inputs.values())]


def wanted(analyses: Mapping[str, Recipe]) -> list[Recipe]:
    """Every method's models, then its analysis: whoever is cut off has whole methods."""
    return [one for analysis in analyses.values() for one in (*analysis.inputs.values(), analysis)]


def read(runner: Runner, method: str, analysis: Recipe) -> Analysis:
    """A method's analysis with all that it found: made again from its models where its figures alone came."""
    targets = [runner.ensure(model) for model in analysis.inputs.values()]
    return Analysis(method, runner.ensure_whole(analysis), claim=claims.held_by_all(targets))


def _analysed(runner: Runner, method: str, analysis: Recipe) -> Analysis:
    outcome = runner.one_by_one([analysis])
    if outcome.failures:
        return Analysis(method, None, outcome.failures[0][1])
    return read(runner, method, analysis)


class ModelCount(TypedDict):
    """How many models of one role (`original`, or a method) there must be, and what those to make take.

    Originals of which nothing is to be made need not be there; those whose figures alone came here are made
    again for what is to be made of them.

    Attributes:
        seconds_each: None where no run tells; so `seconds` of all that are missing.
    """

    models: str
    needed: int
    there: int
    to_make: int
    seconds_each: float | None
    seconds: float | None
    megabytes: float


def plan(runner: Runner, analyses: Mapping[str, Recipe]) -> list[ModelCount]:
    """Originals, then every method: how many models there are, how many are missing, and what those may take.

    Seconds are the median of runs of the same name, dataset and model in the store; None if there is none.
    """
    made = {method: list(analysis.inputs.values()) for method, analysis in analyses.items()}
    starts = {m.inputs["original"].key: m.inputs["original"] for m in made[DO_NOTHING]}
    making = runner.to_make(wanted(analyses))
    needed = [one for key, one in starts.items() if key in making or runner.store.has(key)]
    roles = {ORIGINALS: needed, **made}
    return [_row(runner, role, chosen, making) for role, chosen in roles.items() if chosen]


def _row(runner: Runner, role: str, recipes: Sequence[Recipe], making: Container[str]) -> ModelCount:
    missing = [recipe for recipe in recipes if recipe.key in making]
    each = _seconds(runner, recipes[0])
    return {
        "models": role,
        "needed": len(recipes),
        "there": len(recipes) - len(missing),
        "to_make": len(missing),
        "seconds_each": each,
        "seconds": 0.0 if not missing else None if each is None else each * len(missing),
        "megabytes": sum(runner.size(recipe) for recipe in missing) / 1e6,
    }


def _seconds(runner: Runner, recipe: Recipe) -> float | None:
    rows = runner.store.rows(
        name=recipe.name, model=recipe.model, dataset=recipe.labels.get("dataset"), status="done"
    )
    seconds = [row["seconds"] for row in rows if row["seconds"] is not None and row["kind"] != "attack"]
    return median(seconds) if seconds else None
