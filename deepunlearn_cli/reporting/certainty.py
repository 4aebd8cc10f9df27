"""How firm a ranking is: which methods can be told apart, over which ranks a method may move, and linkages.

A rank's interval holds the ranks over resampled seeds (drawn with replacement, the same draw for every
method, so that what they share cancels), and those of a table in which methods that cannot be told apart
have one mean: resampling alone never finds that they are equal, and leaves out the rank of equal methods in
every fourth case. Nothing depends on the order of records.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from deepunlearn_cli.core.recipe import stream_seed
from deepunlearn_cli.evaluation.separation import LEAST_SEEDS, apart
from deepunlearn_cli.reporting.clustering import LINKAGES
from deepunlearn_cli.reporting.groups import (
    GROUP_NAMES,
    Groups,
    are_grouped,
    clustered,
    dense_ranks,
    groups,
)
from deepunlearn_cli.reporting.letters import letters, runs
from deepunlearn_cli.reporting.measures import Measure
from deepunlearn_cli.reporting.pairs import MethodKey, Pair, is_control

RESAMPLES = 100
MOST = 100  # methods and configurations that are resampled
CONFIDENCE = 0.9  # of a rank's interval

Means = Mapping[MethodKey, float]  # of one pair, less is better
Ranks = Mapping[MethodKey, int]


@dataclass(frozen=True)
class Firmness:
    """Of one method's rank by one measure: its interval, and letters shared by methods that go together.

    `kept` is the share of pairs and linkages in which the method is in the group that the table shows.
    Letters are None where nothing can be told, and empty of a method that goes with no other.
    """

    low: int | None
    high: int | None
    kept: float | None
    letters: str | None


UNKNOWN_FIRMNESS = Firmness(None, None, None, None)


@dataclass(frozen=True)
class _Figures:
    """What resampling needs of a pair: seeds, figures per method and seed (less is better), who failed.

    `grouped` says whether its methods are enough for groups.
    """

    seeds: int
    grouped: bool
    by_method: Mapping[MethodKey, Sequence[float]]
    failed: Mapping[MethodKey, Sequence[float]]  # infinite for a seed without a usable model

    def means(self, drawn: Sequence[int] | None = None) -> Means:
        """Means over all seeds, or over those drawn."""
        places = range(self.seeds) if drawn is None else drawn
        return {key: math.fsum([of[i] for i in places]) / self.seeds for key, of in self.by_method.items()}


def firmness(
    compared: Sequence[Pair], measure: Measure, grouped: Sequence[Groups], linkage: str
) -> dict[MethodKey, Firmness]:
    """Every ranked method's firmness; no intervals or letters with fewer than five seeds.

    Nothing for a crowd of configurations (an unmarked search, say): everybody would share every letter.
    """
    keys = sorted({key for one in grouped for key, method in one.items() if method.ranked})
    if len(keys) > MOST:
        return {}
    figures = [_figures(pair, measure, one) for pair, one in zip(compared, grouped, strict=True)]
    kept = _kept(compared, measure, grouped)
    if not keys or min(one.seeds for one in figures) < LEAST_SEEDS:
        return {key: Firmness(None, None, kept.get(key), None) for key in keys}
    shown = [one.means() for one in figures]
    ordered = _ordered(figures, shown, linkage)
    split = _apart(ordered, figures)
    spelt = dict(zip(ordered, letters(split), strict=True))
    ranks = [_ranks(figures, _drawn(figures, number), linkage) for number in range(RESAMPLES)]
    sure = [_ranks(figures, means, linkage) for means in (shown, *_tied(shown, ordered, split))]
    return {
        key: _firm(
            [of.get(key) for of in ranks], [of.get(key) for of in sure], kept.get(key), spelt.get(key, "")
        )
        for key in keys
    }


def _figures(pair: Pair, measure: Measure, grouped: Groups) -> _Figures:
    sign = 1 if measure.lower else -1
    by_method: dict[MethodKey, list[float]] = {}
    failed: dict[MethodKey, list[float]] = {}
    for key, method in grouped.items():
        if method.ranked:
            one = pair.methods[key]
            figures = [
                sign * measure.of(one[seed], run) if seed in one and one[seed].usable else math.inf
                for seed, run in pair.retrained.items()
            ]
            (failed if method.group == "F" else by_method)[key] = figures
    return _Figures(len(pair.retrained), are_grouped(grouped), by_method, failed)


def _drawn(figures: Sequence[_Figures], number: int) -> list[Means]:
    """The means over one resample of the seeds of every pair."""
    chance = random.Random(stream_seed(number, "bootstrap"))
    return [one.means([chance.randrange(one.seeds) for _ in range(one.seeds)]) for one in figures]


def _ranks(figures: Sequence[_Figures], means: Sequence[Means], linkage: str) -> Ranks:
    """The rank of every method by groups that are made of these means."""
    counts: dict[MethodKey, list[int]] = {}
    for pair, here in zip(figures, means, strict=True):
        if not pair.grouped:
            continue
        for key, group in (clustered(here, linkage) | dict.fromkeys(pair.failed, "F")).items():
            counts.setdefault(key, [0, 0, 0, 0])[GROUP_NAMES.index(group)] += 1
    return dense_ranks({key: (c[0], c[1], c[2]) for key, c in counts.items()})


def _ordered(figures: Sequence[_Figures], shown: Sequence[Means], linkage: str) -> list[MethodKey]:
    """Methods that did not fail everywhere, from the best to the worst: by rank, then by mean in one pair."""
    ranks, only = _ranks(figures, shown, linkage), shown[0] if len(shown) == 1 else {}
    known = {key for means in shown for key in means}
    return sorted(known, key=lambda key: (ranks.get(key, math.inf), only.get(key, 0), key))


def _apart(keys: Sequence[MethodKey], figures: Sequence[_Figures]) -> list[list[bool]]:
    import numpy as np

    if not keys:
        return []
    tables = []
    for one in figures:
        known = {**dict.fromkeys(keys, [math.nan] * one.seeds), **one.by_method, **one.failed}
        tables.append(np.array([known[key] for key in keys]).T)
    split: list[list[bool]] = apart(tables).tolist()
    return split


def _tied(
    shown: Sequence[Means], ordered: Sequence[MethodKey], split: Sequence[Sequence[bool]]
) -> list[list[Means]]:
    """The means if methods that cannot be told apart are equal: from the best on, and from the worst on."""
    places = range(len(ordered))
    return [
        [_levelled(means, [[ordered[i] for i in run] for run in runs(split, order)]) for means in shown]
        for order in (places, places[::-1])
    ]


def _levelled(means: Means, together: Sequence[Sequence[MethodKey]]) -> Means:
    levels: dict[MethodKey, float] = {}
    for keys in together:
        known = sorted(means[key] for key in keys if key in means)
        levels |= {key: math.fsum(known) / len(known) for key in keys if key in means}
    return levels


def _firm(
    drawn: Sequence[int | None], sure: Sequence[int | None], kept: float | None, letters: str
) -> Firmness:
    """The ranks that a method may have; none where its pairs have no groups."""
    ordered, known = sorted(one for one in drawn if one), [one for one in sure if one]
    if not ordered or not known:
        return Firmness(None, None, kept, letters)
    outside = math.floor(len(ordered) * (1 - CONFIDENCE) / 2)
    return Firmness(min(ordered[outside], *known), max(ordered[-1 - outside], *known), kept, letters)


def _kept(compared: Sequence[Pair], measure: Measure, grouped: Sequence[Groups]) -> dict[MethodKey, float]:
    """Share of pairs and linkages in which a method's group is the one shown."""
    same: dict[MethodKey, list[bool]] = {}
    for pair, shown in zip(compared, grouped, strict=True):
        for linkage in LINKAGES:
            for key, method in groups(pair, measure, linkage).items():
                if method.group and not is_control(key):
                    same.setdefault(key, []).append(method.group == shown[key].group)
    return {key: sum(hits) / len(hits) for key, hits in same.items()}
