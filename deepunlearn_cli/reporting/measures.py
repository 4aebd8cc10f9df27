"""Measures of a record, alone or against the retrained model of the same seed; NaN where unknown."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice, permutations

from deepunlearn_cli.evaluation.metrics import indiscernibility, retention, retention_deviation
from deepunlearn_cli.reporting.cohort import Cohort, Runs, Spread, spread
from deepunlearn_cli.reporting.records import Kind, Record

NOISE_SHARE = 0.95  # of the retrained models' own differences that count as noise
NOISE_MODELS = 50  # retrained models that are compared; enough for a quantile, and quick

Against = Callable[[Record, Record], float]


@dataclass(frozen=True)
class Measure:
    """A number per run and how people see it; `lower` says that less is better."""

    title: str
    of: Against
    digits: int
    scale: float = 1  # 100 for percent
    lower: bool = True
    alone: bool = False  # needs no retrained model

    def spread(self, runs: Runs, retrained: Runs) -> Spread:
        """Mean and deviation over the usable runs, each held against the retrained model of its seed."""
        return spread(
            (run.id, self.of(run, run if self.alone else retrained[seed]))
            for seed, run in runs.items()
            if run.usable and (self.alone or seed in retrained)
        )


def accuracies(record: Record) -> dict[str, float | None]:
    """RA, FA and TA by name."""
    return {"RA": record.RA, "FA": record.FA, "TA": record.TA}


def _share(name: str) -> Against:
    return lambda run, _: _number(getattr(run, name))


def attacked(run: Record, kind: Kind) -> float:
    """Accuracy (0..1) of a kind of U-MIA."""
    return _number(run.umias.get(kind))


def _gap(name: str) -> Against:
    return lambda run, reference: _number(getattr(run, name)) - _number(getattr(reference, name))


def _ratio(name: str) -> Against:
    return lambda run, reference: retention(getattr(run, name), getattr(reference, name))


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def comparable(run: Record, reference: Record) -> bool:
    """Whether the seconds of two runs may be compared: one device, and nobody else on it."""
    return run is reference or (run.device == reference.device and not run.shared and not reference.shared)


def _speed(run: Record, reference: Record) -> float:
    """RTE in seconds; NaN where they cannot be compared, or for a run that did no work (the original)."""
    worked = run.work != 0
    return _over(reference.seconds, run.seconds) if worked and comparable(run, reference) else math.nan


def _over(ours: float | None, theirs: float | None) -> float:
    return ours / theirs if ours and theirs else math.nan


def _tug_of_war(run: Record, reference: Record) -> float:
    """(1 - |dRA|) (1 - |dFA|) (1 - |dTA|), 1 is best (Zhao et al. 2024, arXiv 2406.01257)."""
    gaps = (_gap(name)(run, reference) for name in ("RA", "FA", "TA"))
    return math.prod(1 - abs(gap) for gap in gaps)


RETDEV = Measure("RetDev", lambda run, ref: retention_deviation(accuracies(run), accuracies(ref)), 3)
TOW = Measure("ToW", _tug_of_war, 3, lower=False)
INDISC = Measure("Indisc", lambda run, _: indiscernibility(_number(run.umia)), 3, lower=False, alone=True)
RTE = Measure("RTE", _speed, 2, lower=False)
RTE_WORK = Measure("RTE work", lambda run, ref: _over(ref.work, run.work), 2, lower=False)
ULIRA = Measure("U-LiRA", _share("ulira"), 3, alone=True)
UMIA = Measure("U-MIA", _share("umia"), 1, 100, alone=True)
UMIA_ENTROPY = Measure("U-MIA entropy", lambda run, _: attacked(run, ("test", "entropy")), 1, 100, alone=True)
WORK = Measure("work", _share("work"), 2, alone=True)
ACCURACIES = {name: Measure(name, _share(name), 1, 100, alone=True) for name in ("RA", "FA", "VA", "TA")}
GAPS = {f"d{name}": Measure(f"d{name}", _gap(name), 1, 100) for name in ("FA", "TA")}
RETENTIONS = {f"{name[0]}R": Measure(f"{name[0]}R", _ratio(name), 3) for name in ("RA", "FA", "TA")}


def noise(cohort: Cohort, measure: Measure) -> float:
    """How large |measure| gets between retrained models of different seeds, in 95 % of the ordered pairs.

    NaN with fewer than two retrained models.
    """
    pairs = permutations(islice(cohort.retrained.values(), NOISE_MODELS), 2)
    return _quantile(abs(measure.of(one, other)) for one, other in pairs)


def _quantile(values: Iterable[float]) -> float:
    ordered = sorted(value for value in values if math.isfinite(value))
    return ordered[math.ceil(NOISE_SHARE * len(ordered)) - 1] if ordered else math.nan


def undefined(cohort: Cohort) -> bool:
    """Whether retention has no meaning here: a retrained model has an accuracy of 0."""
    return any(not value for run in cohort.retrained.values() for value in accuracies(run).values())


SCORES: Mapping[str, Measure] = {
    **ACCURACIES,
    **RETENTIONS,
    "RetDev": RETDEV,
    "ToW": TOW,
    "Indisc": INDISC,
    "UMIA": UMIA,
    "UMIA_entropy": UMIA_ENTROPY,
    "work": WORK,
    "RTE": RTE,
    "RTE_work": RTE_WORK,
    **GAPS,
}
