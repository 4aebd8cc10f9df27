"""What `bench` shows of a plan with an `[unrolling]` table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from deepunlearn_cli.cli.console import Result
from deepunlearn_cli.cli.listing import plan_table
from deepunlearn_cli.errors import ExitCode

if TYPE_CHECKING:
    from deepunlearn_cli.campaign import Campaign


def unrolled(campaign: Campaign, figure: Path | None, *, dry_run: bool) -> Result:
    """Make (or plan) the study's runs; its tables, and its figure where asked for."""
    from deepunlearn_cli import figures, unrolling

    wanted = unrolling.recipes(campaign)
    if dry_run:
        return Result(tables=[plan_table(campaign.runner, wanted)])
    outcome = campaign.runner.ensure_all(wanted)
    code = ExitCode.PARTLY_FAILED if outcome.failures else ExitCode.OK
    if not outcome.runs:
        return Result(code=code)
    from deepunlearn_cli.tables.unrolling import unrolling_tables

    rows = unrolling.told(outcome.runs)
    if figure:
        figures.save(figures.unrolling_figure(rows), figure)
    notes = [f"wrote {figure}"] if figure else []
    return Result(tables=unrolling_tables(rows), notes=notes, code=code)
