"""Checkpoint files: read without ever executing what is in them, written with all that `unlearn` needs.

A file of ours holds a `state_dict` and, as one JSON text named `deepunlearn`, its claims: the recipe that
made it, the dataset and the forget set. Claims are believed only as far as they can be checked.
"""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, cast

from deepunlearn_cli.core.errors import NotFound, UsageFailure

if TYPE_CHECKING:
    from torch import Tensor

    from deepunlearn_cli.data import ClaimedForget

SUFFIXES = (".pt", ".pth", ".ckpt", ".bin", ".safetensors")
CLAIMS = "deepunlearn"
WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "weights")  # where training scripts put weights
PREFIXES = ("module.", "_orig_mod.", "model.")  # DataParallel, torch.compile, Lightning
EXPORT = "save it with torch.save(model.state_dict(), FILE)"


class Claims(TypedDict, total=False):
    """What a file of ours says about itself; a file from elsewhere says nothing.

    Attributes:
        recipe: of the run, as `Recipe.to_json` gives it.
        dataset: its spec, with absolute paths.
        image_size: None where pictures are not square.
        split_folders: of `folder:PATH`, where somebody named them.
        classes: names in the order of the model's outputs.
    """

    recipe: Mapping[str, Any]
    dataset: str
    image_size: int | None
    split_folders: str | None
    classes: list[str]
    forget: ClaimedForget


@dataclass(frozen=True)
class Checkpoint:
    """Weights by name, and what the file claims about itself (empty for files from elsewhere)."""

    path: Path
    weights: dict[str, Tensor]
    claims: Claims

    @cached_property
    def sha256(self) -> str:
        """SHA-256 (hex) over names, types, shapes and bytes of the weights."""
        return weights_hash(self.weights)


def weights_hash(weights: Mapping[str, Tensor]) -> str:
    """SHA-256 (hex) of weights, whatever file they came in."""
    import torch

    digest = hashlib.sha256()
    for name in sorted(weights):
        value = weights[name].detach().cpu().contiguous()
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def looks_like_file(ref: str) -> bool:
    """Whether a REF means a file rather than a run id."""
    return Path(ref).suffix in SUFFIXES or os.sep in ref or Path(ref).is_file()


def read(path: Path) -> Checkpoint:
    """A checkpoint file (`.safetensors`, or anything `torch.save` wrote), tensors only.

    Raises:
        NotFound: no such file.
        UsageFailure: truncated, not a state dict, or holding pickled code (which is never run).
    """
    if not path.is_file():
        raise NotFound(f"no checkpoint file {path}", "run ids are listed by `deepunlearn runs`")
    content, claims = _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)
    return Checkpoint(path, _state_dict(content, path), _parsed(claims, path))


def write(path: Path, weights: Mapping[str, Tensor], claims: Mapping[str, Any]) -> None:
    """Write a checkpoint with its claims; the file appears whole or not at all.

    Raises:
        UsageFailure: the folder does not exist or cannot be written.
    """
    import torch
    from safetensors.torch import save_file

    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    text = json.dumps(claims, sort_keys=True)
    try:
        if path.suffix == ".safetensors":
            save_file(dict(weights), part, metadata={CLAIMS: text})
        else:
            torch.save({CLAIMS: text, "state_dict": dict(weights)}, part)
        part.replace(path)
    except (OSError, RuntimeError) as error:
        part.unlink(missing_ok=True)
        raise UsageFailure(f"cannot write {path}: {error}", "choose another --out") from None


def check_writable(path: Path) -> None:
    """Refuse, before hours of work, a file that could not be written at their end.

    Raises:
        UsageFailure: unknown kind of file, or a folder that is missing or read-only.
    """
    if path.suffix not in SUFFIXES:
        raise UsageFailure(f"--out {path}: unknown kind of file", f"end it in one of {', '.join(SUFFIXES)}")
    if not path.absolute().parent.is_dir() or not os.access(path.absolute().parent, os.W_OK):
        raise UsageFailure(f"--out {path}: its folder cannot be written", "create the folder first")


def _read_safetensors(path: Path) -> tuple[Any, str]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as handle:
            tensors = {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118 - not a dict
            return tensors, (handle.metadata() or {}).get(CLAIMS, "{}")
    except (SafetensorError, OSError) as error:
        raise UsageFailure(f"{path} is not a whole safetensors file: {_first_line(error)}", EXPORT) from None


def _read_torch(path: Path) -> tuple[Any, str]:
    from pickle import UnpicklingError

    import torch

    try:
        with warnings.catch_warnings(action="ignore"):  # of pickle protocols; what matters is refused
            content = torch.load(path, map_location="cpu", weights_only=True)
    except (UnpicklingError, KeyError):  # the latter where text is taken for instructions
        raise UsageFailure(
            f"{path} holds pickled code or is no checkpoint; nothing in it was run", EXPORT
        ) from None
    except (RuntimeError, EOFError, OSError, ValueError, AttributeError) as error:
        raise UsageFailure(f"{path} is not a whole checkpoint: {_first_line(error)}", EXPORT) from None
    return content, content.get(CLAIMS, "{}") if isinstance(content, dict) else "{}"


def _state_dict(content: Any, path: Path) -> dict[str, Tensor]:
    import torch

    if isinstance(content, Mapping):
        inner = next((content[name] for name in WRAPPERS if isinstance(content.get(name), Mapping)), content)
        odd = [name for name, value in inner.items() if not isinstance(value, torch.Tensor)]
        if inner and not odd:
            return _without_prefix(dict(inner))
        fault = f"entry {odd[0]!r} is a {type(inner[odd[0]]).__name__}" if odd else "it is empty"
        raise UsageFailure(f"{path} is not a state dict of tensors: {fault}", EXPORT)
    raise UsageFailure(f"{path} holds a {type(content).__name__}, not a state dict", EXPORT)


def _without_prefix(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    for prefix in PREFIXES:
        if all(name.startswith(prefix) for name in weights):
            weights = {name.removeprefix(prefix): value for name, value in weights.items()}
    return weights


def _parsed(claims: str, path: Path) -> Claims:
    try:
        parsed = json.loads(claims)
    except (TypeError, ValueError):
        parsed = None
    if not isinstance(parsed, dict):
        raise UsageFailure(
            f"{path}: its description is not readable", "give --dataset --model --forget yourself"
        )
    return cast("Claims", parsed)  # as far as whoever reads it can check


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
