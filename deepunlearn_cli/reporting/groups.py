"""Groups: where a measure puts the methods of one pair (G1, G2, G3, F), and ranks over all pairs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from deepunlearn_cli.reporting.clustering import clusters
from deepunlearn_cli.reporting.measures import Measure
from deepunlearn_cli.reporting.pairs import MethodKey, Pair, is_control
from deepunlearn_cli.reporting.spreads import Spread, measured, noise

GROUP_NAMES = ("G1", "G2", "G3", "F")
LEAST_METHODS = 5  # three groups of fewer are hardly groups

Counts = tuple[int, int, int, int]  # of pairs in which a method is in each group
Name = TypeVar("Name", str, MethodKey)


@dataclass(frozen=True)
class Grouped:
    """A method in one pair.

    Attributes:
        group: None for a control, where there is no figure, and where methods are too few for groups.
        ranked: whether it is compared with other methods: it has a figure on every seed and is no control, or
            it failed.
        near: no worse than retrained models of other seeds are against each other.
    """

    group: str | None
    spread: Spread
    near: bool
    ranked: bool


Groups = dict[MethodKey, Grouped]  # of one pair


def groups(pair: Pair, measure: Measure, linkage: str) -> Groups:
    """Every method's group in one pair; nobody has one where the measure is not known for anybody.

    F: no usable model for some seed that has a retrained model.
    """
    spreads = _spreads(pair, measure)
    whole = {key for key, spread in spreads.items() if spread.n == len(pair.retrained)}
    sign = 1 if measure.lower else -1
    ranked = {key: sign * spreads[key].mean for key in spreads if key in whole and not is_control(key)}
    names = clustered(ranked, linkage) if len(ranked) >= LEAST_METHODS else {}
    if whole:
        partial = (key for key in spreads.keys() - whole if not is_control(key))
        names |= {key: "F" for key in partial if missing(pair, key)}
    floor = noise(pair, measure) if measure.noisy else math.nan
    near = {key for key in ranked if spreads[key].mean <= floor}
    return {
        key: Grouped(names.get(key), spread, key in near, key in ranked or key in names)
        for key, spread in spreads.items()
    }


def are_grouped(methods: Groups) -> bool:
    """Whether there are enough methods for groups."""
    return any(one.group not in (None, "F") for one in methods.values())


def _spreads(pair: Pair, measure: Measure) -> dict[MethodKey, Spread]:
    """Over the seeds that have a retrained model: methods are compared on the same seeds."""
    seeds = pair.retrained
    return {
        key: measured(measure, {seed: run for seed, run in runs.items() if seed in seeds}, seeds)
        for key, runs in pair.methods.items()
    }


def clustered(means: Mapping[MethodKey, float], linkage: str) -> dict[MethodKey, str]:
    """G1, G2 or G3 of each mean, the smallest best."""
    places = clusters(list(means.values()), linkage)
    return {key: GROUP_NAMES[place] for key, place in zip(means, places, strict=True)}


def missing(pair: Pair, key: MethodKey) -> list[int]:
    """The seeds of retrained models for which a method has no usable model."""
    runs = pair.methods[key]
    return [seed for seed in pair.retrained if seed not in runs or not runs[seed].usable]


def dense_ranks(counts: Mapping[Name, tuple[int, int, int]]) -> dict[Name, int]:
    """Ranks from 1 by (G1, G2, G3) counts, descending; equal counts share a rank and none is skipped."""
    place = {count: i for i, count in enumerate(sorted(set(counts.values()), reverse=True), 1)}
    return {name: place[count] for name, count in counts.items()}
