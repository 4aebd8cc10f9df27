"""A run on disk: its files, written once and read lazily."""

from __future__ import annotations

import json
import math
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepunlearn_cli.core.errors import NotFound, StoreCorrupt
from deepunlearn_cli.core.recipe import Recipe
from deepunlearn_cli.core.shared import Outputs
from deepunlearn_cli.core.typed import load
from deepunlearn_cli.store import manifest
from deepunlearn_cli.store.kinds import ELSEWHERE, FACTS, KINDS, SCORES
from deepunlearn_cli.system.rights import follow, forbidden

if TYPE_CHECKING:
    import numpy as np
    import torch

RECIPE, LOG = "recipe.json", "log.jsonl"
WEIGHTS, OUTPUTS, TRACK = "weights.safetensors", "outputs.safetensors", "track.safetensors"


@dataclass(frozen=True)
class Run:
    """One run. Files are read when asked for.

    Every byte is compared with the manifest as it is read. A file that the run does not have raises
    `NotFound`, one that differs `StoreCorrupt`, one that this user may not read `UsageFailure`.
    """

    id: str
    path: Path

    @cached_property
    def recipe(self) -> Recipe:
        """The question that this run answers."""
        try:
            recipe = Recipe.from_json(self._json(RECIPE))
        except (ValueError, KeyError, TypeError, AttributeError):
            raise self._corrupt(RECIPE) from None
        if recipe.key != self.id:
            raise self._corrupt(RECIPE)
        return recipe

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

    @cached_property
    def elsewhere(self) -> dict[str, Any]:
        """Of a run that gave up files, or left them where it came from: what it `left`, what is `reduced`."""
        return self._json(ELSEWHERE) if (self.path / ELSEWHERE).exists() else {}

    @property
    def left(self) -> list[str]:
        """Names of the files that it had where it was made, and has no more."""
        return list(self.elsewhere.get("left", ()))

    @property
    def whole(self) -> bool:
        """Whether it keeps all that it was made with."""
        return not self.left

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(file.stat().st_size for file in self.path.iterdir())

    def digest(self, name: str) -> str | None:
        """SHA-256 of a file as it was sealed; None of one that the run does not keep."""
        described = self._sealed.get(name)
        return str(described["sha256"]) if described else None

    def weights(self) -> dict[str, torch.Tensor]:
        """The model's state dict, on the CPU."""
        return self._tensors(WEIGHTS)

    def track(self) -> dict[str, torch.Tensor]:
        """By name of the weight, the updates of all steps on the forget set, summed (tracked training)."""
        return self._tensors(TRACK)

    def outputs(self) -> dict[str, dict[str, np.ndarray]]:
        """What the model said: split -> name (`logits` (N, classes), `labels` (N,), ...) -> array."""
        from safetensors import SafetensorError
        from safetensors.numpy import load

        nested: dict[str, dict[str, np.ndarray]] = {}
        try:
            for key, array in load(self._bytes(OUTPUTS)).items():
                split, _, name = key.rpartition(".")
                nested.setdefault(split, {})[name] = array
        except (SafetensorError, ValueError):
            raise self._corrupt(OUTPUTS) from None
        return nested

    def log(self) -> list[dict[str, Any]]:
        """The training log, one entry per epoch; empty if none was kept."""
        if LOG not in self._sealed:
            return []
        try:
            return [load(line, Mapping[str, Any]) for line in self._bytes(LOG).splitlines()]
        except ValueError:
            raise self._corrupt(LOG) from None

    def _tensors(self, name: str) -> dict[str, torch.Tensor]:
        from safetensors import SafetensorError
        from safetensors.torch import load

        try:
            return dict(load(self._bytes(name)))
        except (SafetensorError, ValueError):
            raise self._corrupt(name) from None

    @cached_property
    def _sealed(self) -> Mapping[str, Any]:
        """The manifest's files: by name their digest and size."""
        try:
            return manifest.sealed_files(self.path)
        except PermissionError as error:
            raise forbidden(error) from None
        except manifest.UNREADABLE:
            raise self._corrupt(manifest.MANIFEST) from None

    def _bytes(self, name: str) -> bytes:
        """A file of the run, as it was sealed."""
        if name not in self._sealed and not (self.path / name).exists():
            noun = name.partition(".")[0]
            hint = f"deepunlearn show {self.id} lists what it keeps"
            raise NotFound(f"run {self.id} keeps no {noun} ({name})", hint)
        try:
            content = (self.path / name).read_bytes()
        except PermissionError as error:
            raise forbidden(error, self.path / name) from None
        except OSError:
            raise self._corrupt(name) from None
        if not manifest.holds(self._sealed.get(name), content):
            raise self._corrupt(name)
        return content

    def _json(self, name: str) -> dict[str, Any]:
        try:
            value: dict[str, Any] = load(self._bytes(name), KINDS.get(name, Mapping[str, Any]))
        except ValueError:
            raise self._corrupt(name) from None
        return value

    def _corrupt(self, name: str) -> StoreCorrupt:
        return StoreCorrupt(f"{self.path / name} is not what was sealed", f"deepunlearn verify {self.id}")


def inputs_of(run: Run) -> list[str]:
    """Ids of the runs that this one was made from; none where its recipe cannot be read."""
    try:
        return [one.key for one in run.recipe.inputs.values()]
    except (NotFound, StoreCorrupt, OSError, ValueError, TypeError, AttributeError, RecursionError):
        return []


def size_of(files: Mapping[str, Any]) -> int:
    """About how many bytes the tensors and outputs of a run to be written take on disk."""
    tensors = [one for name in ("weights", "track") for one in (files[name] or {}).values()]
    arrays = [array for part in (files["outputs"] or {}).values() for array in part.values()]
    return sum(int(getattr(one, "nbytes", 0)) for one in (*tensors, *arrays))


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
        write_outputs(folder / OUTPUTS, outputs)
    follow_files(folder)


def follow_files(folder: Path) -> None:
    """Give every file of a run the rights of its recipe, and those of a shared store where it is one.

    safetensors writes files that only their owner may read.
    """
    usual = stat.S_IMODE((folder / RECIPE).stat().st_mode)
    follow(folder)
    for path in folder.iterdir():
        path.chmod(usual)
        follow(path)


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


def write_outputs(path: Path, outputs: Outputs) -> None:
    """What a model said, as a run keeps it."""
    import numpy as np
    from safetensors.numpy import save_file

    flat = {f"{split}.{name}": array for split, arrays in outputs.items() for name, array in arrays.items()}
    save_file({key: np.asarray(array, order="C") for key, array in flat.items()}, path)
