"""A sitting of `bench`: how long it may take, what it writes down, what it has from another one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from shlex import join
from typing import TYPE_CHECKING, Annotated, Any

from deepunlearn_cli.cli import options as o
from deepunlearn_cli.cli.console import Console, Result
from deepunlearn_cli.cli.parameter import option
from deepunlearn_cli.cli.tables import TABLES
from deepunlearn_cli.cli.told import bring_searches, told
from deepunlearn_cli.cli.unfold import Bundle
from deepunlearn_cli.core.errors import ExitCode, UsageFailure
from deepunlearn_cli.core.specs import read_duration

if TYPE_CHECKING:
    from deepunlearn_cli.core.recipe import Recipe
    from deepunlearn_cli.execution.runner import Runner
    from deepunlearn_cli.store import Run, Store
    from deepunlearn_cli.store.figures import Figures, FiguresFile
    from deepunlearn_cli.studies.plan import Plan

KINDS = {"train": "originals and retrained models", "unlearn": "unlearned models", "attack": "attacks"}


class Sitting(Bundle):
    """How long a bench may take, what it writes down, and what it need not make."""

    time_limit: Annotated[
        str | None,
        option(
            metavar="TIME",
            help="Stop after 10m, 90s or 1h30m: what is made is kept, and exit 6 says that more is to do.",
            rich_help_panel=o.RUNNING,
        ),
    ] = None
    export: Annotated[
        Path | None,
        option(
            metavar="FILE",
            help="Write all figures that tables need to this .jsonl, run by run; no weights. "
            "What it says already stays.",
            rich_help_panel=o.RUNNING,
        ),
    ] = None
    resume_from: Annotated[
        list[Path] | None,
        option(
            metavar="FILE",
            help="Do not make again what this file of --export has figures for. May be repeated.",
            rich_help_panel=o.RUNNING,
        ),
    ] = None

    @property
    def seconds(self) -> float | None:
        """Of the time limit; None for as long as it takes."""
        return read_duration(self.time_limit, "--time-limit ") if self.time_limit else None

    def check(self, plan: Plan) -> None:
        """Refuse a plan whose tables look at more than figures.

        Raises:
            UsageFailure: saying which.
        """
        if not self.export and not self.resume_from:
            return
        if plan.unrolling:
            raise UsageFailure("--export and --resume-from take no plan with an [unrolling] table", "--store")
        if self.resume_from and (whole := [name for name in plan.tables if TABLES[name].whole]):
            raise UsageFailure(
                f"table {whole[0]} looks at weights or outputs, which no file of figures has",
                "go on in the store of the first sitting, or leave the table out of the plan's tables",
            )

    @contextmanager
    def held(self, runner: Runner, console: Console) -> Iterator[Record]:
        """What is written down while the block makes runs; first all that comes from elsewhere arrives."""
        there = self._arrived(runner.store, console)
        record = Record(runner, self.export, there)
        record.listen()
        try:
            yield record
        finally:
            record.catch_up()
            if again := record.again:
                console.note(f"made again for their weights, which no file has: {_counted(again)}")

    def _arrived(self, store: Store, console: Console) -> list[str]:
        from deepunlearn_cli.store.arriving import arrive, disagreeing

        if not self.resume_from:
            return []
        figures = told(self.resume_from, console)
        for key in disagreeing(figures, store):
            console.warn(f"run {key} has other scores in this store than in {figures.runs[key].file}")
        there = arrive(figures, store)
        bring_searches(figures, store)
        console.note(f"from {_names(self.resume_from)}: {_tally(figures)}")
        return there

    def cut_off(self, record: Record, plan: Sequence[str]) -> Result:
        """What to say where time was up; `plan` are the words that name it."""
        words = [f"time is up: {record.so_far}"]
        goes = join(["deepunlearn", "bench", *plan])
        words.append(f"the same command goes on; elsewhere: {goes} --resume-from {self.export or 'FILE'}")
        return Result(notes=words if self.export else [words[0], "the same command goes on"],
                      code=ExitCode.PARTLY_FAILED)  # fmt: skip


class Record:
    """What a bench writes down of its runs.

    Args:
        there: ids of runs that came without their weights.
    """

    def __init__(self, runner: Runner, export: Path | None, there: Sequence[str]) -> None:
        from deepunlearn_cli.store.figures import FiguresFile

        self.store, self.runner, self._there = runner.store, runner, there
        self._file: FiguresFile | None = FiguresFile(export) if export else None
        self._kept: dict[str, None] = {}
        self._studies: dict[str, None] = {}
        self.wanted: list[Recipe] = []

    def listen(self) -> None:
        """Hear of every run and study from the runner's bars."""
        from deepunlearn_cli.cli.progress import Bars

        if isinstance(self.runner.reporter, Bars):
            self.runner.reporter.keep = self.keep
            self.runner.reporter.follow = self.follow

    def keep(self, key: str) -> None:
        """Write down a run that is there. Trials stand in the journal of their search."""
        run = self.store.get(key)
        if run and (run.recipe.kind != "trial" or "fresh" in run.recipe.labels):
            self._kept[key] = None
            if self._file:
                self._file.tell(run, _reduced)

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
        for step in self.runner.plan(self.wanted):
            if self.store.has(step.recipe.key):
                self.keep(step.recipe.key)
        for study in self._studies:
            self.follow(study)

    @property
    def again(self) -> list[Run]:
        """The runs that had come without their weights, and were made again."""
        runs = [self.store.get(key) for key in self._there]
        return [run for run in runs if run and run.whole]

    @property
    def so_far(self) -> str:
        """How far it came."""
        runs = [run for run in map(self.store.get, self._kept) if run]
        made = _counted(runs) or "nothing is made yet"
        wanted = {recipe.key for recipe in self.wanted}
        left = (
            f"; of {len(wanted)} models and attacks {len(wanted - {*self._kept})} are left" if wanted else ""
        )
        return f"{made}; {len(self._studies)} searches begun{left}"


def _reduced(run: Run) -> Mapping[str, float]:
    """What measures of models take from a run's outputs, where that is a number."""
    from deepunlearn_cli.reporting.outputs import Reader, reductions

    if run.recipe.kind == "attack" or not run.recipe.forget or run.status != "done":
        return {}
    reader = Reader(lambda _: run.outputs())
    found = {name: reader.reduced(one, run.id) for name, one in reductions().items()}
    return {name: value for name, value in found.items() if value is not None}


def _counted(runs: Iterable[Run]) -> str:
    counts: Mapping[str, int] = Counter(KINDS.get(run.recipe.kind, "confirmations") for run in runs)
    return ", ".join(f"{count} {what}" for what, count in counts.items())


def _tally(figures: Figures) -> str:
    kinds: Any = Counter(KINDS.get(one.recipe.kind, "confirmations") for one in figures.runs.values())
    counts = [f"{count} {what}" for what, count in kinds.items()]
    return ", ".join([*counts, f"{len(figures.journals)} searches"])


def _names(files: Sequence[Path]) -> str:
    return ", ".join(map(str, files))
