"""What files of figures say, and that they disagree where they do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deepunlearn_cli.cli.console import Console
    from deepunlearn_cli.store import Store
    from deepunlearn_cli.store.figures import Figures


def told(files: Sequence[Path], console: Console) -> Figures:
    """What files of figures say together; that they disagree is said."""
    from deepunlearn_cli.store.figures import Figures

    figures = Figures.of(files)
    for key in dict.fromkeys(figures.differing):
        run = figures.runs[key]
        console.warn(
            f"{run.recipe.name} (run {key}) was made twice, with other scores; those of {run.file} are taken"
        )
    return figures


def opened(files: Sequence[Path], folder: Path, console: Console) -> Store:
    """A store of what files of figures say, in an empty folder."""
    from deepunlearn_cli.store import Store
    from deepunlearn_cli.store.arriving import arrive

    figures = told(files, console)
    store = Store.open(folder, create=True)
    arrive(figures, store)
    bring_searches(figures, store)
    return store


def bring_searches(figures: Figures, store: Store) -> None:
    """Put the searches there that the store has not."""
    from deepunlearn_cli.sweep.travel import bring

    for study, text in figures.journals.items():
        bring(study, text, store.studies)
