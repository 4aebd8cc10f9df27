"""What files of figures say, and that they disagree where they do."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deepunlearn_cli.store import Store

if TYPE_CHECKING:
    from deepunlearn_cli.cli.console import Console
    from deepunlearn_cli.core.rows import IndexRow
    from deepunlearn_cli.store import Run
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
    store = Store.open(folder, create=True)
    _take(told(files, console), store)
    return store


def foreseen(files: Sequence[Path], folder: Path, store: Store, console: Console) -> Store:
    """The store as it would be with what files of figures say; it is left as it is."""
    passing = Foreseen(Store.open(folder, create=True).root, store)
    with suppress(FileNotFoundError):
        shutil.copytree(store.studies, passing.studies)
    _take(told(files, console), Store(folder))
    return passing


@dataclass(frozen=True)
class Foreseen(Store):
    """A passing store of what files say, behind one that has the word; for who makes no run."""

    before: Store

    @property
    def data(self) -> Path:
        """Folder for decoded datasets."""
        return self.before.data

    def has(self, key: str) -> bool:
        """As of any store."""
        return self.before.has(key) or super().has(key)

    def get(self, key: str) -> Run | None:
        """As of any store."""
        return self.before.get(key) or super().get(key)

    def rows(self, **filters: str | None) -> list[IndexRow]:
        """As of any store."""
        return [*self.before.rows(**filters), *super().rows(**filters)]


def bring_searches(figures: Figures, store: Store) -> None:
    """Put the searches there that the store has not."""
    from deepunlearn_cli.sweep.travel import bring

    for study, text in figures.journals.items():
        bring(study, text, store.studies)


def _take(figures: Figures, store: Store) -> None:
    from deepunlearn_cli.store.arriving import arrive

    arrive(figures, store)
    bring_searches(figures, store)
