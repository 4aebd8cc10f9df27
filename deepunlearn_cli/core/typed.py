"""Data from outside, held against declared types: the one check at every border where files come in.

The declaration is what type checkers read anyway: a `TypedDict`, a dataclass, `Mapping[str, ...]`, a list, a
union. `Annotated[str, Rule(...)]` says what a type cannot. Nothing is converted, and nothing is guessed: a
truth value is no number, a text no list, NaN no figure.
"""

from __future__ import annotations

import math
import re
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from functools import cache, partial
from typing import Annotated, Any, Literal, NotRequired, Union, get_args, get_origin, get_type_hints

from deepunlearn_cli.core.errors import Failure, UsageFailure

DEEPEST = 240  # levels of lists and tables within each other: of 100 requests in a row a recipe has 200
LARGEST = 2**63 - 1  # a whole number from outside: the largest seed
SHOWN = 40  # characters of a wrong value
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
        self.key, self.wanted = key, wanted


@dataclass(frozen=True)
class Rule:
    """What else must hold of a value of the right type, and what is wanted, in words."""

    words: str
    holds: Callable[[Any], bool]


def _is_hash(text: str) -> bool:
    return re.fullmatch("[0-9a-f]{64}", text) is not None


Digest = Annotated[str, Rule("a SHA-256 (64 hex digits)", _is_hash)]
Seed = Annotated[int, Rule("a whole number from 0 up", lambda value: value >= 0)]
Count = Annotated[int, Rule("a whole number from 1 to 100000", lambda value: 1 <= value <= 100_000)]
Fraction = Annotated[float, Rule("a fraction from 0 to below 1", lambda value: 0 <= value < 1)]
Time = Annotated[float, Rule("seconds since 1970", lambda value: 0 <= value < 1e11)]  # what calendars hold
Text = Annotated[str, Rule("a text", lambda value: bool(value) and "\0" not in value)]


def check(value: object, kind: Any, key: str = "") -> None:
    """Hold a value against a declared type.

    Args:
        key: where it stands, for people.

    Raises:
        Mistyped: at the first place where it is another.
    """
    _check(value, kind, key, 0)


def refused(path: object, error: Mistyped, hint: str) -> Failure:
    """The failure that names the file, the key and what is wanted."""
    return UsageFailure(f"{path}: {error}", hint)


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


def _check(value: object, kind: Any, key: str, depth: int) -> None:
    if depth > DEEPEST:
        raise Mistyped(key, value, "less deeply nested")
    test = _reader(kind)
    test(value, kind, key, depth)


@cache
def _reader(kind: Any) -> Callable[[Any, Any, str, int], None]:
    """What checks values of a declared type."""
    origin = get_origin(kind) or kind
    if origin in (Any, object):
        return _plain
    if origin is Annotated:
        return _ruled
    if origin in (Union, types.UnionType):
        return _either
    if origin in (list, Sequence, tuple):
        return _list
    if isinstance(origin, type) and (is_dataclass(origin) or hasattr(origin, "__required_keys__")):
        return partial(_fields, *_declared(origin))
    return _mapping if origin in (dict, Mapping) else _scalar


def _ruled(value: Any, kind: Any, key: str, depth: int) -> None:
    base, rule = get_args(kind)
    try:
        _check(value, base, key, depth)
        fits = rule.holds(value)
    except Mistyped as error:
        raise Mistyped(error.key, value, rule.words if error.key == key else error.wanted) from None
    if not fits:
        raise Mistyped(key, value, rule.words)


def _either(value: Any, kind: Any, key: str, depth: int) -> None:
    deepest: Mistyped | None = None
    for one in get_args(kind):
        try:
            return _check(value, one, key, depth)
        except Mistyped as error:
            deepest = error if error.key != key else deepest
    raise deepest or Mistyped(key, value, described(kind))


def _list(value: Any, kind: Any, key: str, depth: int) -> None:
    if not isinstance(value, list | tuple):
        raise Mistyped(key, value, described(kind))
    inner = (get_args(kind) or (Any,))[0]
    for place, one in enumerate(value):
        _check(one, inner, f"{key}[{place}]", depth + 1)


def _mapping(value: Any, kind: Any, key: str, depth: int) -> None:
    inner = (get_args(kind) or (str, Any))[1]
    for name, one in _named(value, key).items():
        _check(one, inner, _below(key, name), depth + 1)


def _fields(
    known: Mapping[str, Any], needed: frozenset[str], value: Any, kind: Any, key: str, depth: int
) -> None:
    """What is declared is of its type; what is not is any plain data, of a later version, say."""
    _named(value, key)
    for name in sorted(needed - value.keys()):
        raise Mistyped(_below(key, name), None, described(known[name]))
    for name, one in value.items():
        _check(one, known.get(name, Any), _below(key, name), depth + 1)


def _named(value: Any, key: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        raise Mistyped(key, value, "a table")
    return value


def _scalar(value: Any, kind: Any, key: str, depth: int) -> None:
    if get_origin(kind) is Literal:
        fits = value in get_args(kind) and any(type(value) is type(one) for one in get_args(kind))
    elif kind is float:
        fits = type(value) in (int, float) and _finite(value)
    elif kind is int:
        fits = type(value) is int and _finite(value)
    else:
        fits = value is None if kind in (None, type(None)) else isinstance(value, kind)
    if not fits:
        raise Mistyped(key, value, described(kind))


def _plain(value: Any, kind: Any, key: str, depth: int) -> None:
    """Any data that JSON holds: no NaN, no number beyond 64 bits, nothing nested without end."""
    if isinstance(value, Mapping):
        _mapping(value, dict, key, depth)
    elif isinstance(value, list | tuple):
        _list(value, list, key, depth)
    elif type(value) in (int, float) and not _finite(value):
        raise Mistyped(key, value, "a finite number")
    elif value is not None and not isinstance(value, str | bool | int | float):
        raise Mistyped(key, value, "plain data")


def _finite(value: float) -> bool:
    return abs(value) <= LARGEST if isinstance(value, int) else math.isfinite(value)


@cache
def _declared(kind: type) -> tuple[Mapping[str, Any], frozenset[str]]:
    """The fields of a TypedDict or a dataclass by name, and those that must be there."""
    hints = get_type_hints(kind, include_extras=True)
    known = {name: _bare(hint) for name, hint in hints.items()}
    if not is_dataclass(kind):
        named = {name for name, hint in hints.items() if get_origin(hint) is NotRequired}
        return known, frozenset(getattr(kind, "__required_keys__", ())) - named
    return known, frozenset()


def _bare(hint: Any) -> Any:
    return get_args(hint)[0] if get_origin(hint) is NotRequired else hint


def _below(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name
