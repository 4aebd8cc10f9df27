"""Spreads: a measure's mean and deviation over seeds, and how much of it is noise."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice, permutations

from deepunlearn_cli.reporting.measures import Measure
from deepunlearn_cli.reporting.pairs import Pair, Runs
from deepunlearn_cli.reporting.table import UNKNOWN, Fields

NOISE_SHARE = 0.95  # of the retrained models' own differences that count as noise
NOISE_MODELS = 50  # retrained models that are compared; enough for a quantile, and quick


@dataclass(frozen=True)
class Spread:
    """Mean and sample deviation of a measure over runs (`ids`); NaN where there are too few."""

    mean: float
    sd: float
    ids: tuple[str, ...]

    @property
    def n(self) -> int:
        """How many runs it is made of."""
        return len(self.ids)

    def text(self, digits: int, scale: float = 1) -> str:
        """`mean±sd`, without `±sd` for a single run."""
        if math.isnan(self.mean):
            return UNKNOWN
        digits = 0 if digits == 2 and self.mean * scale >= 100 else digits  # a speed-up of 615, not 615.38
        mean = f"{self.mean * scale:.{digits}f}"
        return mean if math.isnan(self.sd) else f"{mean}±{self.sd * scale:.{digits}f}"

    def fields(self, name: str) -> Fields:
        """The same for machines."""
        return {
            f"{name}_mean": self.mean,
            f"{name}_sd": self.sd,
            f"{name}_n": self.n,
            f"{name}_runs": list(self.ids),
        }


NO_SPREAD = Spread(math.nan, math.nan, ())


def spread(figures: Iterable[tuple[str, float]]) -> Spread:
    """The spread of (run id, figure); figures that are not finite are left out."""
    known = [(run_id, figure) for run_id, figure in figures if math.isfinite(figure)]
    numbers, n = [figure for _, figure in known], len(known)
    if n == 0:
        return NO_SPREAD
    mean = math.fsum(numbers) / n
    squares = math.fsum([(number - mean) ** 2 for number in numbers])
    sd = math.sqrt(squares / (n - 1)) if n > 1 else math.nan
    return Spread(mean, sd, tuple(run_id for run_id, _ in known))


def measured(measure: Measure, runs: Runs, retrained: Runs) -> Spread:
    """A measure's spread over the usable runs, each compared with the retrained model of its seed."""
    return spread(
        (run.id, measure.of(run, run if measure.alone else retrained[seed]))
        for seed, run in runs.items()
        if run.usable and (measure.alone or seed in retrained)
    )


def noise(pair: Pair, measure: Measure) -> float:
    """How far a measure takes retrained models of two seeds apart, in 95 % of the ordered couples.

    That is the size of its figure, or for one that needs no retrained model of the difference of two. NaN
    with fewer than two retrained models.
    """
    couples = permutations(islice(pair.retrained.values(), NOISE_MODELS), 2)
    if measure.alone:
        return _quantile(abs(measure.of(a, a) - measure.of(b, b)) for a, b in couples)
    return _quantile(abs(measure.of(a, b)) for a, b in couples)


def _quantile(figures: Iterable[float]) -> float:
    ordered = sorted(figure for figure in figures if math.isfinite(figure))
    return ordered[math.ceil(NOISE_SHARE * len(ordered)) - 1] if ordered else math.nan
