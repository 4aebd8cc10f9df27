"""Code that a file or a run names is imported only after somebody has named it too."""

from __future__ import annotations

from collections.abc import Iterator

from deepunlearn_cli import data, models
from deepunlearn_cli.core.errors import Unagreed, UsageFailure
from deepunlearn_cli.core.recipe import Recipe


def check_dataset(who: str, spec: str, said: str | None) -> None:
    """Refuse a dataset of the user's own that only a file names.

    Raises:
        Unagreed: it would be imported.
    """
    if not said and data.asks_to_import(spec):
        raise Unagreed(f"{who} asks to import {spec!r}", "--dataset", spec)


def check_model(who: str, model: str, said: str | None) -> None:
    """Refuse a model of the user's own that only a file or a run names.

    Raises:
        Unagreed: it would be imported.
    """
    if model != said and models.is_code(model):
        raise Unagreed(f"{who} asks to import {model!r}", "--model", model)


def check_run(who: str, recipe: Recipe, said: str | None) -> None:
    """Refuse a run whose model, or that of a run it was made from, is code that nobody agreed to import.

    Raises:
        Unagreed: it would be imported.
        UsageFailure: `said` is another model.
    """
    if said and recipe.model not in (said, models.pinned(said)):
        cure = "if you trust that" if models.is_code(recipe.model) else "or leave it out"
        raise UsageFailure(
            f"the model of {who} is {recipe.model}, not {said}", f"--model {recipe.model}, {cure}"
        )
    for model in (recipe.model, *others(recipe)):
        check_model(who, model, said)


def others(recipe: Recipe) -> list[str]:
    """Models of what a recipe starts from that are not its own: of an honest one there are none."""
    return sorted({model for model in _models(recipe) if model != recipe.model})


def _models(recipe: Recipe) -> Iterator[str]:
    yield recipe.model
    for made_from in recipe.inputs.values():
        yield from _models(made_from)
