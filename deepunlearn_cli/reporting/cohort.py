"""Cohorts: the runs of one dataset/model/forget-set pair, with the retrained models they are held against."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from deepunlearn_cli.core.errors import Failure, NotFound
from deepunlearn_cli.core.recipe import CONTROLS, RETRAIN
from deepunlearn_cli.reporting.records import Pair, Record

Runs = dict[int, Record]  # by seed
Key = tuple[str, str]  # method and config

UNKNOWN = "\u2013"  # an en dash
NOTES = 5  # of one sort before the rest is counted


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

    def fields(self, name: str) -> dict[str, Any]:
        """The same for machines."""
        return {
            f"{name}_mean": self.mean,
            f"{name}_sd": self.sd,
            f"{name}_n": self.n,
            f"{name}_runs": list(self.ids),
        }


def spread(values: Iterable[tuple[str, float]]) -> Spread:
    """The spread of (id, value) pairs; values that are not finite are left out."""
    known = [(name, value) for name, value in values if math.isfinite(value)]
    numbers, n = [value for _, value in known], len(known)
    if n == 0:
        return Spread(math.nan, math.nan, ())
    mean = math.fsum(numbers) / n
    squares = math.fsum([(value - mean) ** 2 for value in numbers])
    sd = math.sqrt(squares / (n - 1)) if n > 1 else math.nan
    return Spread(mean, sd, tuple(name for name, _ in known))


@dataclass(frozen=True)
class Cohort:
    """One pair. `methods` holds every run per method and config, controls too, one per seed.

    `retrained` holds the usable retrained models; `older` counts runs that a newer one of the same method,
    config and seed replaced.
    """

    pair: Pair
    label: str
    retrained: Runs
    methods: dict[Key, Runs]
    older: int

    @property
    def any(self) -> Record:
        """Some record, for the facts that all share."""
        return next(iter(next(iter(self.methods.values())).values()))

    def retrain_command(self) -> str:
        """What makes the retrained models that are missing here."""
        run = self.any
        seeds = sorted({record.seed for runs in self.methods.values() for record in runs.values()})
        place = f"--dataset {run.dataset} --model {run.model} --forget {run.forget_label}"
        return f"deepunlearn train --role retrain {place} --seeds {','.join(map(str, seeds))}"


def cohorts(records: Sequence[Record]) -> list[Cohort]:
    """Records by pair, in an order that does not depend on theirs.

    Raises:
        NotFound: no records.
    """
    if not records:
        raise NotFound(
            "no unlearned or retrained model matches",
            "deepunlearn runs lists the store; deepunlearn bench quick fills it",
        )
    pairs: dict[Pair, list[Record]] = defaultdict(list)
    for record in records:
        pairs[record.pair].append(record)
    names = _labels({pair: group[0] for pair, group in pairs.items()})
    found = [_cohort(pair, names[pair], group) for pair, group in pairs.items()]
    return sorted(found, key=lambda cohort: (cohort.label, cohort.pair))


def _labels(samples: dict[Pair, Record]) -> dict[Pair, str]:
    """Names for people; pairs of equal names (other training, precision or split) get their hash too."""
    plain = {pair: f"{r.dataset} {r.model} {r.forget_label}" for pair, r in samples.items()}
    count = Counter(plain.values())
    return {
        pair: name if count[name] == 1 else f"{name} #{pair[0][:4]}{pair[1][:4]}"
        for pair, name in plain.items()
    }


def _cohort(pair: Pair, label: str, group: Sequence[Record]) -> Cohort:
    methods: dict[Key, Runs] = defaultdict(dict)
    for record in group:
        runs = methods[record.method, record.config]
        held = runs.setdefault(record.seed, record)
        if (record.created, record.id) > (held.created, held.id):
            runs[record.seed] = record
    ordered = {key: dict(sorted(methods[key].items())) for key in sorted(methods)}
    retrained = {seed: run for seed, run in ordered.get((RETRAIN, ""), {}).items() if run.usable}
    return Cohort(pair, label, retrained, ordered, len(group) - sum(map(len, ordered.values())))


def is_control(key: Key) -> bool:
    """Whether the runs are the do-nothing original or the retrained models."""
    return key[0] in CONTROLS


def no_retrain(cohort: Cohort) -> Failure:
    """What to raise where a pair cannot be compared."""
    return NotFound(f"no usable retrained model for {cohort.label}", cohort.retrain_command())


def referenced(found: Sequence[Cohort]) -> list[Cohort]:
    """The cohorts that have a retrained model to be held against.

    Raises:
        NotFound: none has.
    """
    compared = [cohort for cohort in found if cohort.retrained]
    if not compared:
        raise no_retrain(found[0])
    return compared


def left_out(found: Sequence[Cohort]) -> list[str]:
    """A note for each cohort without a retrained model, with the command that makes it."""
    bare = (cohort for cohort in found if not cohort.retrained)
    return shortened(
        [f"left out: {c.label} has no usable retrained model; {c.retrain_command()}" for c in bare]
    )


def common_notes(found: Sequence[Cohort]) -> list[str]:
    """What a reader of any table of these cohorts must know."""
    older = sum(cohort.older for cohort in found)
    styles = {run.umia_cv for c in found for runs in c.methods.values() for run in runs.values()} - {""}
    notes = [f"{older} older runs of the same method, configuration and seed are left out"] if older else []
    if len(styles) > 1:
        notes.append(
            f"U-MIA was cross-validated in several ways ({', '.join(sorted(styles))}): compare with care"
        )
    return [*notes, *_steered(found)]


def _steered(found: Sequence[Cohort]) -> list[str]:
    """Validation data are no held-out data for a method that reads them."""
    titles = {
        run.title for c in found for runs in c.methods.values() for run in runs.values() if "val" in run.reads
    }
    if not titles:
        return []
    several = "reads" if len(titles) == 1 else "read"
    return [
        f"{', '.join(sorted(titles))} {several} the validation set by design: RetDev and Indisc judge on "
        "test data, which no method sees; VA and an attack against val are not held out there"
    ]


def identity(record: Record) -> dict[str, Any]:
    """Who a row is about, for machines."""
    return {
        "label": record.label,
        "method": record.method,
        "config": record.config,
        "control": record.method in CONTROLS,
    }


def shortened(notes: Sequence[str]) -> list[str]:
    """The first few notes of one sort, and how many more there are."""
    more = len(notes) - NOTES
    return [*notes[:NOTES], f"... and {more} more of this sort (--json has all)"] if more > 0 else list(notes)
