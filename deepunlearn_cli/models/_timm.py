"""Models of timm by name, by a folder (`local-dir:`), or from the Hugging Face hub's cache (`hf-hub:`)."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepunlearn_cli.core.errors import NotFound, UsageFailure, unknown

if TYPE_CHECKING:
    from torch import nn

HUB, FOLDER = "hf-hub", "local-dir"
CONFIG = "config.json"


def source_of(name: str) -> tuple[str, str]:
    """Where a timm name says that its model is described, and what follows: (`hf-hub`, `timm/resnet18`)."""
    source, _, rest = name.partition(":")
    return (source, rest) if source in (HUB, FOLDER) else ("", name)


def check(name: str) -> None:
    """Refuse a model that there is not.

    Raises:
        NotFound: no such model, folder or cached file.
    """
    import timm

    source, rest = source_of(name)
    if source:
        config(name)
    elif rest.partition(".")[0] not in (names := timm.list_models()):
        raise unknown("timm model", rest, names, "`deepunlearn models` shows the forms")


def pinned(name: str) -> str:
    """A name that stands for the same model for good: a folder's place, a hub model at its revision."""
    source, rest = source_of(name)
    if source == FOLDER:
        return f"{FOLDER}:{Path(rest).expanduser().absolute()}"
    if source == HUB:
        model, _, _ = rest.partition("@")
        return f"{HUB}:{model}@{config(name).parent.name}"  # files lie in snapshots/REVISION
    return name


def code(name: str) -> str | None:
    """SHA-256 (hex) of a folder's description; a revision of the hub is its own."""
    source, _ = source_of(name)
    return hashlib.sha256(config(name).read_bytes()).hexdigest() if source == FOLDER else None


def config(name: str) -> Path:
    """The file that describes a model.

    Raises:
        NotFound: it is not on this machine.
    """
    source, rest = source_of(name)
    if source == FOLDER:
        found = Path(rest).expanduser() / CONFIG
        if not found.is_file():
            raise NotFound(f"model timm:{name}: no file {found}", "it is what timm's save_for_hf writes")
        return found
    return _cached(rest)


def _cached(rest: str) -> Path:
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    model, _, revision = rest.partition("@")
    try:
        found = try_to_load_from_cache(model, CONFIG, revision=revision or None)
    except HFValidationError:
        raise UsageFailure(f"model timm:{HUB}:{rest}: no name of the hub", "timm:hf-hub:OWNER/NAME") from None
    if not isinstance(found, str):
        which = f" --revision {revision}" if revision else ""
        raise NotFound(
            f"model timm:{HUB}:{rest} is not in the hub's cache on this machine",
            f"hf download {model}{which} gets it",
        )
    return Path(found)


def create(name: str, size: tuple[int, int], fitted: dict[str, Any]) -> nn.Module:
    """A newly initialised model for pictures of this height and width."""
    import timm

    from deepunlearn_cli.engine.windows import unpad

    known = pinned(name)
    wanted = size[0] if size[0] == size[1] else size
    try:
        return unpad(timm.create_model(known, pretrained=False, img_size=wanted, **fitted))
    except TypeError:  # convolutional families take any size and no such argument
        return unpad(timm.create_model(known, pretrained=False, **fitted))


def normalisation(name: str) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """Mean and deviation of the `pretrained_cfg` of a model; None where it has none."""
    import timm

    known = timm.create_model(pinned(name), pretrained=False)
    about = getattr(known, "pretrained_cfg", None) or {}
    return (tuple(about["mean"]), tuple(about["std"])) if {"mean", "std"} <= about.keys() else None
