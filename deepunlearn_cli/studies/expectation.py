"""What methods are likely to cost and to give, by what they did in this store on models of the same training.

Every figure is of runs that are there: of the same dataset, split, architecture and training, of whatever
forget sets and seeds. Where there are too few there is none.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from deepunlearn_cli.core.recipe import RETRAIN, Recipe
from deepunlearn_cli.evaluation.conformal import Forecast, forecast
from deepunlearn_cli.methods import METHODS
from deepunlearn_cli.methods._method import Sizes
from deepunlearn_cli.studies.past import GAP, Case, Pace, Past

if TYPE_CHECKING:
    from deepunlearn_cli.studies.difficulty import Difficulty

FLOOR = 0.01  # added to RetDev before its logarithm is taken: below, it is noise
GIVEN = ("RetDev", "UMIA", GAP, "TA")  # what a run gives


@dataclass(frozen=True)
class Request:
    """A forget set on an original, and what is known of it.

    Attributes:
        difficulty: None where what its original says of its pictures is not at hand.
        device: that it is to be made on.
    """

    setting: str
    forget: str
    difficulty: Difficulty | None
    sizes: Sizes
    device: str


@dataclass(frozen=True)
class Expected:
    """What a method is likely to cost and to give.

    Attributes:
        runs, sets: of the method in the store that this is from, and of how many forget sets.
        others: whether these had other hyperparameters than are asked for.
        failed: how many more runs of it gave no usable model.
        alike: how many of these forget sets are like the request; with none, the forecast may be far off.
        shared: whether its seconds are of runs that shared the machine, for want of others.
        work: in epochs of training.
        figures: `seconds` and those of `GIVEN`; None where too few runs tell.
    """

    method: str
    runs: int
    sets: int
    others: bool
    failed: int
    work: float
    figures: Mapping[str, Forecast | None] = field(default_factory=dict)
    shared: bool = False
    alike: int = 0


def expected(past: Past, request: Request, recipe: Recipe, without: str = "") -> Expected:
    """What one method is likely to cost and to give on a request.

    Args:
        recipe: of the run that is asked for.
        without: SHA-256 of a forget set whose runs do not count, to see how well this does without them.
    """
    every = [one for one in past.cases if one.method == recipe.name and one.forget != without]
    same = [one for one in every if dict(one.params) == dict(recipe.params)]
    others = len({one.forget for one in same}) < len({one.forget for one in every}) and not _enough(same)
    cases = every if others else same
    work = _work(recipe, request.sizes)
    figures: dict[str, Forecast | None] = {name: _given(name, cases, request) for name in GIVEN}
    if recipe.name == RETRAIN:
        figures |= dict.fromkeys(("RetDev", GAP), Forecast(0.0, 0.0, 0.0, 1.0))  # others are held against it
    figures["seconds"], shared = _seconds(past, recipe.name, work, request, without)
    sets = len({one.forget for one in cases})
    return Expected(
        recipe.name,
        len(cases),
        sets,
        others,
        past.failed(recipe.name),
        work,
        figures,
        shared,
        _alike(cases, request),
    )


def _alike(cases: Sequence[Case], request: Request) -> int:
    hard = request.difficulty
    return len({one.forget for one in cases if hard and hard.like(one.difficulty)})


def _enough(cases: Sequence[Case]) -> bool:
    from deepunlearn_cli.evaluation.conformal import FEWEST

    return len({one.forget for one in cases}) >= FEWEST


def _work(recipe: Recipe, sizes: Sizes) -> float:
    epochs = METHODS.needed(recipe.name).build(recipe.params).work(sizes) / sizes.training
    return float(epochs)


def _given(name: str, cases: Sequence[Case], request: Request) -> Forecast | None:
    import numpy as np

    known = [one for one in cases if name in one.figures]
    if not known or request.difficulty is None:
        return None
    features = np.array([one.difficulty.features() for one in known])
    values = np.array([_to(name, one.figures[name]) for one in known])
    groups = np.array([one.forget for one in known])
    found = forecast(features, values, groups, np.array(request.difficulty.features()))
    return found and found.through(partial(_back, name))


def _to(name: str, value: float) -> float:
    return math.log(value + FLOOR) if name == "RetDev" else value


def _back(name: str, value: float) -> float:
    if name == "RetDev":
        return max(0.0, math.exp(value) - FLOOR)
    return value if name == GAP else min(1.0, max(0.0, value))


def _seconds(
    past: Past, name: str, work: float, request: Request, without: str
) -> tuple[Forecast | None, bool]:
    """By seconds for an epoch of its work on this device, of runs that were alone on it if there are enough.

    Training is retraining.
    """
    if not work:
        return Forecast(0.0, 0.0, 0.0, 1.0), False
    names = {name, "original"} if name == RETRAIN else {name}
    every = [one for one in past.paces if one.name in names and one.device == request.device]
    every = [one for one in every if one.forget != without]
    alone = _pace([one for one in every if not one.shared])
    found = alone or _pace(every)
    return found and found.through(lambda pace: work * math.exp(pace)), alone is None


def _pace(paces: Sequence[Pace]) -> Forecast | None:
    """Logarithm of seconds for an epoch of work."""
    import numpy as np

    if not paces:
        return None
    values, groups = np.log([one.seconds for one in paces]), np.array([one.forget for one in paces])
    return forecast(np.zeros((len(paces), 0)), values, groups, np.zeros(0))


@dataclass(frozen=True)
class Held:
    """A run of the past, forecast without any of its forget set: a figure, its interval, and what it was."""

    case: Case
    name: str
    found: Forecast
    value: float
    alike: int

    @property
    def holds(self) -> bool:
        """Whether the interval holds the figure."""
        return self.found.low <= self.value <= self.found.high


def held_out(past: Past, sizes: Mapping[str, Sizes]) -> Iterator[Held]:
    """Every run of the past, forecast from those of other forget sets: how well calibrated forecasts are.

    Args:
        sizes: by the SHA-256 of a forget set.
    """
    for case in past.cases:
        recipe = past.store.find(case.id).recipe
        request = Request(past.setting, case.forget, case.difficulty, sizes[case.forget], case.device)
        likely = expected(past, request, recipe, without=case.forget)
        values = dict(case.figures) | ({"seconds": case.seconds} if case.seconds is not None else {})
        for name, value in values.items():
            if one := likely.figures.get(name):
                yield Held(case, name, one, value, likely.alike)
