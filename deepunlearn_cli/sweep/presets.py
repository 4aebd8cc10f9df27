"""Presets: a method's tuned hyperparameters as a small TOML file that says where they come from."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deepunlearn_cli.core.errors import NotFound, UsageFailure, unknown
from deepunlearn_cli.core.plugins import is_name
from deepunlearn_cli.core.recipe import Recipe
from deepunlearn_cli.methods import METHODS

BEST = "best"


@dataclass(frozen=True)
class Preset:
    """Hyperparameters of a method, and their provenance (dataset, model, sampler, trials, version, ...)."""

    method: str
    revision: int
    params: Mapping[str, Any]
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def doubts(self, start: Recipe) -> list[str]:
        """Why these settings may not suit an original: another dataset or model, another method revision."""
        here = {"dataset": start.labels.get("dataset", ""), "model": start.model}
        there = {name: self.provenance.get(name, "unknown") for name in here}
        doubts = []
        if here != there:
            tuned, used = (f"{pair['dataset']} {pair['model']}" for pair in (there, here))
            doubts.append(f"the preset of {self.method} was tuned on {tuned}, not on {used}")
        revision = METHODS.needed(self.method).revision
        if revision != self.revision:
            doubts.append(
                f"{self.method} has changed since its preset was tuned ({self.revision} → {revision})"
            )
        return doubts


def write(preset: Preset, path: Path) -> None:
    """Write a preset; the file appears whole or not at all.

    Raises:
        UsageFailure: the file cannot be written.
    """
    head = {"method": preset.method, "revision": preset.revision}
    tables = [("", head), ("params", preset.params), ("provenance", preset.provenance)]
    text = "\n".join(_table(name, values) for name, values in tables)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, encoding="utf-8")
        part.replace(path)
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
    if not path.is_file():
        raise NotFound(
            f"no preset file {path}", "deepunlearn sweep writes them; `--preset best` finds its own"
        )
    try:
        content = tomllib.loads(path.read_text("utf-8"))
        preset = Preset(**{"provenance": {}} | content)
        actor, params = METHODS.known(preset.method), dict(preset.params)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, TypeError, ValueError, AttributeError) as error:
        reason = str(error).splitlines()[0]
        raise UsageFailure(f"{path} is not a preset: {reason}", "deepunlearn sweep writes presets") from None
    if actor is None and not is_name(preset.method):  # of a plug-in that nobody named it is what it is
        raise unknown("method", str(preset.method), METHODS.names(), f"in the preset {path}")
    if actor:
        actor.build(params)
    return preset


def best(folder: Path, method: str, start: Recipe, forget: str) -> Preset:
    """The best preset of a store for a method on an original's dataset and model.

    One tuned on the same training and forget set comes first, then the one with the smallest value on fresh
    seeds.

    Raises:
        NotFound: there is none.
    """
    pair = (start.labels.get("dataset", ""), start.model)
    found = [
        preset
        for preset in _all(folder)
        if preset.method == method
        and (preset.provenance.get("dataset"), preset.provenance.get("model")) == pair
    ]
    if not found:
        raise NotFound(
            f"no preset for {method} on {' '.join(pair)}",
            f"`deepunlearn sweep {start.key} --method {METHODS.spelling(method)}`",
        )
    here = (start.root.setting, forget)

    def fit(preset: Preset) -> tuple[bool, float]:
        there = (preset.provenance.get("setting"), preset.provenance.get("forget_sha256"))
        values = [preset.provenance.get(name) for name in ("confirmed", "searched")]
        return there != here, next((float(value) for value in values if value is not None), float("inf"))

    return min(found, key=fit)


def _all(folder: Path) -> Iterator[Preset]:
    for path in sorted(folder.glob("*.toml")):
        yield read(path)


def _table(name: str, values: Mapping[str, Any]) -> str:
    lines = [f"{key} = {_value(value)}" for key, value in values.items() if value is not None]
    return "\n".join([f"[{name}]", *lines] if name else lines) + "\n"


def _value(value: Any) -> str:
    """JSON, which is TOML for texts, booleans, numbers and lists of them."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
