"""What files of figures say, and that they disagree where they do."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deepunlearn_cli.attacks import ATTACKS
from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.core.guarantee import FACT
from deepunlearn_cli.core.typed import Mistyped
from deepunlearn_cli.store import Store
from deepunlearn_cli.store.kinds import Said
from deepunlearn_cli.store.lines import mistyped

if TYPE_CHECKING:
    from deepunlearn_cli.cli.console import Console
    from deepunlearn_cli.core.rows import IndexRow
    from deepunlearn_cli.store import Run
    from deepunlearn_cli.store.figures import Figures, Told

ACCURACIES = "RA", "FA", "TA"  # of a model that is to have forgotten something


def told(files: Sequence[Path], console: Console) -> Figures:
    """What files of figures say together; that they disagree is said.

    Raises:
        NotFound, UsageFailure: as `Figures.of`, or an answer lacks what tables go by.
    """
    from deepunlearn_cli.store.figures import Figures

    figures = Figures.of(files)
    for run in figures.runs.values():
        _check_measured(run)
    for key in dict.fromkeys(figures.differing):
        run = figures.runs[key]
        console.warn(
            f"{run.recipe.name} (run {key}) was made twice, with other scores; those of {run.file} are taken"
        )
    return figures


def _check_measured(told: Told) -> None:
    """Refuse an answer without the figures that tables go by.

    Raises:
        UsageFailure: saying which.
    """
    recipe = told.recipe
    if told.facts.get("status", "done") != "done":
        return
    if recipe.kind == "shadow" and recipe.forget and FACT in told.facts:
        for name in sorted(Said.__annotations__.keys() - told.reduced.keys()):
            missing = Mistyped(f"reduced.{name}", None, "what a model says to its guarantee")
            raise mistyped(told.file, told.number, missing)
    attack = ATTACKS.known(recipe.name) if recipe.kind == "attack" else None
    needed = (attack.headline(),) if attack else ACCURACIES if recipe.kind == "unlearn" else ()
    for name in needed:
        if name not in told.scores:
            missing = Mistyped(f"scores.{name}", None, "a number, or null where it could not be measured")
            raise mistyped(told.file, told.number, missing)


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
        try:
            bring(study, text, store.studies)
        except UsageFailure as failure:
            file, number = figures.told_at[study]
            raise UsageFailure(f"line {number + 1} of {file}: {failure.message}", failure.hint) from None


def _take(figures: Figures, store: Store) -> None:
    from deepunlearn_cli.store.arriving import arrive

    arrive(figures, store)
    bring_searches(figures, store)
