"""Data from outside, held against declared types: the one check at every border where files come in.

The declaration is what type checkers read anyway: a `TypedDict`, a dataclass, `Mapping[str, ...]`, a list, a
union. `Annotated[str, Rule(...)]` says what a type cannot. Nothing is converted, and nothing is guessed: a
truth value is no number, a text no list, NaN no figure.
"""

from __future__ import annotations

import json
import math
import re
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from functools import cache, partial
from typing import Annotated, Any, Literal, NotRequired, Union, get_args, get_origin, get_type_hints

DEEPEST = 240  # levels of lists and tables within each other: of 100 requests in a row a recipe has 200
LARGEST = 2**63 - 1  # a whole number from outside: the largest seed
SHOWN = 40  # characters of a wrong value
Test = Callable[[Any, str, int], None]  # a value, its key, how deep it lies; raises Mistyped
WORDS: Mapping[Any, str] = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    None: "nothing",
}


class Mistyped(ValueError):
    """Data of another type than declared: at which key, which value, and what is wanted there."""

    def __init__(self, key: str, value: object, wanted: str) -> None:
        super().__init__(f"{key} = {brief(value)} is not {wanted}" if key else f"not {wanted}")
        self.key, self.value, self.wanted = key, value, wanted


@dataclass(frozen=True)
class Rule:
    """What else must hold of a value of the right type, and what is wanted, in words."""

    words: str
    holds: Callable[[Any], bool]


@dataclass(frozen=True)
class Named:
    """Of a table: a `TypedDict` of the values that have a name of their own, and what the others are."""

    kind: Any
    others: Any
    words: str = "a table"


def _is_hash(text: str) -> bool:
    return re.fullmatch("[0-9a-f]{64}", text) is not None


Digest = Annotated[str, Rule("a SHA-256 (64 hex digits)", _is_hash)]
Seed = Annotated[int, Rule("a whole number from 0 up", lambda value: value >= 0)]
Number = Annotated[int, Rule("a whole number from 1 up", lambda value: value >= 1)]
Count = Annotated[int, Rule("a whole number from 1 to 100000", lambda value: 1 <= value <= 100_000)]
Fraction = Annotated[float, Rule("a fraction from 0 to below 1", lambda value: 0 <= value < 1)]
Amount = Annotated[float, Rule("a number from 0 up", lambda value: value >= 0)]
Share = Annotated[float, Rule("a share from 0 to 1", lambda value: 0 <= value <= 1 + 1e-9)]  # as sums round
Time = Annotated[float, Rule("seconds since 1970", lambda value: 0 <= value < 1e11)]  # what calendars hold
Text = Annotated[str, Rule("a text", lambda value: bool(value) and "\0" not in value)]


def check(value: object, kind: Any, key: str = "") -> None:
    """Hold a value against a declared type.

    Args:
        key: where it stands, for people.

    Raises:
        Mistyped: at the first place where it is another.
    """
    _test(kind)(value, key, 0)


def load(text: str | bytes, kind: Any) -> Any:
    """The value of a JSON text, held against a declared type.

    Raises:
        Mistyped: no JSON, torn, nested too deeply, or of another type.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise Mistyped("", None, "JSON") from None
    check(value, kind)
    return value


def brief(value: object) -> str:
    """A value as a message shows it: its beginning."""
    if isinstance(value, Mapping):
        return "{...}" if value else "{}"
    if isinstance(value, list | tuple):
        return "[...]" if value else "[]"
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > LARGEST:
        return "a number too large"
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def shortened(value: object) -> str:
    """A value as it was typed, as far as a line holds it."""
    try:
        text = str(value)
    except ValueError:  # more digits than Python prints
        text = "a number too large"
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def described(kind: Any) -> str:
    """A declared type in words."""
    origin, args = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return str(args[1].words)
    if origin in (Union, types.UnionType):
        return " or ".join(described(one) for one in args)
    if origin is Literal:
        return " or ".join(repr(one) for one in args)
    if origin in (list, Sequence):
        return f"a list of {described(args[0]).removeprefix('a ')}s" if args[0] in WORDS else "a list"
    return WORDS.get(None if kind is type(None) else kind, "a table")


@cache
def _test(kind: Any) -> Test:
    """What holds values against a declared type, made once: an index is rebuilt from 100,000 manifests."""
    origin = get_origin(kind) or kind
    if origin in (Any, object):
        return _plain
    if origin is Annotated:
        return _annotated(*get_args(kind)[:2])
    if origin in (Union, types.UnionType):
        kinds = [one for one in get_args(kind) if one is not type(None)]
        optional = len(kinds) < len(get_args(kind))
        return partial(_either, [_test(one) for one in kinds], optional, described(kind))
    if origin in (list, Sequence, tuple):
        inner = (get_args(kind) or (Any,))[0]
        return partial(_list, str if inner is str else None, _test(inner), described(kind))
    if isinstance(origin, type) and (is_dataclass(origin) or hasattr(origin, "__required_keys__")):
        return partial(_fields, origin, _plain)  # looked at later: types may hold themselves
    if origin in (dict, Mapping):
        return partial(_mapping, _test((get_args(kind) or (str, Any))[1]))
    return partial(_scalar, _fitting(kind), described(kind))


def _annotated(kind: Any, more: Any) -> Test:
    if isinstance(more, Named):
        return partial(_fields, more.kind, _test(more.others))
    return partial(_ruled, _test(kind), more)


def _ruled(base: Test, rule: Rule, value: Any, key: str, depth: int) -> None:
    try:
        base(value, key, depth)
        fits = rule.holds(value)
    except Mistyped as error:
        raise error if error.key != key else Mistyped(key, value, rule.words) from None
    if not fits:
        raise Mistyped(key, value, rule.words)


def _either(tests: Sequence[Test], optional: bool, words: str, value: Any, key: str, depth: int) -> None:
    if optional and value is None:
        return None
    deepest: Mistyped | None = None
    for test in tests:
        try:
            return test(value, key, depth)
        except Mistyped as error:
            deepest = error if error.key != key else deepest
    raise deepest or Mistyped(key, value, words)


def _list(quick: type | None, inner: Test, words: str, value: Any, key: str, depth: int) -> None:
    if not isinstance(value, list | tuple):
        raise Mistyped(key, value, words)
    _check_depth(value, key, depth)
    if quick and all(type(one) is quick for one in value):  # a million paths
        return
    for place, one in enumerate(value):
        inner(one, f"{key}[{place}]", depth + 1)


def _mapping(inner: Test, value: Any, key: str, depth: int) -> None:
    _check_depth(value, key, depth)
    for name, one in _named(value, key).items():
        inner(one, _below(key, name), depth + 1)


def _fields(kind: type, others: Test, value: Any, key: str, depth: int) -> None:
    """What is declared is of its type; what is not is what `others` takes: of a later version, say."""
    known, needed = _declared(kind)
    _check_depth(value, key, depth)
    for name in sorted(needed.keys() - _named(value, key).keys()):
        raise Mistyped(_below(key, name), None, needed[name])
    for name, one in value.items():
        known.get(name, others)(one, _below(key, name), depth + 1)


def _check_depth(value: object, key: str, depth: int) -> None:
    if depth > DEEPEST:
        raise Mistyped(key, value, "less deeply nested")


def _named(value: Any, key: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        raise Mistyped(key, value, "a table")
    return value


def _scalar(fits: Callable[[Any], bool], words: str, value: Any, key: str, depth: int) -> None:
    del depth
    if not fits(value):
        raise Mistyped(key, value, words)


def _fitting(kind: Any) -> Callable[[Any], bool]:
    """Whether a value is of a type that holds no others."""
    if get_origin(kind) is Literal:
        allowed = [(type(one), one) for one in get_args(kind)]
        return lambda value: any(type(value) is of and value == one for of, one in allowed)
    if kind is float:
        return lambda value: type(value) in (int, float) and _finite(value)
    if kind is int:
        return lambda value: type(value) is int and _finite(value)
    return (
        (lambda value: value is None)
        if kind in (None, type(None))
        else (lambda value: isinstance(value, kind))
    )


def _plain(value: Any, key: str, depth: int) -> None:
    """Any data that JSON holds: no NaN, no number beyond 64 bits, nothing nested without end."""
    if value is None or isinstance(value, str | bool):
        return
    if isinstance(value, Mapping):
        _mapping(_plain, value, key, depth)
    elif isinstance(value, list | tuple):
        _list(None, _plain, "a list", value, key, depth)
    elif type(value) not in (int, float):
        raise Mistyped(key, value, "plain data")
    elif not _finite(value):
        raise Mistyped(key, value, "a finite number")


def _finite(value: float) -> bool:
    return abs(value) <= LARGEST if isinstance(value, int) else math.isfinite(value)


@cache
def _declared(kind: type) -> tuple[Mapping[str, Test], Mapping[str, str]]:
    """The tests of a TypedDict's or a dataclass's fields by name, and in words those that must be there."""
    hints = get_type_hints(kind, include_extras=True)
    known = {name: _bare(hint) for name, hint in hints.items()}
    optional = {name for name, hint in hints.items() if get_origin(hint) is NotRequired}
    needed = set() if is_dataclass(kind) else {*getattr(kind, "__required_keys__", ())} - optional
    return {name: _test(one) for name, one in known.items()}, {n: described(known[n]) for n in needed}


def _bare(hint: Any) -> Any:
    return get_args(hint)[0] if get_origin(hint) is NotRequired else hint


def _below(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name
