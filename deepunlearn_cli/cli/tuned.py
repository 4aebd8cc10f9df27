"""`--preset`: tuned settings, from the store or a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepunlearn_cli.core.errors import UsageFailure

if TYPE_CHECKING:
    from deepunlearn_cli.cli.command import Session
    from deepunlearn_cli.core.recipe import Recipe
    from deepunlearn_cli.store import Store


def tuned(
    session: Session, preset: str | None, store: Store, method: str, start: Recipe, forget: str = ""
) -> dict[str, Any]:
    """The preset's hyperparameters for a method on an original; the controls have none to tune."""
    from deepunlearn_cli.methods import METHODS
    from deepunlearn_cli.sweep import presets

    if preset is None or METHODS.get(method).control:
        return {}
    if preset == presets.BEST:
        chosen = presets.best(store.studies, method, start, forget)
    else:
        chosen = presets.read(Path(preset))
    if chosen.method != method:
        raise UsageFailure(
            f"{preset} is a preset of {chosen.method}, not of {method}", f"--method {chosen.method}"
        )
    for doubt in chosen.doubts(start):
        session.console.warn(doubt)
    return dict(chosen.params)
