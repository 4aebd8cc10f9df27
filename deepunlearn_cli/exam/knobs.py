"""The question about hyperparameters: does each one change the weights?

A dead one is searched, listed and part of every key, and does nothing. Some act only beside another (a weight
of a penalty that is off, a share of the epochs where there is but one). So each is turned in many settings:
the short defaults first, then with every other value of the choices and flags, with other values of a second
hyperparameter, and with both. Whatever turns it once and changes the weights has shown that it lives.

Runs are in 64 bits, so that rounding (a sum in another order, say) lies far below the least effect that
counts.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import combinations

from deepunlearn_cli.core.errors import Failure
from deepunlearn_cli.core.fields import Domain, Share, Value
from deepunlearn_cli.exam.answers import Beside, Wrong
from deepunlearn_cli.exam.candidate import BATCHES, SMALL, Candidate, pairs
from deepunlearn_cli.exam.tiny import Counts
from deepunlearn_cli.exam.trial import Setting, Trial

EFFECT = 1e-5  # least change of the weights, as a share of what the method moved them by
EPOCHS = 4  # so that schedules have phases
BIGGEST = 512  # pictures of a step for which there are two
RUNS = 60  # for one hyperparameter, before it is given up
TURNS = 5  # other values of it, in the plainest setting
MOVES = 2  # the same in other settings, and of what these differ in

GENTLE = 1e-4  # of a range: a weight of up to 10,000 that is 5,000 breaks what it is a weight of

Params = dict[str, Value]


def knobs(candidate: Candidate) -> str:
    """Does every hyperparameter change the weights?"""
    domains, excused = candidate.method.domains(), candidate.method.inert
    if not domains:
        raise Beside("it has none")
    dead = []
    for name in domains:
        if name in excused:
            _check_excuse(candidate, name)
        elif not _lives(candidate, name):
            dead.append(name)
    if dead:
        raise Wrong(f"{', '.join(dead)}: no value changes the weights (`inert` tells why one need not)")
    said = [f"{name} does not: {why}" for name, why in excused.items()]
    return "; ".join([f"{len(domains) - len(said)} do", *said])


def values_of(domain: Domain, start: Value) -> list[Value]:
    """Other values of a field than `start`."""
    if domain.type is bool:
        return [not start]
    if domain.choices:
        return [value for value in domain.choices if value != start]
    numbers = _whole(domain, int(start)) if domain.type is int else _real(domain, float(start))
    found = [domain.type(number) for number in numbers if domain.low <= number <= domain.limit]
    return [value for value in dict.fromkeys(found) if value != start]


def _lives(candidate: Candidate, name: str) -> bool:
    """Whether it changes the weights in some setting.

    Values that the method takes in no common setting (a kind of loss that wants its weight) are told apart by
    what they do where each is taken.
    """
    domain, runs = candidate.method.domains()[name], 0
    tied: dict[Value, Trial] | None = {}
    for number, around in enumerate(_settings(candidate, name)):
        start = around.get(name, domain.default)
        here: dict[Value, Trial] = {}
        for value in (start, *_spread(values_of(domain, start), MOVES if number else TURNS)):
            trial = _ran(candidate, {**around, name: value})
            here |= {value: trial} if trial else {}
            if _some_differ(here.values()):
                return True
        tied = None if tied is None or len(here) > 1 else {**here, **tied}
        if tied and _some_differ(tied.values()):
            return True
        runs += len(here)
        if runs >= RUNS:
            break
    return False


def _some_differ(trials: Iterable[Trial]) -> bool:
    return any(differ(one, other) for one, other in combinations(trials, 2))


def _spread(values: list[Value], count: int) -> list[Value]:
    """At most so many of some values, from the first to the last."""
    if len(values) <= count:
        return values
    return [values[round(place * (len(values) - 1) / (count - 1))] for place in range(count)]


def _check_excuse(candidate: Candidate, name: str) -> None:
    """Refuse an excuse that is not true in the plainest setting."""
    around = _base(candidate)
    start = around.get(name, candidate.method.domains()[name].default)
    first = _ran(candidate, around)
    for value in _spread(values_of(candidate.method.domains()[name], start), MOVES):
        other = _ran(candidate, {**around, name: value})
        if first and other and differ(first, other):
            raise Wrong(
                f"{name} is excused as `inert` ({candidate.method.inert[name]}), and changes the weights"
            )


def differ(one: Trial, other: Trial) -> bool:
    """Whether two runs ended in different models, by more than rounding."""
    gap = moved = 0.0
    a, b = one.after, other.after
    for name, value in a.items():
        if value.is_floating_point():
            gap += float((value - b[name]).double().square().sum())
            moved += float((value - one.before[name]).double().square().sum())
    return math.sqrt(gap) > EFFECT * math.sqrt(moved)


def _settings(candidate: Candidate, name: str) -> Iterator[Params]:
    """What a hyperparameter is turned in: the plainest first."""
    base = _base(candidate)
    others = {n: d for n, d in candidate.method.domains().items() if n != name}
    named = {n: d for n, d in others.items() if d.type is bool or d.choices}
    yield base
    for other, domain in named.items():
        for value in values_of(domain, base.get(other, domain.default)):
            yield {**base, other: value}
    for other, domain in others.items():
        if other not in named:
            for value in _spread(values_of(domain, base.get(other, domain.default)), MOVES):
                yield {**base, other: value}
    yield from _twofold(base, named, others)


def _twofold(base: Params, named: dict[str, Domain], others: dict[str, Domain]) -> Iterator[Params]:
    """Two others turned at once, one of them a choice or flag."""
    for one, two in combinations(others, 2):
        if one in named or two in named:
            for a in _spread(values_of(others[one], base.get(one, others[one].default)), MOVES):
                for b in _spread(values_of(others[two], base.get(two, others[two].default)), MOVES):
                    yield {**base, one: a, two: b}


def _base(candidate: Candidate) -> Params:
    """The short defaults, with enough epochs for schedules."""
    short = candidate.short()
    longer = {name: type(value)(EPOCHS) for name, value in short.items() if name.endswith("epochs")}
    return {**short, **longer}


def _ran(candidate: Candidate, params: Params) -> Trial | None:
    """A run, or None where the method refuses these values, or they break it."""
    setting = Setting("slim", counts=_counts(candidate), params=pairs(params), double=True)
    try:
        return candidate.run(setting)
    except Failure:
        return None


def _counts(candidate: Candidate) -> Counts:
    """Pictures for two batches of the smallest size that can be chosen, so that others make one."""
    sizes = [size for name, size in candidate.short(small=True).items() if name.endswith(BATCHES)]
    least = min(BIGGEST, max((int(size) for size in sizes), default=SMALL))
    return Counts(least + 8, least + 2)


def _whole(domain: Domain, start: int) -> list[float]:
    """The nearest first, the boldest last."""
    high = EPOCHS if isinstance(domain.high, Share) else min(domain.limit, 10 * start + 10)
    return [start + 1, start - 1, 2 * start, start // 2, start // 10, domain.low, high]


def _real(domain: Domain, start: float) -> list[float]:
    """The last one is just above the least, where the bolder ones before it are too much."""
    reach = 10 * (abs(start) + 1)
    low = domain.low if math.isfinite(domain.low) else start - reach
    high = domain.limit if math.isfinite(domain.limit) else start + reach
    if domain.log:
        least = start or low
        return [math.sqrt(least * high), math.sqrt(least * low), high, low]
    return [(start + high) / 2, (start + low) / 2, high, low, low + GENTLE * (high - low)]
