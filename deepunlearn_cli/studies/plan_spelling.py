"""Cures of refusals as a plan spells them: `key = value` where the command line has options."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from deepunlearn_cli.core.errors import UsageFailure

SETTING = re.compile(r"^(?:-p ([a-z]\w*)=|--([a-z][\w-]*) (?!takes\b)|([a-z]\w*) = )([^\s,;\"'\[{]+)")
OPTION = re.compile(r"(?<!\S)--([a-z][\w-]*)")
BARE = re.compile(r"[+-]?\d[\d_]*(\.\d+)?([eE][+-]?\d+)?|true|false")  # what TOML takes without quotes


@contextmanager
def in_plan() -> Iterator[None]:
    """Have refusals tell what to write into the plan; whole commands stay as they are."""
    try:
        yield
    except UsageFailure as failure:
        if "deepunlearn " not in failure.hint:
            failure.hint = spelt(failure.hint)
        raise


def spelt(hint: str) -> str:
    """A hint with its options as keys: `-p lr=0.1` as `lr = 0.1`, `--seeds 0-9` as `seeds = "0-9"`."""
    return OPTION.sub(lambda found: _key(found[1]), SETTING.sub(_setting, hint))


def _setting(found: re.Match[str]) -> str:
    *names, value = found.groups()
    name = next(filter(None, names))
    return f"{_key(name)} = {value if BARE.fullmatch(value) else _quoted(value)}"


def _quoted(value: str) -> str:
    return f'"{value}"'


def _key(option: str) -> str:
    return option.replace("-", "_")
