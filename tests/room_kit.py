"""Who lives in a room, by the files on disk: an exam over `ROOM.names()` is an exam of the whole room."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from deepunlearn_cli.core.registry import Room


def residents(room: Room[Any]) -> list[str]:
    """Public names of all files of a room that do not start with an underscore."""
    (folder,) = map(Path, import_module(room.package).__path__)
    files = (path.stem for path in folder.glob("*.py") if not path.stem.startswith("_"))
    return sorted(name.replace("_", "-") for name in files)
