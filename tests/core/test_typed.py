"""Data from outside against declared types, names as they may be printed, and sizes before lists."""

from __future__ import annotations

import math
import tracemalloc
from collections.abc import Mapping
from typing import Any, TypedDict

import pytest

from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.core.names import printable
from deepunlearn_cli.core.recipe import Recipe
from deepunlearn_cli.core.specs import read_duration, read_seeds
from deepunlearn_cli.core.typed import DEEPEST, Digest, Fraction, Mistyped, Seed, check


class Told(TypedDict, total=False):
    seed: Seed
    share: Fraction
    names: list[str]
    maybe: int | None
    more: Mapping[str, Any]


def nested(levels: int) -> Any:
    value: Any = []
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "kind", "says"),
    [
        ({"seed": True}, Told, "seed = True is not a whole number from 0 up"),
        ({"seed": -1}, Told, "seed = -1 is not"),
        ({"seed": 10**30}, Told, "a number too large"),
        ({"share": math.nan}, Told, "share = nan is not a fraction"),
        ({"names": "abc"}, Told, "names = 'abc' is not a list of texts"),
        ({"names": ["a", 3]}, Told, "names[1] = 3 is not a text"),
        ({"maybe": "x"}, Told, "maybe = 'x' is not a whole number or nothing"),
        ({"more": {"a": {"b": math.inf}}}, Told, "more.a.b = inf is not a finite number"),
        ({"more": nested(DEEPEST + 2)}, Told, "more"),
        ({"later": nested(5000)}, Told, "less deeply nested"),
        ([], Told, "not a table"),
        ("../../etc", Digest, "not a SHA-256"),
    ],
)  # fmt: skip
def test_another_type_is_told_with_its_key_and_what_is_wanted(value: object, kind: Any, says: str) -> None:
    with pytest.raises(Mistyped, match=r".") as caught:
        check(value, kind)
    assert says in str(caught.value)


def test_what_is_declared_passes_and_so_does_plain_data_of_a_later_version() -> None:
    check({"seed": 0, "share": 0, "names": [], "maybe": None, "more": {"a": [1, {"b": "c"}]}}, Told)
    check({"later": [1, "a", None, {"b": 0.5}]}, Told)


@pytest.mark.parametrize("key", ["seed", "data", "labels", "params", "inputs", "name"])
@pytest.mark.parametrize("value", [None, 2.5, [], "x", math.nan])
def test_recipes_are_recipes(key: str, value: object) -> None:
    if key == "name" and value == "x":
        return
    with pytest.raises(Mistyped, match=key):
        Recipe.from_json(Recipe("train", "original").to_json() | {key: value})


@pytest.mark.parametrize("text", ["0-999999999", "0-" + "9" * 5000, "9" * 5000, "0-9999,10000-19999"])
def test_seeds_are_counted_before_they_are_listed(text: str) -> None:
    tracemalloc.start()
    with pytest.raises(UsageFailure) as caught:
        read_seeds(text)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2_000_000  # bytes: the 10,000 seeds that are allowed, and no list of more
    assert len(caught.value.message) < 200


def test_a_time_of_5000_digits_is_none() -> None:
    with pytest.raises(UsageFailure):
        read_duration("9" * 5000)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\nhint: rm", "a\\nhint: rm"),
        ("a\tb\r", "a\\tb\\r"),
        ("\u202egpj", "\\u202egpj"),
        ("\udcff.png", "\\xff.png"),
        ("\x9b1m", "\\x9b1m"),
        ("Füße 犬 :dog: $x$", "Füße 犬 :dog: $x$"),
    ],
)
def test_nothing_in_a_name_acts_on_a_terminal(name: str, shown: str) -> None:
    assert printable(name) == shown
    printable(name).encode("utf-8")
