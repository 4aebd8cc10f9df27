"""Which failures are one run's own: told as such, they stop neither its batch nor its worker."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from deepunlearn_cli.core.errors import ExitCode, Failure, NotFound, RunFailed, StoreCorrupt, UsageFailure
from deepunlearn_cli.core.recipe import Recipe
from deepunlearn_cli.core.room import is_full

if TYPE_CHECKING:
    from deepunlearn_cli.store import Run

OWN = (UsageFailure, NotFound, StoreCorrupt)


@contextmanager
def kept(recipe: Recipe, broken: dict[str, RunFailed] | None) -> Iterator[None]:
    """Have a run of a batch: what is wrong with it is its failure, and is not met twice.

    Args:
        broken: failures of the batch by key; None for a run alone, whose errors stay as they are.
    """
    if broken is None:
        yield
        return
    if recipe.key in broken:
        raise broken[recipe.key]
    try:
        yield
    except Exception as error:
        broken[recipe.key] = own_failure(recipe, error)
        raise broken[recipe.key] from error


def own_failure(recipe: Recipe, error: Exception) -> RunFailed:
    """What made a run impossible, as its failure; the exit code is that of the error, should it be alone.

    Raises:
        Exception: the error itself, where it is the machine's: disk, memory, files that may not be read.
    """
    if isinstance(error, RunFailed):
        return error
    if isinstance(error, OSError | MemoryError) or is_full(error):
        raise error
    if isinstance(error, Failure) and not isinstance(error, OWN):
        raise error
    return told(recipe, error)


def told(recipe: Recipe, error: Exception) -> RunFailed:
    """An error with the run that it belongs to."""
    run = f"{recipe.name} (run {recipe.key})"
    if isinstance(error, Failure):
        failure = RunFailed(f"{run}: {error.message}", error.hint)
        failure.code = error.code
    else:
        hint = "--debug shows where if this run is asked for alone; please report it"
        failure = RunFailed(f"{run}: unexpected {type(error).__name__}: {error}", hint)
        failure.code = ExitCode.UNEXPECTED
    return failure


def usable(run: Run) -> Run:
    """The run itself.

    Raises:
        RunFailed: it is on record as failed.
    """
    if run.status == "failed":
        name = f"{run.recipe.name} (run {run.id})"
        raise RunFailed(f"{name} failed: {run.facts.get('reason')}", run.facts.get("hint") or "")
    return run
