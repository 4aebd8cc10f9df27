"""What `bench` shows of a plan with an `[unrolling]` table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from deepunlearn_cli.cli.console import Result
from deepunlearn_cli.cli.listing import plan_table
from deepunlearn_cli.core.errors import ExitCode

if TYPE_CHECKING:
    from deepunlearn_cli.studies.bench import Bench


def unrolled(bench: Bench, figure: Path | None, dry_run: bool) -> Result:
    """Make (or plan) the study's runs; its tables, and its figure where asked for."""
    from deepunlearn_cli.reporting import figures
    from deepunlearn_cli.studies import unrolling

    wanted = unrolling.locksteps(bench)
    if dry_run:
        return Result(tables=[plan_table(bench.runner, wanted)])
    outcome = bench.runner.ensure_all(wanted)
    code = ExitCode.PARTLY_FAILED if outcome.failures else ExitCode.OK
    if not outcome.runs:
        return Result(code=code)
    from deepunlearn_cli.reporting.unrolling_tables import unrolling_tables

    rows = unrolling.rows(outcome.runs)
    if figure:
        figures.save(figures.unrolling_figure(rows), figure)
    notes = [f"wrote {figure}"] if figure else []
    return Result(tables=unrolling_tables(rows), notes=notes, code=code)
