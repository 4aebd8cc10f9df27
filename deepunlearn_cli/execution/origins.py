"""Plug-ins that make runs: where they come from, for people; nothing is imported for what a store says."""

from __future__ import annotations

from collections.abc import Mapping
from shlex import join, quote
from typing import TYPE_CHECKING, Any

from deepunlearn_cli.attacks import ATTACKS
from deepunlearn_cli.core import plugins
from deepunlearn_cli.core.errors import NotFound
from deepunlearn_cli.methods import METHODS

if TYPE_CHECKING:
    from deepunlearn_cli.core.recipe import Recipe
    from deepunlearn_cli.core.registry import Room

LABEL = "plugin"  # of a recipe: the place of the plug-in that acts in it
FACT = "plugin"  # of a run: its title, place, files, and what its hash is not of


def room_of(recipe: Recipe) -> Room[Any]:
    """The room that what acts in a recipe lives in."""
    return ATTACKS if recipe.kind == "attack" else METHODS


def spelling(recipe: Recipe) -> str:
    """How a person names what acts in a recipe: a plug-in by its place."""
    return quote(str(recipe.labels.get(LABEL, recipe.name)))


def labelled(labels: Mapping[str, Any], room: Room[Any], name: str, **more: Any) -> dict[str, Any]:
    """Labels for a recipe in which something of this public name acts, made of those of its input."""
    plugin = plugins.find(room.group, name)
    kept = {key: value for key, value in labels.items() if key != LABEL}
    return kept | more | ({LABEL: plugin.place} if plugin else {})


def facts(recipe: Recipe) -> dict[str, Any]:
    """What a run says of the plug-in that made it; nothing of what is the tool's own."""
    plugin = plugins.find(room_of(recipe).group, recipe.name)
    if plugin is None:
        return {}
    told = {"from": plugin.place, "files": list(plugin.files), "not_in_hash": list(plugin.loose)}
    return {"title": getattr(plugin.kind, "title", ""), FACT: told}


def check(recipe: Recipe) -> None:
    """Refuse to make a run whose plug-in nobody named.

    Raises:
        NotFound: with the command that names it and makes the run.
    """
    room = room_of(recipe)
    if plugins.is_name(recipe.name) and room.known(recipe.name) is None:
        place = recipe.labels.get(LABEL, "")
        failure = room.absent(recipe.name, place, _command(recipe, place) if place else "")
        raise NotFound(f"run {recipe.key} must be made: {failure.message}", failure.hint)


def _command(recipe: Recipe, place: str) -> str:
    """What makes a run of a plug-in, as a person types it."""
    if recipe.kind == "attack":
        return f"`deepunlearn {join(['attack', place, recipe.inputs['target'].key])}`"
    if recipe.kind != "unlearn":
        return ""
    words = ["unlearn", recipe.inputs["original"].key, "--method", place]
    words += ["--forget", str(recipe.labels.get("forget", recipe.forget))]
    words += [word for name, value in recipe.params.items() for word in ("-p", f"{name}={value}")]
    words += [] if recipe.data.get("augment", True) else ["--no-augment"]
    return f"`deepunlearn {join(words)}`"
