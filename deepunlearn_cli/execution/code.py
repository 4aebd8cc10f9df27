"""Which code made a run: a hash of its method's source, so that an edit without a new revision is noticed."""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from deepunlearn_cli import __version__
from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.core.recipe import Recipe
from deepunlearn_cli.execution.recipes import actor_of

if TYPE_CHECKING:
    from deepunlearn_cli.store import Run

FACT = "code"


def of(recipe: Recipe) -> str:
    """SHA-256 (hex) of what a run's method does: comments, documentation and layout do not count."""
    return _hashed(actor_of(recipe).__module__)


def check(run: Run) -> None:
    """Refuse a run that other code of the same version and revision made: somebody edited its method since.

    Raises:
        UsageFailure: saying how to have both.
    """
    made = run.facts.get(FACT)
    if made is None or run.facts.get("version") != __version__ or made == of(run.recipe):
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
        if isinstance(body, list) and body and _is_text(body[0]):
            node.body = body[1:] or [ast.Pass()]  # type: ignore[attr-defined]
    return ast.unparse(tree)


def _is_text(statement: ast.AST) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def _path(module: str) -> Path:
    import sys

    return Path(str(sys.modules[module].__file__))
