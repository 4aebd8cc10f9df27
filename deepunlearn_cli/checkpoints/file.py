"""Checkpoint files: read without ever executing what is in them, written with all that `unlearn` needs.

A file of ours is a plain state dict that any program can load. Its claims are metadata, one JSON text named
`deepunlearn`: the recipe that made it, the dataset and the forget set. They are believed only as far as they
can be checked.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import shlex
import warnings
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, cast

from deepunlearn_cli.checkpoints import bombs
from deepunlearn_cli.checkpoints.contents import (
    EXPORT,
    Entries,
    check_tensors,
    chosen,
    class_names,
    state_dicts,
)
from deepunlearn_cli.core.errors import Failure, NotFound, UsageFailure
from deepunlearn_cli.core.names import encoded
from deepunlearn_cli.core.recipe import Recipe, Written
from deepunlearn_cli.core.typed import Count, Digest, Mistyped, Text, Time, check
from deepunlearn_cli.core.whole import write_whole
from deepunlearn_cli.data import ClaimedForget, check_claim

if TYPE_CHECKING:
    from torch import Tensor

SUFFIXES = (".pt", ".pth", ".ckpt", ".bin", ".safetensors")
CLAIMS = "deepunlearn"
REWRITE = (  # of a file that holds code, for who trusts it; `{0!r}` becomes `{1!r}`
    "import torch; m = torch.load({0!r}, map_location='cpu', weights_only=False); "
    "m = m.get('state_dict', m.get('model')) if isinstance(m, dict) else m; "
    "torch.save(m if isinstance(m, dict) else m.state_dict(), {1!r})"
)
RESCRIPT = "import torch; torch.save(torch.jit.load({0!r}, map_location='cpu').state_dict(), {1!r})"


class Claims(TypedDict, total=False):
    """What a file of ours says about itself; a file from elsewhere says nothing.

    Attributes:
        recipe: of the run, as `Recipe.to_json` gives it.
        dataset: its spec, with absolute paths.
        image_size: None where pictures are not square.
        split_folders: of `folder:PATH`, where somebody named them.
        classes: names in the order of the model's outputs.
        forgotten: by earlier requests, newest first.
        created: when its run was made, in seconds since 1970.
    """

    recipe: Written
    dataset: Text | None
    image_size: Count | None
    split_folders: str | None
    classes: list[Text] | None
    forget: ClaimedForget | None
    forgotten: list[ClaimedForget]
    created: Time


@dataclass(frozen=True)
class Checkpoint:
    """What a file holds, and what it claims about itself (nothing where it is from elsewhere).

    Attributes:
        entries: its state dicts by place, the one that is meant first.
        classes: names of the classes in the order of the model's outputs, where the file has them.
    """

    path: Path
    entries: Entries
    claims: Claims
    classes: tuple[str, ...] = ()

    @property
    def weights(self) -> dict[str, Tensor]:
        """The state dict that is meant, by the file's names."""
        return next(iter(self.entries.values()))


def weights_hash(weights: Mapping[str, Tensor]) -> str:
    """SHA-256 (hex) of weights, whatever file they came in."""
    import torch

    digest = hashlib.sha256()
    for name in sorted(weights):
        value = weights[name].detach().cpu().contiguous()
        digest.update(encoded(f"{name} {value.dtype} {tuple(value.shape)}\n"))
        digest.update(value.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def looks_like_file(ref: str) -> bool:
    """Whether a REF means a file rather than a run id."""
    return Path(ref).suffix in SUFFIXES or os.sep in ref or Path(ref).is_file()


def read(path: Path, key: str | None = None) -> Checkpoint:
    """A checkpoint file (`.safetensors`, or anything `torch.save` wrote), tensors only.

    Args:
        key: which of several state dicts, as `state_dict_ema`.

    Raises:
        NotFound: no such file.
        UsageFailure: truncated, not a state dict, with pickled code (which is never run), or without `key`.
    """
    if not path.is_file():
        raise NotFound(f"no checkpoint file {path}", "run ids are listed by `deepunlearn runs`")
    content, claims = _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)
    entries = state_dicts(content, path)
    check_tensors(entries, path)
    entries = chosen(entries, key, path) if key else entries
    return Checkpoint(path, entries, _parsed(claims, path), class_names(content))


def write(path: Path, weights: Mapping[str, Tensor], claims: Mapping[str, Any]) -> None:
    """Write weights as a plain state dict, with claims as its metadata; it appears whole or not at all.

    Raises:
        UsageFailure: the folder does not exist or cannot be written.
    """
    import torch
    from safetensors.torch import save

    text, layout = json.dumps(claims, sort_keys=True), torch.contiguous_format
    # copies: tied weights and other layouts are not for every reader
    plain = OrderedDict((name, w.detach().clone(memory_format=layout)) for name, w in weights.items())
    try:
        if path.suffix == ".safetensors":
            write_whole(path, save(dict(plain), metadata={CLAIMS: text}))
        else:
            plain._metadata = {CLAIMS: {CLAIMS: text}}  # type: ignore[attr-defined]
            content = io.BytesIO()
            torch.save(plain, content)
            write_whole(path, content.getvalue())
    except OSError as error:
        raise UsageFailure(f"cannot write {path}: {error}", "choose another --out") from None


def run_of(path: Path) -> str | None:
    """Id of the run that a file of ours says it is of; None for any other file."""
    try:
        return Recipe.from_json(read(path).claims["recipe"]).key
    except (Failure, KeyError, TypeError, ValueError, AttributeError, RecursionError):
        return None


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

    bombs.check_archive(path)
    try:
        with warnings.catch_warnings(action="ignore"), torch.serialization.safe_globals(_harmless()):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except (UnpicklingError, KeyError):  # the latter where text is taken for instructions
        raise UsageFailure(
            f"{path} holds pickled code (a whole model, say) or is no checkpoint; nothing in it was run",
            f"if you trust it, where its code is: {_rewritten(REWRITE, path)}",
        ) from None
    except (RuntimeError, EOFError, OSError, ValueError, AttributeError, TypeError, IndexError) as error:
        if "TorchScript" in str(error):
            raise UsageFailure(f"{path} is a TorchScript archive", _rewritten(RESCRIPT, path)) from None
        raise UsageFailure(f"{path} is not a whole checkpoint: {_first_line(error)}", EXPORT) from None
    return content, _claims_in(content)


def _claims_in(content: Any) -> str:
    """The claims of a file: in its metadata or, as version 0.2 wrote them, beside its state dict."""
    metadata = getattr(content, "_metadata", None)
    holder = metadata.get(CLAIMS, content) if isinstance(metadata, dict) else content
    text = holder.get(CLAIMS, "{}") if isinstance(holder, dict) else "{}"
    return text if isinstance(text, str) else "{}"


def _harmless() -> list[Any]:
    """What training scripts put beside weights, and is data: options, and numbers of NumPy's."""
    import numpy as np

    numbers = [type(np.dtype(kind)) for kind in ("f8", "f4", "f2", "i8", "i4", "u1", "?")]
    return [argparse.Namespace, np.dtype, np._core.multiarray.scalar, *numbers]  # type: ignore[attr-defined]


def _rewritten(code: str, path: Path) -> str:
    """A command that makes a plain state dict of a file."""
    code = code.format(str(path), str(path.with_name(f"{path.stem}-weights.pth")))
    return f"python -c {shlex.quote(code)}"


def _parsed(claims: str, path: Path) -> Claims:
    """The claims of a file, each of its declared type.

    Raises:
        UsageFailure: no JSON, or a claim that is not; the message names its key and what is wanted.
    """
    try:
        parsed = json.loads(claims)
        check(parsed, Claims)
        if "recipe" in parsed:
            _check_names(Recipe.from_json(parsed["recipe"]))
        for claim in filter(None, (parsed.get("forget"), *parsed.get("forgotten", ()))):
            check_claim(claim)
    except (Mistyped, TypeError, ValueError, RecursionError) as error:
        fault = f": {error}" if isinstance(error, Mistyped) else ""
        raise UsageFailure(
            f"{path}: its description is not readable{fault}", "give --dataset --model --forget yourself"
        ) from None
    return cast("Claims", parsed)


def _check_names(recipe: Recipe) -> None:
    """See that what files of a store are found by is no path: a hash, in every recipe of a recipe."""
    for name in ("fingerprint", "tracked"):
        if name in recipe.data:
            check(recipe.data[name], Digest, f"recipe.data.{name}")
    check(recipe.forget, Digest | None, "recipe.forget")
    check(list(recipe.forgotten), list[Digest], "recipe.data.forgotten")
    for one in recipe.inputs.values():
        _check_names(one)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
