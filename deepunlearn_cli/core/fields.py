"""Hyperparameters, declared once: default, type, range, help and search space on one line of a dataclass.

A line such as `lr: float = real(1e-3, 1e-5, 1e-1, log=True, help="learning rate")` gives the check, the
`-p lr=...` option, the sweep's distribution, the listing, the run's key and an invalid value for tests.

What a key holds must not change, or every run made before is lost to its question. So:

- A field that is added to a class which people have runs of says `added=True`. At its default it is left out
  of recipes, and their keys are those from before there was the field. Its default is what the code did until
  then, and is final.
- Whatever makes the same hyperparameters give other results (a new default of an `added` field too) raises
  the class's `revision`; old runs then answer another question.
- Another default of any other field needs nothing: recipes hold the value.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar, Self, TypeVar

from deepunlearn_cli.core.errors import Failure, UsageFailure, unknown
from deepunlearn_cli.core.typed import shortened

Value = bool | int | float | str  # of a hyperparameter: plain data
Default = TypeVar("Default", bool, int, float, str)

PARAMETER, OPTION = "-p {name}={value}", "--{option} {value}"  # how people give a value


@dataclass(frozen=True)
class Share:
    """An upper bound for the search that depends on how many epochs the original was trained."""

    of_training: float

    def resolve(self, training_epochs: int) -> int:
        """The bound in epochs, at least 1."""
        return max(1, math.ceil(self.of_training * training_epochs))


TRAINING_SHARE = Share(0.2)  # the paper's limit: unlearning may take 20 % of the original's epochs


@dataclass(frozen=True)
class Domain:
    """What one field accepts (`low` to `high` inclusive, or `choices`) and how a sweep draws from it.

    `zero` also accepts 0 where the range does not hold it ("off"); `search=False` keeps a field out of
    sweeps; an `added` field is left out of recipes at its default. A `Share` bounds the search only: by hand
    any larger value is fine.
    """

    type: type[Value]
    default: Value
    help: str
    low: float = -math.inf
    high: float | Share = math.inf
    log: bool = False
    zero: bool = False
    choices: tuple[Value, ...] = ()
    search: bool = True
    added: bool = False

    @property
    def limit(self) -> float:
        """The largest value accepted by hand."""
        return math.inf if isinstance(self.high, Share) else self.high

    def within(self, high: float) -> Domain:
        """This domain with its upper bound known."""
        return replace(self, high=high)

    def describe(self) -> str:
        """The accepted values in words, for listings and errors."""
        if self.type is bool:
            return "true or false"
        if self.choices:
            return "one of " + ", ".join(map(str, self.choices))
        noun = "a whole number" if self.type is int else "a number"
        bounds = f"from {self.low:g} up" if math.isinf(self.limit) else f"from {self.low:g} to {self.limit:g}"
        return f"{noun} {bounds}{' or 0' if self.zero else ''}"

    def space(self) -> str:
        """What a sweep searches, in words."""
        if not self.search:
            return "fixed"
        if self.type is bool or self.choices:
            return " | ".join(map(str, self.choices or (False, True)))
        high = (
            f"{self.high.of_training:.0%} of training" if isinstance(self.high, Share) else f"{self.high:g}"
        )
        return f"{self.low:g} .. {high}{' (log)' if self.log else ''}"

    def read(self, name: str, value: object, spelling: str = PARAMETER) -> Value:
        """`value` (perhaps text) as this field's type; `spelling` is how people give it.

        Raises:
            UsageFailure: not of the type, not finite, or outside the range; the message names the field.
        """
        try:
            typed = self._typed(value)
        except (TypeError, ValueError, OverflowError):
            raise self._refuse(name, value, spelling) from None
        if not self._holds(typed):
            raise self._refuse(name, value, spelling)
        return typed

    def invalid(self) -> Value:
        """Some value that this field must reject (for tests)."""
        return "not-a-value" if self.type is bool or self.choices else self.low - 1

    def _typed(self, value: Any) -> Value:
        if self.type is bool:
            named: Value = {"true": True, "false": False}.get(str(value).lower(), value)
            return named
        if self.type is int and (isinstance(value, bool) or float(value) != int(float(value))):
            raise ValueError(value)
        return self.type(float(value)) if self.type is int else self.type(value)

    def _holds(self, value: Any) -> bool:
        if self.type is bool:
            return isinstance(value, bool)
        if self.choices:
            return value in self.choices
        return (self.zero and value == 0) or (math.isfinite(value) and self.low <= value <= self.limit)

    def _refuse(self, name: str, value: object, spelling: str) -> Failure:
        typed = spelling.format(name=name, option=name.replace("_", "-"), value=self.default)
        return UsageFailure(f"{name}={shortened(value)} is not {self.describe()}", f"{typed} is the default")


def _declare(default: Default, domain: Domain) -> Default:
    """A dataclass field, of the type of its default as far as type checkers know."""
    return field(default=default, metadata={"domain": domain})


def real(
    default: float,
    low: float,
    high: float | Share,
    *,
    help: str,
    log: bool = False,
    zero: bool = False,
    search: bool = True,
    added: bool = False,
) -> float:
    """A real number in [low, high]; `log` for a log-uniform search, `zero` to accept 0 ("off") too.

    `high` may be a share of the original's training epochs.
    """
    domain = Domain(float, default, help, low, high, log, zero, search=search, added=added)
    return _declare(default, domain)


def whole(
    default: int, low: int, high: int | Share, *, help: str, search: bool = True, added: bool = False
) -> int:
    """A whole number in [low, high]; `high` may be a share of the original's training epochs."""
    return _declare(default, Domain(int, default, help, low, high, search=search, added=added))


def choice(
    default: Default, choices: tuple[Default, ...], *, help: str, search: bool = True, added: bool = False
) -> Default:
    """One of `choices`, all of the type of `default`."""
    domain = Domain(type(default), default, help, choices=choices, search=search, added=added)
    return _declare(default, domain)


def flag(default: bool, *, help: str, search: bool = True, added: bool = False) -> bool:
    """True or false."""
    return _declare(default, Domain(bool, default, help, search=search, added=added))


@dataclass(frozen=True)
class Declared:
    """Base of everything with declared hyperparameters; a constructed instance always holds valid values."""

    revision: ClassVar[int] = 1  # raise it when the same hyperparameters would give other results
    spelling: ClassVar[str] = PARAMETER  # how people give a value of it

    def __post_init__(self) -> None:
        for name, domain in self.domains().items():
            object.__setattr__(self, name, domain.read(name, getattr(self, name), self.spelling))

    @classmethod
    def domains(cls) -> dict[str, Domain]:
        """Every declared field, in order."""
        return {f.name: f.metadata["domain"] for f in fields(cls) if "domain" in f.metadata}

    @classmethod
    def build(cls, params: Mapping[str, object]) -> Self:
        """An instance from names and values (texts too); what is not given has its default.

        Raises:
            NotFound: a name that is not declared, with suggestions.
            UsageFailure: a value outside its range.
        """
        for name in params:
            if name not in cls.domains():
                raise _unknown_parameter(name, cls)
        return cls(**params)

    @classmethod
    def added(cls) -> dict[str, Value]:
        """The fields that recipes leave out at their defaults, which these are."""
        return {name: domain.default for name, domain in cls.domains().items() if domain.added}

    def values(self) -> dict[str, Value]:
        """The values of all declared fields, as plain data."""
        return {name: getattr(self, name) for name in self.domains()}

    def params(self) -> dict[str, Value]:
        """What recipes, and so keys, hold: `values` less the `added` fields that are at their defaults."""
        added = self.added()
        return {name: value for name, value in self.values().items() if added.get(name) != value}


def _unknown_parameter(name: str, cls: type[Declared]) -> Failure:
    takes = ", ".join(cls.domains()) or "none"
    failure = unknown("hyperparameter", name, cls.domains(), f"{cls.__name__} takes: {takes}")
    return UsageFailure(failure.message, failure.hint)
