"""Hyperparameters by hand: a value that stays, a range or choices to search instead of the declared ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from deepunlearn_cli.core.errors import Failure, UsageFailure
from deepunlearn_cli.core.fields import Domain, Share, Value
from deepunlearn_cli.methods import METHODS

TO, OR = "..", ","  # `lr=1e-4..1e-2`, `batch_size=64,128`


@dataclass(frozen=True)
class ByHand:
    """What a person said of a method's hyperparameters.

    Attributes:
        fixed: values that are not searched, by name.
        ranges: what is searched instead of what is declared, by name.
    """

    fixed: Mapping[str, Value] = field(default_factory=dict)
    ranges: Mapping[str, Domain] = field(default_factory=dict)


def by_hand(method: str, given: Mapping[str, Any]) -> ByHand:
    """Hyperparameters as people give them: `0.01`, `1e-4..1e-2`, `64,128` or a list of choices.

    A range keeps the scale that is declared (logarithmic or not). What is never searched by itself is
    searched where a range or choices are given for it.

    Raises:
        UsageFailure: a name that the method does not take; a value that it does not accept; a range or
            choices that are none.
    """
    actor = METHODS.needed(method)
    domains = actor.domains()
    fixed, ranges = dict[str, Value](), dict[str, Domain]()
    for name, value in given.items():
        if name in domains and (searched := _searched(name, domains[name], value)):
            ranges[name] = searched
        else:
            fixed[name] = value
    typed = actor.build(fixed).values()
    return ByHand({name: typed[name] for name in fixed}, ranges)


def _searched(name: str, domain: Domain, value: Any) -> Domain | None:
    """What is to be searched; None for a single value."""
    if isinstance(value, str) and TO in value:
        return _range(name, domain, value)
    if isinstance(value, str) and OR in value:
        return _choices(name, domain, [one.strip() for one in value.split(OR)])
    return (
        _choices(name, domain, value) if isinstance(value, Sequence) and not isinstance(value, str) else None
    )


def _range(name: str, domain: Domain, text: str) -> Domain:
    if domain.type is bool or domain.choices:
        some = OR.join(map(_spelt, (domain.choices or (False, True))[:2]))
        raise _refused(name, text, f"{name} is {domain.describe()}, which has no range", f"-p {name}={some}")
    ends = [end.strip() for end in text.split(TO)]
    if len(ends) != 2 or not all(ends):
        raise _refused(name, text, "a range has two ends", f"-p {name}={_declared(domain)}")
    low, high = (_number(name, domain, end) for end in ends)
    if low < domain.low:
        why = "the search is logarithmic" if domain.log else "0 stands for off"
        hint = f"-p {name}={domain.low:g}{TO}{high:g}, or -p {name}=0,{high:g} for choices"
        raise _refused(name, text, f"it begins below {domain.low:g}, and {why}", hint)
    if low >= high:
        hint = f"-p {name}={high:g}{TO}{low:g}" if low > high else f"-p {name}={_spelt(low)} keeps it there"
        raise _refused(name, text, f"it does not end above {low:g}", hint)
    return replace(domain, low=low, high=high, search=True)


def _choices(name: str, domain: Domain, several: Sequence[Any]) -> Domain:
    text = OR.join(map(_spelt, several))
    if not several or "" in several:
        raise _refused(
            name, text, "a choice is missing", f"-p {name}={_spelt(domain.default)} keeps it there"
        )
    read = [domain.read(name, one) for one in several]
    if twice := [_spelt(one) for one in read if read.count(one) > 1]:
        raise _refused(name, text, f"{twice[0]} is given twice", "give each choice once")
    if len(read) == 1:
        raise _refused(name, text, "there is one choice", f"-p {name}={_spelt(read[0])} keeps it there")
    return replace(domain, choices=tuple(read), search=True)


def _number(name: str, domain: Domain, text: str) -> float:
    value = domain.read(name, text)
    assert isinstance(value, (int, float))
    return value


def _declared(domain: Domain) -> str:
    high = domain.default if isinstance(domain.high, Share) else domain.high
    return f"{domain.low:g}{TO}{high:g}"


def _spelt(value: Any) -> str:
    """A value as it is typed."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _refused(name: str, text: str, why: str, hint: str) -> Failure:
    return UsageFailure(f"-p {name}={text} cannot be searched: {why}", hint)
