"""Questions about what a method declares; nothing is run."""

from __future__ import annotations

import dataclasses
import inspect
import math
from collections.abc import Iterator

from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.core.fields import Domain
from deepunlearn_cli.exam.answers import Wrong
from deepunlearn_cli.exam.candidate import Candidate
from deepunlearn_cli.exam.tiny import FEW
from deepunlearn_cli.methods import Method

PARTS = tuple(FEW.ranges())


def defaults(candidate: Candidate) -> str:
    """Does it build with its defaults, and say what it is?"""
    cls = candidate.method
    _check_fields(cls)
    made = cls()
    if made != cls.build({}):
        raise Wrong("two builds with the defaults differ: is it a @dataclass(frozen=True)?")
    for trait in ("title", "paper"):
        if not getattr(cls, trait, ""):
            raise Wrong(f"it has no `{trait}`")
    said = inspect.getdoc(cls) or ""  # of a class without any, dataclass makes its signature one
    if not said or said == inspect.getdoc(cls.__mro__[1]) or said.startswith(f"{cls.__name__}("):
        raise Wrong("it has no docstring, whose first sentence `deepunlearn methods` shows")
    _check_parts(made)
    if not (math.isfinite(made.cost()) and made.cost() >= 0):
        raise Wrong(f"`work` gives {made.cost():g} epochs at its defaults")
    return ""


def bad_values(candidate: Candidate) -> str:
    """Does it refuse values outside its ranges, and names it does not know?"""
    cls = candidate.method
    tried = [(name, value) for name, domain in cls.domains().items() for value in _bad(domain)]
    for name, value in [*tried, ("no_such_field", 1)]:
        try:
            cls.build({name: value})
        except UsageFailure as refusal:
            if name not in refusal.message:
                raise Wrong(f"refuses {name}={value} without naming {name}: {refusal.message}") from None
        else:
            raise Wrong(f"takes {name}={value}, which is not {cls.domains()[name].describe()}")
    return f"{len(tried) + 1} refused"


def _check_fields(cls: type[Method]) -> None:
    """Refuse hyperparameters that are in no key, or no fields at all."""
    bare = [name for name, value in vars(cls).items() if isinstance(value, dataclasses.Field)]
    if bare:
        raise Wrong(f"{', '.join(bare)}: the class lacks @dataclass(frozen=True)")
    hidden = [one.name for one in dataclasses.fields(cls) if "domain" not in one.metadata]
    if hidden:
        raise Wrong(f"{', '.join(hidden)}: not declared by real, whole, choice or flag, so in no key")
    silent = [name for name, domain in cls.domains().items() if not domain.help]
    if silent:
        raise Wrong(f"{', '.join(silent)}: no help")


def _check_parts(made: Method) -> None:
    """Refuse names of parts, and of hyperparameters, that there are not."""
    known = {"needs": PARTS, "partly": PARTS, "inert": tuple(made.domains())}
    for trait, names in known.items():
        for name in getattr(made, trait):
            if name not in names:
                raise Wrong(f"`{trait}` names {name!r}, which is none of {', '.join(names) or 'nothing'}")
    if more := set(made.reads) - set(made.needs):
        raise Wrong(f"`reads` has {', '.join(sorted(more))} beyond `needs`")


def _bad(domain: Domain) -> Iterator[object]:
    """Values that a field must refuse."""
    yield domain.invalid()
    yield "not-a-value"
    if domain.type is bool or domain.choices:
        return
    yield math.nan
    yield math.inf
    if math.isfinite(domain.limit):
        yield domain.limit + 1
    if domain.type is int:
        yield domain.low + 0.5
