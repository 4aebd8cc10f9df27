"""Which runs of searches a person or a plan asked for too: `ROOT/asked/<run>`, an empty file each.

A search makes the models of what it chose; another search of the same method may choose otherwise. Tables
take such a run only once somebody asked for it. Every other run was asked for by whoever made it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from deepunlearn_cli.core.recipe import Recipe
from deepunlearn_cli.system.rights import follow, is_refusal, make_folder

if TYPE_CHECKING:
    from deepunlearn_cli.store.run import Run

CHOSEN = "chosen"  # the label of a run that a search made


def by_choice(run: Recipe, study: str) -> Recipe:
    """The run, labelled as one that a study's search chose.

    What starts from it takes over its labels, so this one says whose it is.
    """
    return replace(run, labels=dict(run.labels) | {CHOSEN: [study, run.key]})


def chosen_by(run: Recipe) -> str | None:
    """The study whose search made a run, of what that search had chosen."""
    study, key = run.labels.get(CHOSEN, (None, None))
    return study if key == run.key else None


class AskedFor:
    """The marks of a store; `root` may not exist yet."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def add(self, runs: Iterable[Run]) -> None:
        """Keep that somebody asked for these runs; a store that may only be read gives them unmarked."""
        try:
            for run in runs:
                if chosen_by(run.recipe) and not (mark := self.root / run.id).exists():
                    make_folder(self.root)
                    mark.touch()
                    follow(mark)
        except OSError as error:
            if not is_refusal(error):
                raise

    def all(self) -> set[str]:
        """Ids of the runs that somebody asked for, though a search had made them."""
        return {path.name for path in self.root.iterdir()} if self.root.is_dir() else set()

    def drop(self, key: str) -> None:
        """Forget that a run was asked for."""
        (self.root / key).unlink(missing_ok=True)
