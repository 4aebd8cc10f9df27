"""What a sitting writes down of its runs and searches, and how far it came."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deepunlearn_cli.core.recipe import Recipe
    from deepunlearn_cli.execution.runner import Runner
    from deepunlearn_cli.store import Run
    from deepunlearn_cli.store.figures import Figures, FiguresFile, Taken

KINDS = {
    "train": "originals and retrained models",
    "unlearn": "unlearned models",
    "shadow": "U-LiRA's models",
    "attack": "attacks",
}


class Record:
    """What a bench writes down of its runs."""

    def __init__(self, runner: Runner, export: Path | None) -> None:
        from deepunlearn_cli.store.figures import FiguresFile

        self.store, self.runner = runner.store, runner
        self._there: list[str] = []  # ids of runs that came without their weights
        self._file: FiguresFile | None = FiguresFile(export) if export else None
        self._begun: dict[str, None] = {}
        self._kept: dict[str, None] = {}
        self._studies: dict[str, None] = {}
        self.wanted: list[Recipe] = []

    def listen(self) -> None:
        """Hear of every run and study from the runner's bars."""
        from deepunlearn_cli.cli.progress import Bars

        if isinstance(self.runner.reporter, Bars):
            self.runner.reporter.keep = self.keep
            self.runner.reporter.follow = self.follow
            self.runner.reporter.begin = self.begin

    def pass_on(self, figures: Figures) -> None:
        """Write down first what came from elsewhere: whoever goes on from here needs no other file."""
        from deepunlearn_cli.sweep.storage import journal_file

        runs = [run for run in map(self.store.get, figures.runs) if run]
        self._there = [run.id for run in runs if not run.whole]
        if self._file:
            for run in runs:
                self._file.tell(run, taken)
            for study in figures.journals:
                self._file.follow(study, journal_file(self.store.studies, study))
            self._file.ask(run for run in runs if run.id in figures.asked)

    def begin(self, key: str) -> None:
        """Remember that a run is being made: it may be sealed with nobody left to say so."""
        self._begun[key] = None

    def keep(self, key: str) -> None:
        """Write down a run that is there, behind those it is made of. Trials stand in journals."""
        run = self.store.get(key)
        if run and (run.recipe.kind != "trial" or "fresh" in run.recipe.labels):
            for needed in run.recipe.inputs.values():
                if needed.key not in self._kept:
                    self.keep(needed.key)
            self._kept[key] = None
            if self._file:
                self._file.tell(run, taken)

    def follow(self, study: str) -> None:
        """Write down what is new of a search."""
        from deepunlearn_cli.sweep.storage import journal_file

        self._studies[study] = None
        if self._file:
            self._file.follow(study, journal_file(self.store.studies, study))

    def ask(self, runs: Iterable[Run]) -> None:
        """Write down that these were asked for."""
        if self._file:
            self._file.ask(runs)

    def catch_up(self) -> None:
        """Write down what nobody told: runs that were sealed when all was stopped."""
        planned = (step.recipe.key for step in self.runner.plan(self.wanted))
        for key in dict.fromkeys([*self._begun, *planned]):
            if self.store.has(key):
                self.keep(key)
        for study in self._studies:
            self.follow(study)

    @property
    def again(self) -> list[Run]:
        """The models that had come without their weights, and were made again."""
        runs = [self.store.get(key) for key in self._there]
        return [run for run in runs if run and run.whole and run.recipe.kind != "attack"]

    @property
    def so_far(self) -> str:
        """How far it came."""
        runs = [run for run in map(self.store.get, self._kept) if run]
        made = counted(runs) or "nothing is made yet"
        wanted = {recipe.key for recipe in self.wanted}
        left = (
            f"; of {len(wanted)} models and attacks {len(wanted - {*self._kept})} are left" if wanted else ""
        )
        return f"{made}; {len(self._studies)} searches begun{left}"


def taken(run: Run) -> Taken:
    """What is taken from a run's outputs by measures, where that is a number, or by U-LiRA."""
    from deepunlearn_cli.attacks.ulira import ULiRA
    from deepunlearn_cli.reporting.outputs import Reader, reductions
    from deepunlearn_cli.store.figures import Taken
    from deepunlearn_cli.studies import claims

    if run.recipe.kind == "attack" or not run.recipe.forget or run.status != "done":
        return Taken()
    if run.recipe.kind == "shadow":
        return Taken(claims.said_by(run), ULiRA.taken(run.outputs()))
    reader = Reader(lambda _: run.outputs())
    found = {name: reader.reduced(one, run.id) for name, one in reductions().items()}
    return Taken({name: value for name, value in found.items() if value is not None})


def counted(runs: Iterable[Run]) -> str:
    """How many runs of which kinds."""
    counts: Mapping[str, int] = Counter(KINDS.get(run.recipe.kind, "confirmations") for run in runs)
    return ", ".join(f"{count} {what}" for what, count in counts.items())
