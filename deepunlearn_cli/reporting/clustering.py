"""Exact agglomerative clustering of numbers on a line.

Sorted numbers only ever merge with their neighbours: for single, complete and average linkage because the
distances are ordered, for Ward's because ac/(a+c)(x+y)^2 >= min(a x^2, c y^2) (Cauchy). So n log n suffices.
Of equal distances the one at the lower end merges first: the result never depends on the order of input.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from heapq import heapify, heappop, heappush
from itertools import accumulate

from deepunlearn_cli.core.errors import UsageFailure

LINKAGES = ("ward", "average", "complete", "single")
GROUPS = 3

Gap = Callable[[int, int, int], float]  # distance of points[start:middle] and points[middle:end]


def check_linkage(linkage: str) -> None:
    """Raises `UsageFailure` for an unknown linkage."""
    if linkage not in LINKAGES:
        raise UsageFailure(
            f"linkage {linkage} is not one of {', '.join(LINKAGES)}", "--linkage ward is the default"
        )


def clusters(values: Sequence[float], linkage: str = LINKAGES[0], groups: int = GROUPS) -> list[int]:
    """The group of each value, 0 for the lowest; fewer groups where there are fewer distinct values.

    Raises:
        UsageFailure: an unknown linkage.
    """
    check_linkage(linkage)
    if not values:
        return []
    points = sorted(values)
    starts = _merge(len(points), min(groups, len(set(points))), _gap(points, linkage))
    borders = [points[start] for start in starts]
    return [bisect_right(borders, value) - 1 for value in values]


def _merge(n: int, groups: int, gap: Gap) -> list[int]:
    """Where the clusters start, after merging the closest neighbours until `groups` are left."""
    end = {i: i + 1 for i in range(n)}
    start = {i + 1: i for i in range(n)}
    heap = [(gap(i, i + 1, i + 2), i, i + 1, i + 2) for i in range(n - 1)]
    heapify(heap)
    while len(end) > groups:
        _, first, middle, last = heappop(heap)
        if end.get(first) != middle or end.get(middle) != last:
            continue  # one of the two has merged since
        del end[middle], start[middle]
        end[first], start[last] = last, first
        if first > 0:
            heappush(heap, (gap(start[first], first, last), start[first], first, last))
        if last < n:
            heappush(heap, (gap(first, last, end[last]), first, last, end[last]))
    return sorted(end)


def _gap(points: Sequence[float], linkage: str) -> Gap:
    sums = [0.0, *accumulate(points)]

    def means(start: int, middle: int, end: int) -> float:
        return (sums[end] - sums[middle]) / (end - middle) - (sums[middle] - sums[start]) / (middle - start)

    def ward(start: int, middle: int, end: int) -> float:
        a, b = middle - start, end - middle
        return math.sqrt(2 * a * b / (a + b)) * means(start, middle, end)

    return {
        "ward": ward,
        "average": means,
        "complete": lambda start, _, end: points[end - 1] - points[start],
        "single": lambda _, middle, __: points[middle] - points[middle - 1],
    }[linkage]
