"""What `bench` shows of a plan with a `[repeated]` table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from deepunlearn_cli.cli.console import Result
from deepunlearn_cli.cli.listing import plan_table
from deepunlearn_cli.core.errors import ExitCode

if TYPE_CHECKING:
    from deepunlearn_cli.studies.bench import Bench


def repeated_deletion(bench: Bench, figure: Path | None, dry_run: bool) -> Result:
    """Make (or plan) the study's runs; its tables, and its figure where asked for."""
    from deepunlearn_cli.cli.source import title
    from deepunlearn_cli.studies import repeated

    places = repeated.places(bench)
    wanted = [recipe for place in places for recipe in place.runs]
    if dry_run:
        return Result(tables=[plan_table(bench.runner, wanted)])
    outcome = bench.runner.ensure_all(wanted)
    bench.runner.store.asked.add(outcome.runs)
    code = ExitCode.PARTLY_FAILED if outcome.failures else ExitCode.OK
    rows = repeated.rows(places, {run.id: run for run in outcome.runs})
    if not rows:
        return Result(code=code)
    from deepunlearn_cli.reporting import figures
    from deepunlearn_cli.reporting.repeated import repeated_tables
    from deepunlearn_cli.reporting.repeated_figure import repeated_figure

    titles = {name: title(name) for name in {row["method"] for row in rows}}
    if figure:
        figures.save(repeated_figure(rows, titles), figure)
    notes = [f"wrote {figure}"] if figure else []
    return Result(tables=repeated_tables(rows, titles, repeated.LIMITS), notes=notes, code=code)
