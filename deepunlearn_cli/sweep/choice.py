"""The choice: the best few of a search on fresh seeds, beside the defaults, and what is said about a study.

The best of many noisy figures is too good to be true (the winner's curse), so the trials only nominate.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from deepunlearn_cli.errors import NotFound
from deepunlearn_cli.recipe import Recipe
from deepunlearn_cli.runner import Runner
from deepunlearn_cli.sweep import losses
from deepunlearn_cli.sweep.question import Question
from deepunlearn_cli.sweep.study import Point, Study

if TYPE_CHECKING:
    from optuna import Study as OptunaStudy

FRESH_SEEDS = 3  # per candidate and original


@dataclass(frozen=True)
class Candidate:
    """A setting that was looked at twice. `trial` is None for defaults that were not searched.

    `searched` is the norm of its trial's losses, `confirmed` the mean norm over fresh seeds with its standard
    deviation `confirmed_sd`; None where it was not made, or failed.
    """

    trial: int | None
    params: Mapping[str, Any]
    searched: float | None
    confirmed: float | None = None
    confirmed_sd: float | None = None
    defaults: bool = False
    chosen: bool = False


def choose(study: Study, runner: Runner, best: int) -> list[Candidate]:
    """The `best` settings of a study and the defaults, confirmed on fresh seeds; one of them is chosen.

    With `best` 0 nothing is made, and the best trial is chosen. The outcome is kept with the study.

    Raises:
        NotFound: the study has no complete trial.
    """
    points = study.points()
    if not points:
        raise NotFound(f"study {study.question.key} has no complete trial", "give it more time or trials")
    nominated = _nominated(points, study.question.defaults, max(best, 1))
    seen = _confirmed(nominated, study.question, runner) if best else nominated[:1]
    chosen = min(seen, key=lambda one: _value(one, confirmed=best > 0))
    outcome = [replace(one, chosen=one is chosen) for one in seen]
    study.optuna.set_user_attr("candidates", [asdict(one) for one in outcome])
    return outcome


def _nominated(points: Sequence[Point], defaults: Mapping[str, Any], best: int) -> list[Candidate]:
    """The best settings, each once, and the defaults in any case."""
    ordered: list[Candidate] = []
    for point in sorted(points, key=lambda point: (point.norm, point.number)):
        if all(point.params != one.params for one in ordered):
            ordered.append(
                Candidate(point.number, point.params, point.norm, defaults=point.params == defaults)
            )
    usual = [one for one in ordered if one.defaults] or [Candidate(None, defaults, None, defaults=True)]
    return ordered[:best] + [one for one in usual if one not in ordered[:best]]


def _confirmed(candidates: Sequence[Candidate], question: Question, runner: Runner) -> list[Candidate]:
    """The candidates with their values on fresh seeds; without one where a run failed."""
    fresh = range(1, FRESH_SEEDS + 1)
    recipes = [[question.trials(one.params, seed) for seed in fresh] for one in candidates]
    made = runner.ensure_all([recipe for seeds in recipes for several in seeds for recipe in several])
    scores = {run.id: run.scores for run in made.runs}
    return [_valued(one, seeds, question, scores) for one, seeds in zip(candidates, recipes, strict=True)]


def _valued(
    candidate: Candidate,
    seeds: Sequence[Sequence[Recipe]],
    question: Question,
    scores: Mapping[str, Mapping[str, Any]],
) -> Candidate:
    if any(recipe.key not in scores for several in seeds for recipe in several):
        return candidate
    norms = [losses.norm(question.losses([scores[recipe.key] for recipe in several])) for several in seeds]
    return replace(candidate, confirmed=statistics.mean(norms), confirmed_sd=statistics.stdev(norms))


def _value(candidate: Candidate, *, confirmed: bool) -> float:
    value = candidate.confirmed if confirmed else candidate.searched
    return math.inf if value is None else value


def importances(study: OptunaStudy) -> dict[str, float]:
    """Share (0..1) of each hyperparameter in what the trials differ by (PED-ANOVA), largest first."""
    from optuna.importance import get_param_importances

    complete = [trial for trial in study.get_trials(deepcopy=False) if trial.state.name == "COMPLETE"]
    if len(complete) < 2 or len({losses.norm(t.user_attrs["losses"]) for t in complete}) < 2:
        return {}
    with _silence():
        found = get_param_importances(study, target=lambda trial: losses.norm(trial.user_attrs["losses"]))
    return {name: float(share) for name, share in found.items()}


@contextmanager
def _silence() -> Iterator[None]:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
