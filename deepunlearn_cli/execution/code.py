"""Which code made a run: a hash of its method's source, so that an edit without a new revision is noticed."""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from deepunlearn_cli import __version__
from deepunlearn_cli.core import plugins
from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.core.fields import Declared
from deepunlearn_cli.core.recipe import Recipe
from deepunlearn_cli.core.source import is_text
from deepunlearn_cli.execution.recipes import actor_of

if TYPE_CHECKING:
    from deepunlearn_cli.store import Run

FACT = "code"


def of(recipe: Recipe) -> str:
    """SHA-256 (hex) of what a run's method does: comments, documentation and layout do not count."""
    actor = actor_of(recipe)
    plugin = plugins.of(actor)
    return plugin.code if plugin else _hashed(actor.__module__)


def check(run: Run) -> None:
    """Refuse a run that other code of the same version and revision made: somebody edited its method since.

    Raises:
        UsageFailure: saying how to have both.
    """
    made = run.facts.get(FACT)
    if made is None or run.facts.get("version") != __version__ or actor_of(run.recipe) is Declared:
        return  # nobody knows, or the code is not here: what it gave stands
    if made == of(run.recipe):
        return
    name, revision = run.recipe.name, run.recipe.revision
    raise UsageFailure(
        f"run {run.id} was made by other code of {name}, at the same revision {revision}",
        f"set revision = {revision + 1} in {_path(actor_of(run.recipe).__module__).name}: "
        "what it gives now is another question",
    )


@cache
def _hashed(module: str) -> str:
    return hashlib.sha256(_text(module).encode()).hexdigest()


def _text(module: str) -> str:
    """A module's code in one form, without what only people read."""
    tree = ast.parse(_path(module).read_bytes())
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and is_text(body[0]):
            node.body = body[1:] or [ast.Pass()]  # type: ignore[attr-defined]
    return ast.unparse(tree)


def _path(module: str) -> Path:
    import sys

    return Path(str(sys.modules[module].__file__))
