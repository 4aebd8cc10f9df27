"""Plug-ins that a plan names: their paths are relative to the plan, and what it names is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deepunlearn_cli.attacks import ATTACKS
from deepunlearn_cli.core.registry import Room
from deepunlearn_cli.data import FAMILIES
from deepunlearn_cli.methods import METHODS

ALL = "all"


def resolved(content: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """A plan's content with plug-ins by their public names, and datasets of the user's by absolute paths.

    What is no text where one belongs is left as it is, for who checks the plan.

    Raises:
        NotFound, UsageFailure: a plug-in that is not there or cannot be loaded.
    """
    made = dict(content)
    for key, name in (("methods", _method), ("attacks", _attack), ("datasets", _dataset)):
        if isinstance(content.get(key), list):
            made[key] = [name(one, folder) for one in content[key]]
    if isinstance(content.get("cells"), list):
        made["cells"] = [
            resolved(one, folder) if isinstance(one, Mapping) else one for one in content["cells"]
        ]
    if isinstance(content.get("params"), Mapping):
        made["params"] = {_method(name, folder): values for name, values in content["params"].items()}
    if isinstance(sweep := content.get("sweep"), Mapping) and isinstance(sweep.get("ranges"), Mapping):
        ranges = {_method(name, folder): values for name, values in sweep["ranges"].items()}
        made["sweep"] = {**sweep, "ranges": ranges}
    return made


def _method(one: Any, folder: Path) -> Any:
    return one if one == ALL else _public(METHODS, one, folder)


def _attack(one: Any, folder: Path) -> Any:
    if isinstance(one, Mapping) and "name" in one:
        return {**one, "name": _public(ATTACKS, one["name"], folder)}
    return _public(ATTACKS, one, folder)


def _dataset(one: Any, folder: Path) -> Any:
    return _from(folder, FAMILIES, one) if isinstance(one, str) else one


def _public(room: Room[Any], one: Any, folder: Path) -> Any:
    """The name that recipes use, of a plug-in; aliases and names that there are not stay."""
    if not isinstance(one, str) or not room.is_plugin(one):
        return one
    return room.public_name(_from(folder, room, one))


def _from(folder: Path, room: Room[Any], text: str) -> str:
    """A text in which the path of a file is absolute."""
    address = room.address(text)
    if address is None or address.file is None:
        return text
    behind = [part for part in (address.attribute, address.rest) if part]
    return ":".join([str(folder.absolute() / address.file.expanduser()), *behind])
