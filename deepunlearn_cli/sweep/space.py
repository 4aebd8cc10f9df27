"""Hyperparameters as Optuna's distributions, and samplers that a resumed study goes on with."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from deepunlearn_cli.core.errors import UsageFailure, unknown
from deepunlearn_cli.core.fields import Domain, Share
from deepunlearn_cli.sweep.draws import Draws

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial, TrialState

    from deepunlearn_cli.sweep.question import Question

Space: TypeAlias = "dict[str, BaseDistribution]"


def distributions(domains: Mapping[str, Domain]) -> Space:
    """Each declared hyperparameter as Optuna draws from it."""
    return {name: _distribution(domain) for name, domain in domains.items()}


def _distribution(domain: Domain) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if domain.type is bool or domain.choices:
        return CategoricalDistribution(domain.choices or (False, True))
    assert not isinstance(domain.high, Share)
    if domain.type is int:
        return IntDistribution(int(domain.low), int(domain.high), log=domain.log)
    return FloatDistribution(domain.low, domain.high, log=domain.log)


def _tpe(seed: int) -> BaseSampler:
    from optuna.samplers import TPESampler

    return TPESampler(seed=seed, constant_liar=True, multivariate=True)


def _nsga3(seed: int) -> BaseSampler:
    from optuna.exceptions import ExperimentalWarning
    from optuna.samplers import NSGAIIISampler

    with warnings.catch_warnings(action="ignore", category=ExperimentalWarning):
        return NSGAIIISampler(seed=seed)  # population 50: the paper's


def _random(seed: int) -> BaseSampler:
    from optuna.samplers import RandomSampler

    return RandomSampler(seed=seed)


SAMPLERS: dict[str, Callable[[int], BaseSampler]] = {"tpe": _tpe, "nsga3": _nsga3, "random": _random}
MULTI_OBJECTIVE = ("nsga3",)  # told all four losses; the others are told their norm


def check_sampler(name: str) -> None:
    """Refuse a sampler that there is not.

    Raises:
        UsageFailure: with suggestions.
    """
    if name not in SAMPLERS:
        failure = unknown("sampler", name, SAMPLERS, f"--sampler takes {', '.join(SAMPLERS)}")
        raise UsageFailure(failure.message, failure.hint)


def sampler(question: Question) -> BaseSampler:
    """The question's sampler: the defaults first, and every trial drawn from a random stream of its number.

    Optuna's samplers start their random numbers anew with every process, so that a resumed study proposes
    what it proposed before. Here trial 17 is drawn from the stream `sampler/17`, whoever draws it, whenever:
    an interrupted study goes on as if nothing had happened, and no two workers draw the same numbers.
    """
    from optuna.samplers import BaseSampler

    space = {name: one for name, one in distributions(question.domains).items() if not one.single()}
    draws = Draws(question, SAMPLERS[question.sampler], space)

    class Numbered(BaseSampler):
        def before_trial(self, study: Study, trial: FrozenTrial) -> None:
            draws.begin(study, trial)

        def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> Space:
            return draws.space

        def sample_relative(self, study: Study, trial: FrozenTrial, search_space: Space) -> dict[str, Any]:
            return draws.point(study, trial)

        def sample_independent(
            self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
        ) -> Any:
            return draws.inner.sample_independent(study, trial, param_name, param_distribution)

        def after_trial(
            self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
        ) -> None:
            draws.inner.after_trial(study, trial, state, values)

    return Numbered()
