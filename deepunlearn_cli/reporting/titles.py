"""Titles of plug-ins in tables: never those of a method here, and never one for two."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from deepunlearn_cli.core.plugins import class_of, is_name
from deepunlearn_cli.core.rows import IndexRow


def of_plugins(rows: Iterable[IndexRow]) -> dict[str, str]:
    """By public name, what people read of the plug-ins that made these runs or that U-LiRA was on.

    Where one title would stand for two, of other code or of another class, each has the whole name behind it.
    """
    said: dict[str, str] = {}
    for row in rows:
        name = (row.get("method") or "") if row["kind"] == "attack" else row["name"]
        if is_name(name):
            own = str(row.get("title") or "") if row["name"] == name else ""
            said[name] = own or said.get(name) or class_of(name)
    return told_apart(said)


def told_apart(titles: Mapping[str, str]) -> dict[str, str]:
    """Titles of plug-ins by public name, marked as theirs, with the name where one would be two's."""
    every = list(titles.values())
    return {
        name: f"{title} (plug-in)" if every.count(title) == 1 else f"{title} (plug-in {name})"
        for name, title in titles.items()
    }
