"""Presets: a method's tuned hyperparameters as a small TOML file that says where they come from.

A study's file holds its newest choice, and below it in `[[history]]` every one before.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from deepunlearn_cli.core.errors import Failure, NotFound, UsageFailure
from deepunlearn_cli.core.typed import Seed, Text, check
from deepunlearn_cli.core.whole import write_whole
from deepunlearn_cli.methods import METHODS
from deepunlearn_cli.system.rights import follow, make_folder

BEST = "best"
MADE = ("created", "version")  # of the provenance: when and by what; all else is the choice itself
Plain = bool | int | float | str
BARE = re.compile(r"[A-Za-z0-9_-]+")  # a TOML key that needs no quotes
WRITES = "deepunlearn sweep writes presets"


@dataclass(frozen=True)
class Preset:
    """Hyperparameters of a method, and their provenance (what they were tuned on, how, and how well).

    Attributes:
        history: earlier choices of the same study, oldest first.
        name: of its file, where it has no study.
    """

    method: str
    revision: int
    params: Mapping[str, Any]
    provenance: Mapping[str, Any] = field(default_factory=dict)
    history: Sequence[Preset] = ()
    name: str = ""

    @property
    def confirmed(self) -> float | None:
        """Its mean norm on fresh seeds; None if it has none."""
        return self.provenance.get("confirmed")

    @property
    def title(self) -> str:
        """Which preset this is, for people: its study, when the choice was made, and how good it is."""
        known = self.provenance
        name = known.get("study") or self.name or f"a preset of {self.method}"
        made = f" of {known['created']}" if "created" in known else ""
        return f"{name}{made} ({self._value()})"

    def choices(self) -> Iterator[Preset]:
        """This and every earlier choice of its study, newest first."""
        yield self
        yield from reversed(self.history)

    def same_choice(self, other: Preset) -> bool:
        """Whether another is this one, whenever it was made."""
        return _choice(self) == _choice(other)

    def _value(self) -> str:
        value, spread = self.confirmed, self.provenance.get("confirmed_sd")
        if value is not None:
            return f"confirmed {value:.4f}" + ("" if spread is None else f"±{spread:.4f}")
        searched = self.provenance.get("searched")
        return "not confirmed" + ("" if searched is None else f", searched {searched:.4f}")


def record(preset: Preset, path: Path, say: Callable[[str], None] = lambda _: None) -> Preset:
    """Write a preset over what is there, which becomes its history; an equal choice is left as it is.

    Args:
        say: told of a file that is no preset, which is moved aside.

    Returns:
        What the file holds now.

    Raises:
        UsageFailure: the file cannot be written.
    """
    before = _before(path, say) if path.exists() else None
    if before and before.same_choice(preset):
        return before
    if before:
        preset = replace(preset, history=[*before.history, replace(before, history=())])
    write(preset, path)
    return preset


def _before(path: Path, say: Callable[[str], None]) -> Preset | None:
    try:
        return parse(path)
    except Failure as failure:
        names = (path.with_name(f"{path.name}.{number}.unreadable") for number in count())
        aside = next(name for name in names if not name.exists())
        path.replace(aside)
        say(f"{failure.message}; it is {aside.name} now")
        return None


def write(preset: Preset, path: Path) -> None:
    """Write a preset; the file appears whole or not at all.

    Raises:
        UsageFailure: the file cannot be written.
    """
    head = {"method": preset.method, "revision": preset.revision}
    tables = [("", head), ("params", preset.params), ("provenance", preset.provenance)]
    for one in preset.history:
        tables += [("[history]", {"revision": one.revision})]
        tables += [("history.params", one.params), ("history.provenance", one.provenance)]
    text = "\n".join(_table(name, values) for name, values in tables)
    try:
        make_folder(path.parent)
        write_whole(path, text.encode("utf-8", "surrogateescape"))
        follow(path)
    except OSError as error:
        raise UsageFailure(
            f"cannot write the preset {path}: {error.strerror}", "choose another file"
        ) from None


def read(path: Path) -> Preset:
    """The preset in a file.

    Raises:
        NotFound: no such file, or a method that there is not.
        UsageFailure: not a preset, or hyperparameters that the method does not take.
    """
    preset = parse(path)
    METHODS.needed(preset.method).build(preset.params)
    return preset


def parse(path: Path) -> Preset:
    """The preset in a file, whatever its method.

    Raises:
        NotFound, UsageFailure: no such file; not a preset.
    """
    if not path.is_file():
        raise NotFound(
            f"no preset file {path}", "deepunlearn sweep writes them; `--preset best` finds its own"
        )
    try:
        return _preset(tomllib.loads(path.read_text("utf-8", "surrogateescape")), path.name)
    except OSError as error:
        raise UsageFailure(f"cannot read the preset {path}: {error.strerror}", WRITES) from None
    except (ValueError, TypeError, RecursionError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UsageFailure(f"{path} is not a preset: {reason}", WRITES) from None


def every(folder: Path) -> Iterator[Path]:
    """The files of a store's presets."""
    return iter(sorted(folder.glob("*.toml")))


class Written(TypedDict):
    """A preset as a file holds it."""

    method: Text
    revision: Seed
    params: Mapping[str, Plain]
    provenance: NotRequired[Figures]
    history: NotRequired[list[Mapping[str, Any]]]


class Figures(TypedDict, total=False):
    """What of a provenance is counted with; all else is told as it is."""

    confirmed: float
    confirmed_sd: float
    searched: float


def _preset(content: Mapping[str, Any], name: str) -> Preset:
    """A preset from plain data. `Mistyped` if it is none."""
    if unknown := sorted(content.keys() - Written.__annotations__.keys()):
        raise ValueError(f"unknown key {unknown[0]}")
    check(content, Written)
    told: dict[str, Any] = {"provenance": {}, "history": [], **content}
    check(told["provenance"], Mapping[str, Plain | list[Plain]], "provenance")
    history = [_preset({"method": told["method"], **one}, name) for one in told["history"]]
    return Preset(told["method"], told["revision"], told["params"], told["provenance"], history, name)


def _choice(preset: Preset) -> list[Any]:
    told = {k: v for k, v in preset.provenance.items() if k not in MADE and v is not None}
    return [preset.method, preset.revision, dict(preset.params), told]


def _table(name: str, values: Mapping[str, Any]) -> str:
    told = {key if BARE.fullmatch(key) else _value(key): value for key, value in values.items()}
    lines = [f"{key} = {_value(value)}" for key, value in told.items() if value is not None]
    return "\n".join([f"[{name}]", *lines] if name else lines) + "\n"


def _value(value: Any) -> str:
    """JSON, which is TOML for texts, booleans, numbers and lists of them."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False).replace("\x7f", "\\u007f")
