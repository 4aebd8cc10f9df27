"""What trial n is: a point drawn from random numbers of its own, whoever draws it, whenever."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from deepunlearn_cli.core.recipe import stream_seed
from deepunlearn_cli.sweep import finite

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial

    from deepunlearn_cli.sweep.question import Question

SEED_LIMIT = 2**32  # NumPy's
FREE = ("random",)  # a trial's point does not depend on the trials before it
BREEDS = ("nsga3",)  # the first draw of a generation chooses its parents and writes them down


class Draws:
    """The points of a question.

    Args:
        make: one of Optuna's samplers from a seed.
        space: what is drawn: all that has more than one value.
    """

    def __init__(
        self,
        question: Question,
        make: Callable[[int], BaseSampler],
        space: Mapping[str, BaseDistribution],
    ) -> None:
        self.space = dict(space)
        self.inner = make(0)
        self._question, self._make = question, make
        self._domains = {name: question.space["domains"][name] for name in space}
        self._finite = finite.size(self._domains) is not None
        self._before: list[dict[str, Any]] = []  # the first points, where no point depends on the others

    def begin(self, study: Study, trial: FrozenTrial) -> None:
        """Get ready for a trial."""
        self._seed(trial.number)
        self.inner.before_trial(study, trial)

    def point(self, study: Study, trial: FrozenTrial) -> dict[str, Any]:
        """The whole point at once: of one that was written down in part the rest is the same again.

        Of finite spaces one that no trial has; with a free sampler, none of a lower number, so that it does
        not depend on what other workers do.
        """
        if not self._finite:
            return self._proposed(study, trial, trial.number)
        others = [t for t in study.get_trials(deepcopy=False) if finite.is_tried(t)]
        if self._question.sampler in FREE:
            for number in range(len(self._before), trial.number):
                self._before.append(self._untried(study, trial, number, self._before))
            held = [t.params for t in others if t.number < trial.number]
            return self._untried(study, trial, trial.number, [*self._before[: trial.number], *held])
        held = [t.params for t in others if t.number != trial.number]
        return self._untried(study, trial, trial.number, held)

    def _untried(
        self, study: Study, trial: FrozenTrial, number: int, others: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        tried = {finite.key({name: one[name] for name in self.space if name in one}) for one in others}
        seed = stream_seed(self._question.seed, f"untried/{number}")
        return finite.untried(self._proposed(study, trial, number), self._domains, tried, seed)

    def _proposed(self, study: Study, trial: FrozenTrial, number: int) -> dict[str, Any]:
        """What the sampler proposes for a number."""
        if number == 0:
            return {name: self._question.nearest_to_defaults[name] for name in self.space}
        self._seed(number)
        point = self._relative(study, trial)
        for name, one in self.space.items():
            if name not in point:
                point[name] = self.inner.sample_independent(study, trial, name, one)
        return point

    def _relative(self, study: Study, trial: FrozenTrial) -> dict[str, Any]:
        known = self.inner.infer_relative_search_space(study, trial)
        if self._question.sampler in BREEDS:
            self.inner.sample_relative(study, trial, known)
            self._seed(trial.number)  # whether its parents were chosen or found, the child is the same
        return dict(self.inner.sample_relative(study, trial, known))

    def _seed(self, number: int) -> None:
        self.inner = self._make(stream_seed(self._question.seed, f"sampler/{number}") % SEED_LIMIT)
