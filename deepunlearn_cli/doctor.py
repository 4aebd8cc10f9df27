"""Is this machine fit to work on? Each check is a fact, whether it is right, and the cure if not.

May import: `core`, `system`, `engine`, `models`.
"""

from __future__ import annotations

import importlib
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from deepunlearn_cli.models import PAIR_CURE

LIBRARIES = (
    "numpy",
    "torch",
    "torchvision",
    "timm",
    "sklearn",
    "safetensors",
    "optuna",
    "pandas",
    "tabulate",
)
PACKAGES = {"sklearn": "scikit-learn"}
ENOUGH_DISK = 2_000_000_000  # bytes; a ResNet18 run takes 50 MB


@dataclass(frozen=True)
class Check:
    """One finding."""

    name: str
    ok: bool
    found: str
    cure: str = ""


def checks(store: Path) -> list[Check]:
    """Everything that a run will need: Python, libraries, torch with torchvision, device, store, disk."""
    found = [_python(), *map(_library, LIBRARIES)]
    return [*found, *map(_guarded, (_pair, _device)), _store(store), _disk(store)]


def _python() -> Check:
    return Check(
        "python", sys.version_info >= (3, 11), sys.version.split()[0], "Python 3.11 or newer is needed"
    )


def _library(module: str) -> Check:
    package = PACKAGES.get(module, module)
    try:
        return Check(package, True, version(package))
    except PackageNotFoundError:
        return Check(package, False, "not installed", f"pip install {package}")


def _guarded(check: Callable[[], Check]) -> Check:
    try:
        return check()
    except Exception as error:  # noqa: BLE001 - a broken library may raise anything at import
        name = check.__name__.strip("_")
        return Check(name, False, f"{type(error).__name__}: {str(error).splitlines()[0]}", PAIR_CURE)


def _pair() -> Check:
    """Torchvision registers operators in torch at import; a wheel made for another torch fails there."""
    torch, torchvision = importlib.import_module("torch"), importlib.import_module("torchvision")
    boxes = torch.tensor([[0.0, 0.0, 1.0, 1.0]])
    torchvision.ops.nms(boxes, torch.ones(1), 0.5)
    return Check("torch with torchvision", True, f"{torch.__version__} with {torchvision.__version__}")


def _device() -> Check:
    from deepunlearn_cli.engine.device import default_precision, describe, pick_device

    device = pick_device()
    return Check("device", True, f"{device}: {describe(device)}, {default_precision(device)} by default")


def _store(path: Path) -> Check:
    place = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
    state = "there" if path.exists() else "made when first needed"
    ok = os.access(place, os.W_OK)
    return Check("store", ok, f"{path} ({state})", f"{place} cannot be written: choose another --store")


def _disk(path: Path) -> Check:
    place = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
    free = shutil.disk_usage(place).free
    return Check(
        "disk", free >= ENOUGH_DISK, f"{free / 1e9:.1f} GB free", "make room, or choose another --store"
    )
