"""Spaces with so few points that a search can try them all: none comes twice, and then there is none left."""

from __future__ import annotations

import math
import random
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

from deepunlearn_cli.core.recipe import canonical

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

TRIES = 1000  # random points before those that are left are looked for in order


def size(domains: Mapping[str, Mapping[str, Any]]) -> int | None:
    """How many points a space has, from its plain data (`Question.space`); None for any number."""
    counts = [len(values) if (values := _values(one)) is not None else None for one in domains.values()]
    return None if None in counts else math.prod(count for count in counts if count is not None)


def key(point: Mapping[str, Any]) -> str:
    """A point's name, whatever the order of its dimensions."""
    return canonical(dict(point))


def is_tried(trial: FrozenTrial) -> bool:
    """Whether nobody needs to try the point of a trial again: what was given up without a reason may be."""
    return trial.state.name != "FAIL" or "reason" in trial.user_attrs


def untried(
    proposed: Mapping[str, Any],
    domains: Mapping[str, Mapping[str, Any]],
    tried: Collection[str],
    seed: int,
) -> dict[str, Any]:
    """A proposal, or if it was tried a random point that was not; the proposal after all if all were.

    Args:
        tried: keys of points.
        seed: of the random points.
    """
    if key(proposed) not in tried:
        return dict(proposed)
    return next((one for one in _others(domains, seed) if key(one) not in tried), dict(proposed))


def _others(domains: Mapping[str, Mapping[str, Any]], seed: int) -> Iterator[dict[str, Any]]:
    rng, values = random.Random(seed), [_values(one) or () for one in domains.values()]
    for _ in range(TRIES):
        yield {name: rng.choice(some) for name, some in zip(domains, values, strict=True)}
    for point in product(*values):
        yield dict(zip(domains, point, strict=True))


def _values(domain: Mapping[str, Any]) -> Sequence[Any] | None:
    if "choices" in domain:
        return list(domain["choices"])
    if domain["whole"]:
        return range(int(domain["low"]), int(domain["high"]) + 1)
    return [domain["low"]] if domain["low"] == domain["high"] else None
