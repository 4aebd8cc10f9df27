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
from collections.abc import Iterator
from itertools import combinations

from deepunlearn_cli.core.errors import Failure
from deepunlearn_cli.core.fields import Domain, Share, Value
from deepunlearn_cli.exam import tiny
from deepunlearn_cli.exam.answers import Beside, Wrong
from deepunlearn_cli.exam.candidate import Candidate, pairs
from deepunlearn_cli.exam.trial import Setting, Trial

EFFECT = 1e-5  # least change of the weights, as a share of what the method moved them by
EPOCHS = 4  # so that schedules have phases
RUNS = 80  # for one hyperparameter, before it is given up
TURNS = 3  # other values of a second hyperparameter
MOVES = 2  # of these, beside a choice or flag as well

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
        raise Wrong(
            f"{', '.join(dead)}: no value tried changes the weights; `inert` excuses one that need not, and why"
        )
    said = [f"{name} does not: {why}" for name, why in excused.items()]
    return "; ".join([f"{len(domains) - len(said)} do", *said])


def values_of(domain: Domain, start: Value) -> list[Value]:
    """Other values of a field than `start`, the nearer ones first."""
    if domain.type is bool:
        return [not start]
    if domain.choices:
        return [value for value in domain.choices if value != start]
    numbers = _whole(domain, int(start)) if domain.type is int else _real(domain, float(start))
    found: dict[Value, None] = {}
    for number in numbers:
        if number != start and (domain.low <= number <= domain.limit):
            found[domain.type(number)] = None
    return list(found)


def _lives(candidate: Candidate, name: str) -> bool:
    """Whether it changes the weights in some setting."""
    left = RUNS
    for around in _settings(candidate, name):
        here: list[Trial] = []
        start = around.get(name, candidate.method.domains()[name].default)
        for value in (start, *values_of(candidate.method.domains()[name], start)):
            trial = _ran(candidate, {**around, name: value})
            left -= 1
            if trial and any(differ(trial, other) for other in here):
                return True
            here += [trial] if trial else []
        if left <= 0:
            break
    return False


def _check_excuse(candidate: Candidate, name: str) -> None:
    """Refuse an excuse that is not true in the plainest setting."""
    around = _base(candidate)
    start = around.get(name, candidate.method.domains()[name].default)
    first = _ran(candidate, around)
    for value in values_of(candidate.method.domains()[name], start)[:2]:
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
            for value in values_of(domain, base.get(other, domain.default))[:TURNS]:
                yield {**base, other: value}
    yield from _twofold(base, named, others)


def _twofold(base: Params, named: dict[str, Domain], others: dict[str, Domain]) -> Iterator[Params]:
    """Two others turned at once, one of them a choice or flag."""
    for one, two in combinations(others, 2):
        if one in named or two in named:
            for a in values_of(others[one], base.get(one, others[one].default))[:MOVES]:
                for b in values_of(others[two], base.get(two, others[two].default))[:MOVES]:
                    yield {**base, one: a, two: b}


def _base(candidate: Candidate) -> Params:
    """The short defaults, with enough epochs for schedules."""
    short = candidate.short()
    longer = {name: type(value)(EPOCHS) for name, value in short.items() if name.endswith("epochs")}
    return {**short, **longer}


def _ran(candidate: Candidate, params: Params) -> Trial | None:
    """A run, or None where the method refuses these values, or they break it."""
    setting = Setting(counts=tiny.MANY, params=pairs(params), double=True)
    try:
        return candidate.run(setting)
    except Failure:
        return None


def _whole(domain: Domain, start: int) -> list[float]:
    high = EPOCHS if isinstance(domain.high, Share) else domain.limit
    wanted = [start - 1, start + 1, start // 2, 2 * start, start // 10, domain.low, min(high, 10 * start + 1)]
    return [number for number in wanted if math.isfinite(number)]


def _real(domain: Domain, start: float) -> list[float]:
    low = domain.low if math.isfinite(domain.low) else start - 10 * (abs(start) + 1)
    high = domain.limit if math.isfinite(domain.limit) else start + 10 * (abs(start) + 1)
    if domain.log and start > 0:
        return [math.sqrt(start * high), math.sqrt(start * low), high, low]
    if domain.log:
        return [math.sqrt(low * high), high, low]
    return [(start + high) / 2, (start + low) / 2, high, low]
