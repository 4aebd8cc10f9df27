"""Plug-ins in listings: what installed packages offer, where each comes from, and what is wrong with some."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from deepunlearn_cli.core import plugins
from deepunlearn_cli.core.errors import Failure
from deepunlearn_cli.core.loading import shown
from deepunlearn_cli.core.registry import Room
from deepunlearn_cli.reporting.table import Column

OWN = "deepunlearn"
Describe = Callable[[type[Any]], Mapping[str, Any]]


def rows_of(room: Room[Any], describe: Describe, nothing: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row for each resident and each plug-in of an installed package, those that are broken too.

    Every row says where it is `from`, and its `fault` where it cannot be loaded; `nothing` is what a
    description is then.
    """
    rows = [_row(name, OWN, lambda name=name: room.needed(name), describe, nothing) for name in room.names()]  # type: ignore[misc]
    for name, entries in room.installed().items():
        origin = " and ".join(map(plugins.origin_of, entries))
        rows.append(_row(name, origin, lambda name=name: room.get(name), describe, nothing))  # type: ignore[misc]
    return rows


def _row(
    name: str, origin: str, load: Callable[[], type[Any]], describe: Describe, nothing: Mapping[str, Any]
) -> dict[str, Any]:
    try:
        kind = load()
        with plugins.blamed(kind):
            return {"name": name, **describe(kind), "from": origin, "fault": ""}
    except Failure as failure:
        return {"name": name, **nothing, "from": origin, "fault": failure.message}


def columns(own: Sequence[Column], rows: Sequence[Mapping[str, Any]]) -> list[Column]:
    """Columns of a listing, with where things come from if not all are the tool's own."""
    if all(row["from"] == OWN for row in rows):
        return list(own)
    return [*own, Column("from", lambda row: str(row["from"]))]


def notes(room: Room[Any]) -> Iterator[str]:
    """What people should know of plug-ins that are not among the rows."""
    for name, entries in room.namesakes().items():
        for entry in entries:
            yield (
                f"left out: {plugins.origin_of(entry)}, for the {room.noun} {name} is deepunlearn's own; "
                f"--{room.noun} {entry.value} is that one"
            )


def origin_note(kind: type) -> list[str]:
    """Where a plug-in comes from, what its name in runs is, and what its hash is of."""
    plugin = plugins.of(kind)
    if plugin is None:
        return []
    loose = f"; not in it: {', '.join(plugin.loose)}" if plugin.loose else ""
    hashed = ", ".join(map(shown, plugin.files))
    return [f"a plug-in from {plugin.source}; runs call it {plugin.name}, by the hash of {hashed}{loose}"]
