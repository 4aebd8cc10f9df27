"""How firm a ranking is: over resampled seeds, and over linkages.

Seeds are drawn again with replacement (the same draw for every method, so that what they share cancels);
groups and ranks are made anew from each draw. Nothing depends on the order of records.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from string import ascii_lowercase

from deepunlearn_cli.core.recipe import stream_seed
from deepunlearn_cli.reporting.clustering import LINKAGES
from deepunlearn_cli.reporting.groups import GROUP_NAMES, Counts, Groups, clustered, dense_ranks, groups
from deepunlearn_cli.reporting.measures import Measure
from deepunlearn_cli.reporting.pairs import MethodKey, Pair, is_control

RESAMPLES = 100
MOST = 100  # methods and configurations that are resampled
LEAST_SEEDS = 3  # two can only be drawn in three ways: an interval from them would say nothing
CONFIDENCE = 0.9  # of a rank's interval
APART = 0.95  # share of draws in which one method must be ahead to be told from another

Draw = dict[MethodKey, tuple[Counts, float]]  # counts of groups, and the mean of the last pair


@dataclass(frozen=True)
class Firmness:
    """Of one method's rank by one measure: its interval, and letters shared by methods that go together.

    `kept` is the share of pairs and linkages in which the method is in the group that the table shows.
    """

    low: int | None
    high: int | None
    kept: float | None
    letters: str


UNKNOWN_FIRMNESS = Firmness(None, None, None, "")


@dataclass(frozen=True)
class _Figures:
    """What resampling needs of a pair: seeds, figures per method and seed (less is better), who failed."""

    seeds: int
    by_method: Mapping[MethodKey, Sequence[float]]
    failed: Sequence[MethodKey]


def firmness(
    compared: Sequence[Pair], measure: Measure, grouped: Sequence[Groups], linkage: str
) -> dict[MethodKey, Firmness]:
    """Every ranked method's firmness; no intervals or letters with fewer than three seeds.

    Nothing for a crowd of configurations (an unmarked search, say): everybody would share every letter.
    """
    keys = sorted({key for one in grouped for key, method in one.items() if method.group})
    if len(keys) > MOST:
        return {}
    figures = [_figures(pair, measure, one) for pair, one in zip(compared, grouped, strict=True)]
    kept = _kept(compared, measure, grouped)
    if not keys or min(one.seeds for one in figures) < LEAST_SEEDS:
        return {key: Firmness(None, None, kept.get(key), "") for key in keys}
    draws = [_draw(figures, linkage, number) for number in range(RESAMPLES)]
    ranks = [dense_ranks({key: counts[:3] for key, (counts, _) in draw.items()}) for draw in draws]
    letters = _letters(keys, draws, single=len(compared) == 1)
    return {key: _firm([rank[key] for rank in ranks], kept.get(key), letters[key]) for key in keys}


def _figures(pair: Pair, measure: Measure, grouped: Groups) -> _Figures:
    sign = 1 if measure.lower else -1
    by_method = {
        key: [sign * measure.of(pair.methods[key][seed], run) for seed, run in pair.retrained.items()]
        for key, method in grouped.items()
        if method.group not in (None, "F")
    }
    failed = [key for key, method in grouped.items() if method.group == "F"]
    return _Figures(len(pair.retrained), by_method, failed)


def _draw(figures: Sequence[_Figures], linkage: str, number: int) -> Draw:
    """One resample of the seeds of every pair."""
    chance = random.Random(stream_seed(number, "bootstrap"))
    counts: dict[MethodKey, list[int]] = {}
    means: dict[MethodKey, float] = {}
    for pair in figures:
        drawn = [chance.randrange(pair.seeds) for _ in range(pair.seeds)]
        here = {key: sum(of[i] for i in drawn) / pair.seeds for key, of in pair.by_method.items()}
        for key, group in (clustered(here, linkage) | dict.fromkeys(pair.failed, "F")).items():
            counts.setdefault(key, [0, 0, 0, 0])[GROUP_NAMES.index(group)] += 1
        means |= here
    return {key: ((c[0], c[1], c[2], c[3]), means.get(key, math.inf)) for key, c in counts.items()}


def _firm(ranks: Sequence[int], kept: float | None, letters: str) -> Firmness:
    ordered = sorted(ranks)
    outside = math.floor(len(ordered) * (1 - CONFIDENCE) / 2)
    return Firmness(ordered[outside], ordered[-1 - outside], kept, letters)


def _kept(compared: Sequence[Pair], measure: Measure, grouped: Sequence[Groups]) -> dict[MethodKey, float]:
    """Share of pairs and linkages in which a method's group is the one shown."""
    same: dict[MethodKey, list[bool]] = {}
    for pair, shown in zip(compared, grouped, strict=True):
        for linkage in LINKAGES:
            for key, method in groups(pair, measure, linkage).items():
                if method.group and not is_control(key):
                    same.setdefault(key, []).append(method.group == shown[key].group)
    return {key: sum(hits) / len(hits) for key, hits in same.items()}


def _letters(keys: Sequence[MethodKey], draws: Sequence[Draw], *, single: bool) -> dict[MethodKey, str]:
    """Compact letters: methods in order, a letter for each longest run whose ends cannot be told apart."""
    scores = {key: [_score(draw[key], single=single) for draw in draws] for key in keys}
    middle = {key: sorted(ours)[len(ours) // 2] for key, ours in scores.items()}
    order = sorted(keys, key=lambda key: (middle[key], key))
    apart = {
        (one, other): sum(a < b for a, b in zip(scores[one], scores[other], strict=True))
        >= APART * len(draws)
        for one, other in combinations(order, 2)
    }
    runs: list[tuple[int, int]] = []
    for start, one in enumerate(order):
        end = start
        while end + 1 < len(order) and not apart[one, order[end + 1]]:
            end += 1
        if end > start and (not runs or end > runs[-1][1]):
            runs.append((start, end))
    return {key: _spelt(i, runs) for i, key in enumerate(order)}


def _spelt(place: int, runs: Sequence[tuple[int, int]]) -> str:
    ours = [i for i, (start, end) in enumerate(runs) if start <= place <= end]
    return "".join(ascii_lowercase[i % len(ascii_lowercase)] for i in ours)


def _score(drawn: tuple[Counts, float], *, single: bool) -> tuple[float, ...]:
    """Less is better: the mean within one pair, the counts over several."""
    (best, middle, worst, _), mean = drawn
    return (mean,) if single else (-best, -middle, -worst)
