"""Tuning: the questions before a search, and after it the choice, its preset and its models."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepunlearn_cli import __version__
from deepunlearn_cli.core.errors import Failure, NotFound, UsageFailure
from deepunlearn_cli.core.recipe import Recipe
from deepunlearn_cli.execution import recipes, trials
from deepunlearn_cli.execution import references as known
from deepunlearn_cli.methods import METHODS
from deepunlearn_cli.store import Run, Store
from deepunlearn_cli.store.asked import by_choice
from deepunlearn_cli.sweep import losses, presets
from deepunlearn_cli.sweep.choice import FRESH_SEEDS, Candidate, choose
from deepunlearn_cli.sweep.fit import traits
from deepunlearn_cli.sweep.judge import flattered, reads_judge
from deepunlearn_cli.sweep.order import Barred, Order
from deepunlearn_cli.sweep.presence import present
from deepunlearn_cli.sweep.presets import Preset
from deepunlearn_cli.sweep.question import Question
from deepunlearn_cli.sweep.ranges import by_hand

if TYPE_CHECKING:
    from deepunlearn_cli.checkpoints.refs import Start
    from deepunlearn_cli.execution.runner import Runner
    from deepunlearn_cli.execution.steps import Steps
    from deepunlearn_cli.sweep.study import Study


@dataclass(frozen=True)
class Search:
    """How to search, whatever the method; fields as those of `Question`."""

    sampler: str
    seed: int = 0
    label: str = ""
    objective: str = ""
    early_stop: float | None = None


@dataclass
class TunedMethod:
    """What became of a method: its candidates, its preset and where that is.

    Attributes:
        exhausted: whether the trials are all that there could be.
        runs: its models on the originals, once they are made (`make_models`).
        failures: why others are not.
    """

    question: Question
    trials: int
    exhausted: bool
    candidates: list[Candidate]
    preset: Preset
    path: Path
    runs: list[Run]
    failures: list[Failure]


def tunable() -> list[str]:
    """Methods here with something to search: all but the controls."""
    return [name for name in METHODS.names() if is_tunable(name)]


def is_tunable(method: str) -> bool:
    """Whether a method, a plug-in too, has something to search."""
    actor = METHODS.needed(method)
    return not actor.control and any(domain.search for domain in actor.domains().values())


def references(starts: Sequence[Start], store: Store) -> list[Recipe]:
    """The retrained model of each original: that which the store has for it, or its own training.

    Raises:
        UsageFailure: originals that no one setting could suit; too few pictures to judge trials with; one
            from elsewhere of which nobody said how it was trained.
    """
    first = starts[0]
    for start in starts:
        if start.recipe.setting != first.recipe.setting or start.forget.sha256 != first.forget.sha256:
            raise UsageFailure(
                f"{start.recipe.key} and {first.recipe.key} differ in data, model, training or forget set",
                "give originals that differ in their seeds only; sweep the others by themselves",
            )
    check_sizes(first)
    return [_reference(start, store) for start in starts]


def _reference(start: Start, store: Store) -> Recipe:
    if found := known.of(start.recipe, start.forget, store):
        return found
    if not known.training_known(start.recipe):
        raise UsageFailure(
            f"nobody said how {start.recipe.labels.get('file', start.recipe.key)} was trained, and trials "
            "are judged by a model that was retrained in the same way",
            "say how: --training epochs=30 --training lr=0.05 ... (`deepunlearn methods retrain`)",
        )
    return recipes.retrained(start.recipe, start.forget)


def questions(
    runner: Runner,
    starts: Sequence[Start],
    search: Search,
    methods: Mapping[str, Mapping[str, Any]],
    steps: Steps,
) -> list[Question]:
    """A question per method, with the retrained models made and measured.

    Args:
        methods: hyperparameters by hand, by method: values that stay, ranges, choices (`by_hand`).
        steps: how the methods take them, in trials as in what is made of the choice.

    Raises:
        RunFailed: a retrained model could not be made.
        UsageFailure: as `references`; a method with nothing to search.
    """
    retrained = _all_of(runner, references(starts, runner.store))
    for start, run in zip(starts, retrained, strict=True):
        if original := runner.store.get(start.recipe.key):
            known.check_fit(original, run)
    figures = tuple({name: _known(run.scores, name) for name in losses.ACCURACIES} for run in retrained)
    return [replace(one, references=figures) for one in unmeasured(starts, search, methods, steps)]


def unmeasured(
    starts: Sequence[Start], search: Search, methods: Mapping[str, Mapping[str, Any]], steps: Steps
) -> list[Question]:
    """The same questions, their retrained models not measured: enough to find what was answered.

    Raises:
        UsageFailure: a method with nothing to search.
    """
    asked = []
    for method, given in methods.items():
        runs = tuple(steps.unlearned(start.recipe, method, start.forget) for start in starts)
        hand = by_hand(method, given)
        how = search.sampler, search.seed, hand.fixed, search.label, hand.ranges
        asked.append(Question(runs, (), *how, search.objective, search.early_stop))
    for question in asked:
        _ = question.domains  # refuses a method with nothing to search
    return asked


def conclude(
    order: Order, runner: Runner, confirm: int, say: Callable[[str], None]
) -> tuple[list[TunedMethod], list[Failure]]:
    """Choose and write the preset, for every study.

    Args:
        confirm: how many of the best are run again on fresh seeds.
        say: told what is going on, in words.

    Returns:
        What became of the methods, and a failure for each study without a complete trial.
    """
    with present(runner.store.studies, order.keys) as presence:
        unusable: Barred = {}  # which the search has told
        studies = [study for study in order.open(presence, unusable) if study.done()]
        if confirm and studies:
            say(f"confirming the best {confirm} and the defaults on {FRESH_SEEDS} fresh seeds each")
        candidates = choose(studies, runner, confirm)
        tuned = [_tuned(one, few, runner.store, say) for one, few in zip(studies, candidates, strict=True)]
        order.collect(studies)
    for one in tuned:
        for text in flattered(one.question.method, one.preset.params):
            say(text)
    concluded = {study.question.key for study in studies} | unusable.keys()
    missing = [question for question in order.questions if question.key not in concluded]
    return tuned, [_nothing(question) for question in missing]


def _tuned(
    study: Study, candidates: list[Candidate], store: Store, say: Callable[[str], None]
) -> TunedMethod:
    trials, path = study.done(), store.studies / f"{study.question.key}.toml"
    preset = presets.record(_preset(study.question, trials, candidates), path, say)
    return TunedMethod(study.question, trials, study.exhausted(), candidates, preset, path, [], [])


def make_models(tuned: Sequence[TunedMethod], runner: Runner) -> None:
    """The ordinary runs of the chosen settings, all in one batch, put into `tuned`."""
    owners = {
        recipe.key: (recipe, one)
        for one in tuned
        for run in one.question.unlearned(one.preset.params, one.preset.title)
        for recipe in [by_choice(run, one.question.key)]
    }
    outcome = runner.ensure_all([recipe for recipe, _ in owners.values()])
    for run in outcome.runs:
        owners[run.id][1].runs.append(run)
    for recipe, failure in outcome.failures:
        owners[recipe.key][1].failures.append(failure)


def _nothing(question: Question) -> Failure:
    return NotFound(f"{question.method} has no complete trial", "give it more time, or fewer methods")


def _preset(question: Question, trials: int, candidates: Sequence[Candidate]) -> Preset:
    run, chosen = question.runs[0], next(one for one in candidates if one.chosen)
    usual = next((one.confirmed for one in candidates if one.defaults), None)
    provenance = {
        **traits(run),
        "setting": run.setting,
        "originals": [one.inputs["original"].key for one in question.runs],
        "study": question.key,
        "sampler": question.sampler,
        "sampler_seed": question.seed,
        "trials": trials,
        "reads_judge": reads_judge(question.method, chosen.params) or None,
        "fixed": sorted(question.fixed),
        "searched": chosen.searched,
        "confirmed": chosen.confirmed,
        "confirmed_sd": chosen.confirmed_sd,
        "confirmed_defaults": usual,
        "fresh_seeds": FRESH_SEEDS if chosen.confirmed is not None else 0,
        "version": __version__,
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    return Preset(question.method, run.revision, chosen.params, provenance)


def _all_of(runner: Runner, recipes: Sequence[Recipe]) -> list[Run]:
    """Every run, as a batch makes it however few there are; the first failure if one fails."""
    outcome = runner.ensure_all(recipes)
    if outcome.failures:
        raise outcome.failures[0][1]
    return outcome.runs


def _known(scores: Mapping[str, Any], name: str) -> float:
    value = scores.get(name)
    if value is None or not math.isfinite(value):
        raise UsageFailure(
            f"the retrained model has no {name}", "a sweep needs validation pictures (--val-share)"
        )
    return float(value)


def check_sizes(start: Start) -> None:
    """See that trials can be judged by an attack.

    Raises:
        UsageFailure: saying which pictures are too few.
    """
    from deepunlearn_cli import data

    split = data.split(start.dataset, start.recipe.data["val_share"], start.recipe.data["split_seed"])
    needed = trials.trial_attack().least()
    for name, size in (("forget", len(start.forget.indices)), ("validation", len(split.val))):
        if size < needed:
            raise UsageFailure(
                f"a sweep's U-MIA needs {needed} {name} pictures; there are {size}",
                "use a larger --forget set" if name == "forget" else "use a larger --val-share",
            )
