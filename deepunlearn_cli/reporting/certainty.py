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
from deepunlearn_cli.reporting.cohort import Cohort, Key, is_control
from deepunlearn_cli.reporting.measures import Measure
from deepunlearn_cli.reporting.standings import GROUP_NAMES, Board, dense_ranks, grouped, standings

RESAMPLES = 100
MOST = 100  # methods and configurations that are resampled
LEAST_SEEDS = 3  # two can only be drawn in three ways: an interval from them would say nothing
CONFIDENCE = 0.9  # of a rank's interval
APART = 0.95  # share of draws in which one method must be ahead to be told from another

Counts = tuple[int, int, int]


@dataclass(frozen=True)
class Firmness:
    """Of one method's rank by one measure: its interval, and letters shared by methods that go together.

    `kept` is the share of pairs and linkages in which the method is in the group that the table shows.
    """

    low: int | None
    high: int | None
    kept: float | None
    letters: str


@dataclass(frozen=True)
class _Table:
    """What resampling needs of a pair: seeds, values per method and seed, and who failed."""

    seeds: int
    values: Mapping[Key, Sequence[float]]
    failed: Sequence[Key]


def firmness(
    compared: Sequence[Cohort], measure: Measure, boards: Sequence[Board], linkage: str
) -> dict[Key, Firmness]:
    """Every ranked method's firmness; no intervals or letters with fewer than three seeds.

    Nothing for a crowd of configurations (an unmarked search, say): everybody would share every letter.
    """
    keys = sorted({key for board in boards for key, standing in board.items() if standing.group})
    if len(keys) > MOST:
        return {}
    tables = [_table(cohort, measure, board) for cohort, board in zip(compared, boards, strict=True)]
    kept = _kept(compared, measure, boards)
    if not keys or min(table.seeds for table in tables) < LEAST_SEEDS:
        return {key: Firmness(None, None, kept.get(key), "") for key in keys}
    draws = [_draw(tables, measure, linkage, number) for number in range(RESAMPLES)]
    ranks = [dense_ranks({key: counts for key, (counts, _) in draw.items()}) for draw in draws]
    letters = _letters(keys, draws, single=len(tables) == 1)
    return {key: _firm([rank[key] for rank in ranks], kept.get(key), letters[key]) for key in keys}


def _table(cohort: Cohort, measure: Measure, board: Board) -> _Table:
    seeds = list(cohort.retrained)
    values = {
        key: [_value(cohort, measure, key, seed) for seed in seeds]
        for key, standing in board.items()
        if standing.group not in (None, "F")
    }
    return _Table(len(seeds), values, [key for key, standing in board.items() if standing.group == "F"])


def _value(cohort: Cohort, measure: Measure, key: Key, seed: int) -> float:
    run = cohort.methods[key][seed]
    return measure.of(run, run if measure.alone else cohort.retrained[seed])


def _draw(
    tables: Sequence[_Table], measure: Measure, linkage: str, number: int
) -> dict[Key, tuple[Counts, float]]:
    """One resample: every method's counts of groups, and its mean (of the last pair) with less better."""
    chance = random.Random(stream_seed(number, "bootstrap"))
    counts: dict[Key, list[int]] = {}
    means: dict[Key, float] = {}
    for table in tables:
        chosen = [chance.randrange(table.seeds) for _ in range(table.seeds)]
        sign = 1 if measure.lower else -1
        here = {key: sign * sum(row[i] for i in chosen) / table.seeds for key, row in table.values.items()}
        for key, group in (grouped(here, linkage) | dict.fromkeys(table.failed, "F")).items():
            counts.setdefault(key, [0, 0, 0, 0])[GROUP_NAMES.index(group)] += 1
        means |= here
    return {key: ((c[0], c[1], c[2]), means.get(key, math.inf)) for key, c in counts.items()}


def _firm(ranks: Sequence[int], kept: float | None, letters: str) -> Firmness:
    ordered = sorted(ranks)
    outside = math.floor(len(ordered) * (1 - CONFIDENCE) / 2)
    return Firmness(ordered[outside], ordered[-1 - outside], kept, letters)


def _kept(compared: Sequence[Cohort], measure: Measure, boards: Sequence[Board]) -> dict[Key, float]:
    """Share of pairs and linkages in which a method's group is the one shown."""
    same: dict[Key, list[bool]] = {}
    for cohort, shown in zip(compared, boards, strict=True):
        for linkage in LINKAGES:
            for key, standing in standings(cohort, measure, linkage).items():
                if standing.group and not is_control(key):
                    same.setdefault(key, []).append(standing.group == shown[key].group)
    return {key: sum(found) / len(found) for key, found in same.items()}


def _letters(
    keys: Sequence[Key], draws: Sequence[Mapping[Key, tuple[Counts, float]]], *, single: bool
) -> dict[Key, str]:
    """Compact letters: methods in order, a letter for each longest run whose ends cannot be told apart."""
    scores = {key: [_score(draw[key], single=single) for draw in draws] for key in keys}
    middle = {key: sorted(held)[len(held) // 2] for key, held in scores.items()}
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
    held = [i for i, (start, end) in enumerate(runs) if start <= place <= end]
    return "".join(ascii_lowercase[i % len(ascii_lowercase)] for i in held)


def _score(drawn: tuple[Counts, float], *, single: bool) -> tuple[float, ...]:
    """Less is better: the mean within one pair, the counts over several."""
    (best, middle, worst), mean = drawn
    return (mean,) if single else (-best, -middle, -worst)
