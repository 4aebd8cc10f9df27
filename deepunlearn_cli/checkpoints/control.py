"""A retrained model that the user brings: the reference of an original, in the place of one made here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from deepunlearn_cli.checkpoints import foreign
from deepunlearn_cli.checkpoints.file import Checkpoint, looks_like_file, read
from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.core.recipe import Recipe
from deepunlearn_cli.execution import chains, references

if TYPE_CHECKING:
    from deepunlearn_cli.checkpoints.refs import Start
    from deepunlearn_cli.data import ForgetSet
    from deepunlearn_cli.execution.runner import Runner


def admit(ref: str, start: Recipe, forget: ForgetSet, runner: Runner) -> Recipe:
    """A retrained model, by its file or run, as the reference of a start and its forget set.

    Raises:
        NotFound, UsageFailure: no such file or run; weights that do not fit the model; a model that knows its
            training pictures otherwise than the original does.
    """
    file = _read(ref, runner)
    draft = references.brought(start, forget, file.path.name)
    recipe = foreign.admit(file, draft, runner, prepared=True)
    if known := runner.store.get(chains.trained(start).key):
        references.check_fit(known, runner.store.find(recipe.key))
    return recipe


def beside(ref: str, start: Start, runner: Runner) -> Recipe:
    """The same for a model that has forgotten already: the reference of what it was made from."""
    model = start.recipe
    before = model.inputs.get("original") or replace(model, forget=None)
    return admit(ref, before if model.forget else model, start.forget, runner)


def _read(ref: str, runner: Runner) -> Checkpoint:
    if looks_like_file(ref):
        return read(Path(ref))
    run = runner.store.find(ref)
    if not run.recipe.forget:
        raise UsageFailure(
            f"--control {ref} is a model from which nothing was kept back", "give a retrained model"
        )
    return Checkpoint(Path(run.id), {"": run.weights()}, {})
