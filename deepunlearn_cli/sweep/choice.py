"""The choice: the best few of a search on fresh seeds, beside the defaults, and what is said about a study.

The best of many noisy figures is too good to be true (the winner's curse), so the trials only nominate.
"""

from __future__ import annotations

import json
import math
import statistics
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from deepunlearn_cli.core.errors import NotFound
from deepunlearn_cli.core.recipe import Recipe
from deepunlearn_cli.execution.runner import Runner
from deepunlearn_cli.sweep import losses
from deepunlearn_cli.sweep.question import Question
from deepunlearn_cli.sweep.study import Study

if TYPE_CHECKING:
    from optuna import Study as OptunaStudy

OUTCOME, EARLIER = "candidates", "candidates_before"  # attributes of a study
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


def choose(studies: Sequence[Study], runner: Runner, best: int) -> list[list[Candidate]]:
    """Of every study its `best` settings and the defaults, run again on fresh seeds; one of each is chosen.

    With `best` 0 nothing is made, and the best trial is chosen. The outcome is kept with the study.

    Raises:
        NotFound: a study has no complete trial.
    """
    several = [nominated(study, best) for study in studies]
    wanted = [
        recipe
        for study, few in zip(studies, several, strict=True)
        for recipe in (confirmations(study.question, few) if best else ())
    ]
    scores = {run.id: run.scores for run in runner.ensure_all(wanted).runs} if wanted else {}
    return [
        _decided(study, confirmed(study.question, few, scores) if best else few)
        for study, few in zip(studies, several, strict=True)
    ]


def _decided(study: Study, seen: Sequence[Candidate]) -> list[Candidate]:
    winner = best_of(seen)
    outcome = [replace(one, chosen=one is winner) for one in seen]
    _keep(study.optuna, [asdict(one) for one in outcome])
    return outcome


def _keep(study: OptunaStudy, outcome: list[dict[str, Any]]) -> None:
    """Note the outcome with the study; other outcomes before it stay, oldest first."""
    before = study.user_attrs.get(OUTCOME)
    if before == json.loads(json.dumps(outcome)):
        return
    if before is not None:
        study.set_user_attr(EARLIER, [*study.user_attrs.get(EARLIER, []), before])
    study.set_user_attr(OUTCOME, outcome)


def best_of(seen: Sequence[Candidate]) -> Candidate:
    """The one to choose."""
    return min(seen, key=_value)


def nominated(study: Study, best: int) -> list[Candidate]:
    """The defaults and the `best` other settings, each once: as many however good the defaults are.

    With `best` 0 the best setting alone.

    Raises:
        NotFound: the study has no complete trial.
    """
    if not (points := study.points()):
        raise NotFound(f"study {study.question.key} has no complete trial", "give it more time or trials")
    defaults, ordered = study.question.defaults, list[Candidate]()
    for point in sorted(points, key=lambda point: (point.norm, point.number)):
        if all(point.params != one.params for one in ordered):
            ordered.append(
                Candidate(point.number, point.params, point.norm, defaults=point.params == defaults)
            )
    if not best:
        return ordered[:1]
    if not any(one.defaults for one in ordered):
        ordered.append(Candidate(None, defaults, None, defaults=True))
    others = [one for one in ordered if not one.defaults][:best]
    return [one for one in ordered if one.defaults or one in others]


def confirmations(question: Question, candidates: Sequence[Candidate]) -> list[Recipe]:
    """Every run that the choice between candidates takes."""
    return [recipe for one in candidates for several in _fresh(question, one) for recipe in several]


def confirmed(
    question: Question, candidates: Sequence[Candidate], scores: Mapping[str, Mapping[str, Any]]
) -> list[Candidate]:
    """The candidates with what their confirmations scored, by id of run."""
    return [_confirmed(one, question, scores) for one in candidates]


def _fresh(question: Question, candidate: Candidate) -> list[list[Recipe]]:
    """The candidate's trials on each original, for each fresh seed."""
    params, trial = candidate.params, candidate.trial
    return [question.trials(params, fresh, trial) for fresh in range(1, FRESH_SEEDS + 1)]


def _confirmed(
    candidate: Candidate, question: Question, scores: Mapping[str, Mapping[str, Any]]
) -> Candidate:
    """The candidate with its value on fresh seeds; without one if a run failed."""
    seeds = _fresh(question, candidate)
    if any(recipe.key not in scores for several in seeds for recipe in several):
        return candidate
    norms = [losses.norm(question.losses([scores[recipe.key] for recipe in several])) for several in seeds]
    return replace(candidate, confirmed=statistics.mean(norms), confirmed_sd=statistics.stdev(norms))


def _value(candidate: Candidate) -> tuple[bool, float]:
    """Confirmed values first: a setting that failed on a fresh seed comes after every one that did not."""
    value = candidate.searched if candidate.confirmed is None else candidate.confirmed
    return candidate.confirmed is None, math.inf if value is None else value


def importances(study: OptunaStudy) -> dict[str, float]:
    """Share (0..1) of each hyperparameter in what the trials differ by (PED-ANOVA), largest first."""
    from optuna.importance import get_param_importances

    complete = [trial for trial in study.get_trials(deepcopy=False) if trial.state.name == "COMPLETE"]
    if len(complete) < 2 or len({losses.norm(t.user_attrs["losses"]) for t in complete}) < 2:
        return {}
    with warnings.catch_warnings(action="ignore"):  # of experimental features
        shares = get_param_importances(study, target=lambda trial: losses.norm(trial.user_attrs["losses"]))
    return {name: float(share) for name, share in shares.items()}
