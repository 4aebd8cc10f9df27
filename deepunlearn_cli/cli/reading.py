"""What people type in options and on stdin, read: hyperparameters, seeds, methods, REFs, times."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any

from deepunlearn_cli.core.errors import UsageFailure, unknown
from deepunlearn_cli.core.recipe import FP32, PRECISIONS
from deepunlearn_cli.core.typed import shortened
from deepunlearn_cli.system import machine

BOM = "\ufeff"  # some shells put it before what flows through a pipe
LONGEST = 4096  # characters of a path, on most systems


def read_params(given: list[str] | None) -> dict[str, str]:
    """`-p name=value` options as a mapping.

    Raises:
        UsageFailure: an entry without `=`, or a name given twice.
    """
    params: dict[str, str] = {}
    for entry in given or []:
        name, equals, value = entry.partition("=")
        name = name.replace("-", "_")
        if not equals or not name:
            raise UsageFailure(f"-p {entry!r} is not of the form name=value", "-p lr=0.01, say")
        if name in params:
            raise UsageFailure(f"-p {name} is given twice", "give it once")
        params[name] = value
    return params


def read_jobs(text: str) -> int | None:
    """`4` as a number of processes; None for `auto`.

    Raises:
        UsageFailure: anything else.
    """
    if text == "auto":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise UsageFailure(
            f"--jobs {text} is neither auto nor 1 or more", "--jobs 2 makes two runs at a time"
        )
    return int(text)


def read_methods(text: str, every: Callable[[], list[str]] | None = None) -> list[str]:
    """Public method names of `msg`, `msg,ct`, `all` or `all,./mine.py:Mine`, each once.

    Args:
        every: what `all` means here; all that start from any original, unless told otherwise.
    """
    from deepunlearn_cli.methods import METHODS, for_any_original

    names = [
        public
        for name in text.split(",")
        for public in ((every or for_any_original)() if name == "all" else [METHODS.public_name(name)])
    ]
    return list(dict.fromkeys(names))


def params_for(methods: list[str], given: dict[str, str]) -> dict[str, dict[str, str]]:
    """`-p` values by method. Of several, each takes those it knows, and the controls none at all.

    A reference retrained with other settings than its original's would be no reference.

    Raises:
        UsageFailure: a name that nobody knows, or a value that a method does not accept.
    """
    from deepunlearn_cli.methods import METHODS

    chosen = shares_of(methods, given)
    for name, params in chosen.items():
        METHODS.needed(name).build(params)
    return chosen


def shares_of(methods: list[str], given: dict[str, str]) -> dict[str, dict[str, str]]:
    """The same, whatever the values: what nobody knows is given to all, who refuse it."""
    from deepunlearn_cli.methods import METHODS

    actors = {name: METHODS.needed(name) for name in methods}
    takers = {name: actor for name, actor in actors.items() if len(actors) == 1 or not actor.control}
    known = {field for actor in takers.values() for field in actor.domains()}
    chosen: dict[str, dict[str, str]] = {name: {} for name in methods}
    for name, actor in takers.items():
        chosen[name] = {k: value for k, value in given.items() if k in actor.domains() or k not in known}
    return chosen


def read_refs(given: Iterable[str]) -> list[str]:
    """REFs, with `-` replaced by the ids on stdin.

    Raises:
        UsageFailure: `-` without anything on stdin, or on a terminal; a word too long for a file's name.
    """
    refs = [ref for entry in given for ref in (_stdin_refs() if entry == "-" else [entry])]
    if endless := next((ref for ref in refs if len(ref) > LONGEST), None):
        raise UsageFailure(f"{shortened(endless)!r} is no run id and no file", "deepunlearn runs lists ids")
    if not refs:
        raise UsageFailure(
            "no run id or checkpoint was given", "name one: a file, or an id that `deepunlearn runs` lists"
        )
    return refs


def read_precision(given: str | None, device: str) -> str:
    """The precision asked for, else the device's default.

    Raises:
        UsageFailure: neither fp32 nor bf16.
    """
    if given is None and machine.surely_cpu(device):
        return FP32  # without the seconds that torch takes to load
    if given is None:
        from deepunlearn_cli.engine.device import default_precision, pick_device

        return default_precision(pick_device(device))
    if given not in PRECISIONS:
        failure = unknown("precision", given, PRECISIONS, " or ".join(PRECISIONS))
        raise UsageFailure(failure.message, failure.hint)
    return given


def _stdin_refs() -> list[str]:
    if sys.stdin.isatty():
        raise UsageFailure("- reads run ids from a pipe, and stdin is a terminal", "deepunlearn runs | ... -")
    try:
        return [ref for line in sys.stdin if (ref := line.split("\t")[0].strip().removeprefix(BOM))]
    except OSError as error:
        raise UsageFailure(f"stdin cannot be read: {error.strerror}", "deepunlearn runs | ... -") from None


def set_values(**options: Any) -> dict[str, Any]:
    """The options that were given a value."""
    return {name: value for name, value in options.items() if value is not None}
