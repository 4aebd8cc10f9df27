"""Who stands where: groups of methods in one pair, and dense ranks over all pairs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from deepunlearn_cli.reporting.clustering import clusters
from deepunlearn_cli.reporting.cohort import Cohort, Key, Spread, is_control
from deepunlearn_cli.reporting.measures import RETDEV, Measure, noise

GROUP_NAMES = ("G1", "G2", "G3", "F")

Name = TypeVar("Name", str, Key)


@dataclass(frozen=True)
class Standing:
    """A method's place in one pair: G1, G2, G3, F or None (control, or not measured)."""

    group: str | None
    spread: Spread
    near: bool  # no worse than retrained models of other seeds are against each other


Board = dict[Key, Standing]


def dense_ranks(counts: Mapping[Name, tuple[int, int, int]]) -> dict[Name, int]:
    """Ranks from 1 by (G1, G2, G3) counts, descending; equal counts share a rank and none is skipped."""
    place = {count: i for i, count in enumerate(sorted(set(counts.values()), reverse=True), 1)}
    return {name: place[count] for name, count in counts.items()}


def standings(cohort: Cohort, measure: Measure, linkage: str) -> Board:
    """Every method's group in one pair; nobody has one where the measure is not known for anybody."""
    seeds = cohort.retrained
    runs = {key: {s: run for s, run in by.items() if s in seeds} for key, by in cohort.methods.items()}
    spreads = {key: measure.spread(by, cohort.retrained) for key, by in runs.items()}
    whole = {key: one for key, one in spreads.items() if one.n == len(seeds)}
    sign = 1 if measure.lower else -1
    groups = grouped({key: sign * one.mean for key, one in whole.items() if not is_control(key)}, linkage)
    if whole:
        partial = (key for key in runs.keys() - whole.keys() if not is_control(key))
        groups |= {key: "F" for key in partial if missing(cohort, key)}
    floor = noise(cohort, measure) if measure is RETDEV else math.nan
    return {
        key: Standing(groups.get(key), one, key in groups and groups[key] != "F" and one.mean <= floor)
        for key, one in spreads.items()
    }


def grouped(means: Mapping[Key, float], linkage: str) -> dict[Key, str]:
    """G1, G2 or G3 of each mean, the smallest best."""
    placed = clusters(list(means.values()), linkage)
    return {key: GROUP_NAMES[group] for key, group in zip(means, placed, strict=True)}


def missing(cohort: Cohort, key: Key) -> list[int]:
    """The seeds of retrained models for which a method has no usable model."""
    runs = cohort.methods[key]
    return [seed for seed in cohort.retrained if seed not in runs or not runs[seed].usable]
