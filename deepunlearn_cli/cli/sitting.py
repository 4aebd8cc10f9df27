"""A sitting of `bench` or `attack ulira`: how long it may take, what it tells, what it has from another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from shlex import join
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

from deepunlearn_cli.cli import options as o
from deepunlearn_cli.cli.console import Console, Result
from deepunlearn_cli.cli.parameter import given, option
from deepunlearn_cli.cli.record import KINDS, Record, counted
from deepunlearn_cli.cli.tables import TABLES
from deepunlearn_cli.cli.unfold import Bundle
from deepunlearn_cli.core.errors import ExitCode, UsageFailure
from deepunlearn_cli.core.specs import read_duration

if TYPE_CHECKING:
    from deepunlearn_cli.execution.runner import Runner
    from deepunlearn_cli.reporting.table import Table
    from deepunlearn_cli.store import Store
    from deepunlearn_cli.store.figures import Figures
    from deepunlearn_cli.studies.plan import Plan


class Sitting(Bundle):
    """How long it may take, what it writes down, and what it need not make."""

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

    @property
    def travels(self) -> bool:
        """Whether figures come from elsewhere, or go there."""
        return bool(self.export or self.resume_from)

    def check(self, plan: Plan, database: str | None) -> None:
        """Refuse a plan whose tables look at more than figures, or whose searches are kept elsewhere.

        Args:
            database: where searches are kept, whatever the plan says; None as it says.

        Raises:
            UsageFailure: saying which.
        """
        if not self.travels:
            return
        if plan.study:
            raise UsageFailure(
                f"--export and --resume-from take no plan with a table [{plan.study}]", "--store"
            )
        if plan.tuning and (database or plan.tuning.database):
            raise UsageFailure(
                "--export and --resume-from carry the searches of a store; --database keeps them elsewhere",
                "leave --database (or DEEPUNLEARN_DATABASE, or the plan's database) out",
            )
        if self.resume_from and (whole := [name for name in plan.tables if TABLES[name].whole]):
            raise UsageFailure(
                f"table {whole[0]} looks at weights or outputs, which no file of figures has",
                "go on in the store of the first sitting, or leave the table out of the plan's tables",
            )

    @contextmanager
    def held(self, runner: Runner, console: Console, *, dry_run: bool) -> Iterator[Record]:
        """What is written down while the block makes runs; first all that comes from elsewhere arrives.

        In a dry run it does so in a passing store, and nothing is written down.
        """
        if dry_run:
            with TemporaryDirectory(prefix="deepunlearn-figures-") as folder:
                self._foresee(runner, Path(folder), console)
                yield Record(runner, None)
            return
        figures = self._arrived(runner.store, console)
        record = Record(runner, self.export)
        record.pass_on(figures)
        record.listen()
        try:
            yield record
        finally:
            record.catch_up()
            if again := record.again:
                console.note(f"made again for their weights, which no file has: {counted(again)}")

    def _foresee(self, runner: Runner, folder: Path, console: Console) -> None:
        from deepunlearn_cli.cli.told import foreseen

        if self.resume_from:
            runner.store = foreseen(self.resume_from, folder, runner.store, console)

    def _arrived(self, store: Store, console: Console) -> Figures:
        from deepunlearn_cli.cli.told import bring_searches, told
        from deepunlearn_cli.store.arriving import arrive, disagreeing

        figures = told(self.resume_from or [], console)
        if not self.resume_from:
            return figures
        for key in disagreeing(figures, store):
            console.warn(f"run {key} has other scores in this store than in {figures.runs[key].file}")
        arrive(figures, store)
        bring_searches(figures, store)
        console.note(f"from {_names(self.resume_from)}: {_tally(figures)}")
        return figures

    def cut_off(self, record: Record, tables: Sequence[Table]) -> Result:
        """What to show and say where time was up."""
        notes = [f"time is up: {record.so_far}", f"to go on {self._where}: `{self._following}`"]
        return Result(tables=tables, notes=notes, code=ExitCode.PARTLY_FAILED)

    @property
    def _where(self) -> str:
        return "here or elsewhere" if self.export else "in this store"

    @property
    def _following(self) -> str:
        """The command as it was given, and what takes up what this one wrote down."""
        known = [file.resolve() for file in self.resume_from or ()]
        more = self.export and self.export.resolve() not in known
        return join([*given.get(), *(("--resume-from", str(self.export)) if more else ())])


def _tally(figures: Figures) -> str:
    kinds: Any = Counter(KINDS.get(one.recipe.kind, "confirmations") for one in figures.runs.values())
    counts = [f"{count} {what}" for what, count in kinds.items()]
    return ", ".join([*counts, f"{len(figures.journals)} searches"])


def _names(files: Sequence[Path]) -> str:
    return ", ".join(map(str, files))
