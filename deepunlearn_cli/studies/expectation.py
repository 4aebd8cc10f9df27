"""What methods are likely to cost and to give, by what they did in this store on models of the same training.

Every figure is of runs that are there: of the same dataset, split, architecture and training, of whatever
forget sets and seeds. Where there are too few there is none.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from deepunlearn_cli import data
from deepunlearn_cli.core.errors import Failure
from deepunlearn_cli.core.recipe import DO_NOTHING, RETRAIN, Recipe
from deepunlearn_cli.evaluation.conformal import Forecast, forecast
from deepunlearn_cli.methods import METHODS
from deepunlearn_cli.methods._method import Sizes
from deepunlearn_cli.reporting.measures import MEASURES
from deepunlearn_cli.reporting.records import Record, records
from deepunlearn_cli.studies.difficulty import Difficulty, difficulty

if TYPE_CHECKING:
    from deepunlearn_cli.core.rows import IndexRow
    from deepunlearn_cli.store import Store

FLOOR = 0.01  # added to RetDev before its logarithm is taken: below, it is noise
GIVEN = ("RetDev", "UMIA", "TA")  # what a run gives


@dataclass(frozen=True)
class Case:
    """A run of the past: its request's difficulty, what it gave and what it cost."""

    id: str
    method: str
    params: Mapping[str, Any]
    forget: str
    seed: int
    difficulty: Difficulty
    figures: Mapping[str, float]
    device: str
    seconds: float | None
    work: float | None


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


class Past:
    """The runs of a store on models of one setting, as cases."""

    def __init__(self, store: Store, setting: str) -> None:
        self.store, self.setting = store, setting
        rows = [row for row in store.rows() if row["setting"] == setting or row["kind"] == "attack"]
        self._rows = {row["id"]: row for row in rows}
        self._records = [one for one in records(rows, {}) if self._rows[one.id]["setting"] == setting]
        self._difficulties: dict[tuple[str, str], Difficulty | None] = {}

    @cached_property
    def cases(self) -> list[Case]:
        """Usable runs whose request can be told in figures."""
        found = (self._case(one) for one in self._records if one.usable)
        return [one for one in found if one]

    def failed(self, method: str) -> int:
        """Runs of a method that gave no usable model."""
        return sum(one.method == method and not one.usable for one in self._records)

    @cached_property
    def noise(self) -> float | None:
        """RetDev between retrained models of two seeds on one forget set: nine of ten are below."""
        retrained = [one for one in self._records if one.method == RETRAIN and one.usable]
        pairs = [
            MEASURES["RetDev"].of(one, other)
            for one in retrained
            for other in retrained
            if one.seed != other.seed and self._forget(one) == self._forget(other)
        ]
        known = sorted(value for value in pairs if math.isfinite(value))
        return known[math.ceil(0.9 * len(known)) - 1] if known else None

    @cached_property
    def paces(self) -> list[tuple[str, str, str, float]]:
        """Name, forget set, device and seconds by epoch of work, of runs that shared the machine with none."""
        return [
            (row["name"], row["forget"] or row["id"], row["device"], row["seconds"] / row["work"])
            for row in self._rows.values()
            if row["kind"] in ("train", "unlearn") and row["seconds"] and row["work"] and not row["shared"]
        ]

    def difficulty(self, forget: str, seed: int) -> Difficulty | None:
        """Of a forget set, by the original of a seed; None where one of them is not at hand."""
        if (forget, str(seed)) not in self._difficulties:
            self._difficulties[forget, str(seed)] = self._difficulty(forget, seed)
        return self._difficulties[forget, str(seed)]

    def _difficulty(self, forget: str, seed: int) -> Difficulty | None:
        with suppress(Failure, KeyError):
            return difficulty(self._outputs(seed), data.load_forget(forget, self.store.data))
        return None

    def _outputs(self, seed: int) -> Any:
        row = self._originals[seed]
        run = self.store.find(row["id"])
        return run.outputs()

    @cached_property
    def _originals(self) -> Mapping[int, IndexRow]:
        rows = [
            row for row in self._rows.values() if row["kind"] in ("train", "checkpoint") and not row["forget"]
        ]
        return {row["seed"]: row for row in rows if row["status"] == "done"}

    @cached_property
    def _references(self) -> Mapping[tuple[str, int], Record]:
        return {
            (self._forget(one), one.seed): one
            for one in self._records
            if one.method == RETRAIN and one.usable
        }

    def _forget(self, one: Record) -> str:
        return self._rows[one.id]["forget"] or ""

    def _case(self, one: Record) -> Case | None:
        row, forget = self._rows[one.id], self._forget(one)
        hard, reference = self.difficulty(forget, one.seed), self._references.get((forget, one.seed))
        if hard is None:
            return None
        retdev = MEASURES["RetDev"].of(one, reference) if reference else math.nan
        figures = {"RetDev": retdev, "UMIA": one.umia, "TA": one.TA}
        known = {name: float(v) for name, v in figures.items() if v is not None and math.isfinite(v)}
        shared = row["shared"] or not row["device"]
        return Case(
            one.id, one.method, row["params"], forget, one.seed, hard, known, row["device"],
            None if shared else row["seconds"], row["work"],
        )  # fmt: skip


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
        figures["RetDev"] = Forecast(0.0, 0.0, 0.0, 1.0)  # it is what others are held against
    figures["seconds"] = _seconds(past, recipe.name, work, request, without)
    sets = len({one.forget for one in cases})
    return Expected(recipe.name, len(cases), sets, others, past.failed(recipe.name), work, figures)


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
    return max(0.0, math.exp(value) - FLOOR) if name == "RetDev" else min(1.0, max(0.0, value))


def _seconds(past: Past, name: str, work: float, request: Request, without: str) -> Forecast | None:
    """By seconds for an epoch of its work, on this device alone; training is retraining."""
    import numpy as np

    if name == DO_NOTHING or not work:
        return Forecast(0.0, 0.0, 0.0, 1.0)
    names = {name, "original"} if name == RETRAIN else {name}
    known = [one for one in past.paces if one[0] in names and one[2] == request.device and one[1] != without]
    if not known:
        return None
    values, groups = np.log([one[3] for one in known]), np.array([one[1] for one in known])
    found = forecast(np.zeros((len(known), 0)), values, groups, np.zeros(0))
    return found and found.through(lambda pace: work * math.exp(pace))


@dataclass(frozen=True)
class Held:
    """A run of the past, forecast without any of its forget set: a figure, its interval, and what it was."""

    case: Case
    name: str
    found: Forecast
    value: float

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
        found = expected(past, request, recipe, without=case.forget).figures
        values = dict(case.figures) | ({"seconds": case.seconds} if case.seconds is not None else {})
        for name, value in values.items():
            if one := found.get(name):
                yield Held(case, name, one, value)
