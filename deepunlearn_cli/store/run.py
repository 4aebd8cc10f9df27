"""A run on disk: its files, written once and read lazily."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepunlearn_cli.core.errors import NotFound, StoreCorrupt
from deepunlearn_cli.core.recipe import Recipe
from deepunlearn_cli.core.shared import Outputs
from deepunlearn_cli.store import manifest

if TYPE_CHECKING:
    import numpy as np
    import torch

RECIPE, SCORES, FACTS, LOG = "recipe.json", "scores.json", "facts.json", "log.jsonl"
WEIGHTS, OUTPUTS, TRACK = "weights.safetensors", "outputs.safetensors", "track.safetensors"


@dataclass(frozen=True)
class Run:
    """One run. Files are read when asked for.

    A file that the run does not have raises `NotFound`; one that cannot be read raises `StoreCorrupt`.
    """

    id: str
    path: Path

    @cached_property
    def recipe(self) -> Recipe:
        """The question that this run answers."""
        try:
            return Recipe.from_json(self._json(RECIPE))
        except (ValueError, KeyError, TypeError, AttributeError):
            raise self._corrupt(RECIPE) from None

    @cached_property
    def scores(self) -> dict[str, Any]:
        """Measures by name; what could not be measured is None."""
        return self._json(SCORES)

    @cached_property
    def facts(self) -> dict[str, Any]:
        """How the run went: status, seconds, work, device, when it was created, ..."""
        return self._json(FACTS)

    @property
    def status(self) -> str:
        """`done` or `failed`."""
        return str(self.facts.get("status", "done"))

    @property
    def files(self) -> list[str]:
        """Names of the files that the run keeps, its manifest aside."""
        return manifest.file_names(self.path)

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(file.stat().st_size for file in self.path.iterdir())

    def weights(self) -> dict[str, torch.Tensor]:
        """The model's state dict, on the CPU."""
        return self._tensors(WEIGHTS)

    def track(self) -> dict[str, torch.Tensor]:
        """By name of the weight, the updates of all steps on the forget set, summed (tracked training)."""
        return self._tensors(TRACK)

    def outputs(self) -> dict[str, dict[str, np.ndarray]]:
        """What the model said: split -> name (`logits` (N, classes), `labels` (N,), ...) -> array."""
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        nested: dict[str, dict[str, np.ndarray]] = {}
        try:
            for key, array in load_file(self._file(OUTPUTS)).items():
                split, _, name = key.rpartition(".")
                nested.setdefault(split, {})[name] = array
        except (SafetensorError, ValueError):
            raise self._corrupt(OUTPUTS) from None
        return nested

    def log(self) -> list[dict[str, Any]]:
        """The training log, one entry per epoch; empty if none was kept."""
        if not (self.path / LOG).exists():
            return []
        try:
            return [json.loads(line) for line in self._file(LOG).read_bytes().splitlines()]
        except ValueError:
            raise self._corrupt(LOG) from None

    def _tensors(self, name: str) -> dict[str, torch.Tensor]:
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return dict(load_file(self._file(name)))
        except (SafetensorError, ValueError):
            raise self._corrupt(name) from None

    def _file(self, name: str) -> Path:
        if not (self.path / name).exists():
            noun = name.partition(".")[0]
            hint = f"deepunlearn show {self.id} lists what it keeps"
            raise NotFound(f"run {self.id} keeps no {noun} ({name})", hint)
        return self.path / name

    def _json(self, name: str) -> dict[str, Any]:
        try:
            value = json.loads(self._file(name).read_bytes())
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise self._corrupt(name)
        return value

    def _corrupt(self, name: str) -> StoreCorrupt:
        return StoreCorrupt(f"{self.path / name} cannot be read", f"deepunlearn verify {self.id}")


def write_files(
    folder: Path,
    *,
    recipe: Recipe,
    weights: Mapping[str, torch.Tensor] | None,
    track: Mapping[str, torch.Tensor] | None,
    outputs: Outputs | None,
    scores: Mapping[str, Any],
    facts: Mapping[str, Any],
    log: Iterable[Mapping[str, Any]],
) -> None:
    """Every file of a run but its manifest."""
    for name, value in ((RECIPE, recipe.to_json()), (SCORES, scores), (FACTS, facts)):
        (folder / name).write_text(json.dumps(plain(value), indent=1) + "\n", encoding="utf-8")
    if lines := [json.dumps(plain(entry)) + "\n" for entry in log]:
        (folder / LOG).write_text("".join(lines), encoding="utf-8")
    for name, tensors in ((WEIGHTS, weights), (TRACK, track)):
        if tensors is not None:
            _write_tensors(folder / name, tensors)
    if outputs is not None:
        _write_outputs(folder / OUTPUTS, outputs)


def plain(value: Any) -> Any:
    """`value` as strict JSON data: NaN and infinities become None, NumPy and torch scalars become numbers."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return plain(value.item()) if hasattr(value, "item") else value


def _write_tensors(path: Path, tensors: Mapping[str, torch.Tensor]) -> None:
    import torch
    from safetensors.torch import save_file

    # Copies, because safetensors refuses tied weights and layouts such as channels-last.
    layout = torch.contiguous_format
    save_file({name: t.detach().cpu().clone(memory_format=layout) for name, t in tensors.items()}, path)


def _write_outputs(path: Path, outputs: Outputs) -> None:
    import numpy as np
    from safetensors.numpy import save_file

    flat = {f"{split}.{name}": array for split, arrays in outputs.items() for name, array in arrays.items()}
    save_file({key: np.asarray(array, order="C") for key, array in flat.items()}, path)
