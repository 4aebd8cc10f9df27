"""What trial n is: a point drawn from random numbers of its own, whoever draws it, whenever."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from deepunlearn_cli.core.recipe import stream_seed

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial

    from deepunlearn_cli.sweep.question import Question

SEED_LIMIT = 2**32  # NumPy's
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

    def begin(self, study: Study, trial: FrozenTrial) -> None:
        """Get ready for a trial."""
        self._seed(trial)
        self.inner.before_trial(study, trial)

    def point(self, study: Study, trial: FrozenTrial) -> dict[str, Any]:
        """The whole point at once: of one that was written down in part the rest is the same again."""
        if trial.number == 0:
            return {name: self._question.nearest_to_defaults[name] for name in self.space}
        point = self._relative(study, trial)
        for name, one in self.space.items():
            if name not in point:
                point[name] = self.inner.sample_independent(study, trial, name, one)
        return point

    def _relative(self, study: Study, trial: FrozenTrial) -> dict[str, Any]:
        known = self.inner.infer_relative_search_space(study, trial)
        if self._question.sampler in BREEDS:
            self.inner.sample_relative(study, trial, known)
            self._seed(trial)  # whether its parents were chosen or found, the child is the same
        return dict(self.inner.sample_relative(study, trial, known))

    def _seed(self, trial: FrozenTrial) -> None:
        self.inner = self._make(stream_seed(self._question.seed, f"sampler/{trial.number}") % SEED_LIMIT)
