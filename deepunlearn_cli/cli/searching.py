"""Options of a search: how long it goes on, by what, and where it is kept."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from deepunlearn_cli.cli import options as o
from deepunlearn_cli.cli import outputs
from deepunlearn_cli.cli.parameter import option
from deepunlearn_cli.cli.unfold import Bundle
from deepunlearn_cli.core.specs import check_count

if TYPE_CHECKING:
    from deepunlearn_cli.execution.runner import Runner
    from deepunlearn_cli.sweep import Order, Search
    from deepunlearn_cli.sweep.question import Question

PANEL = "Search"


def _samplers(incomplete: str) -> list[str]:
    from deepunlearn_cli.sweep import SAMPLERS

    return [name for name in SAMPLERS if name.startswith(incomplete)]


class Searching(Bundle):
    """How long a search goes on, by what, and where it is kept."""

    trials: Annotated[
        int,
        option(
            metavar="N",
            help="Complete trials to reach for each method; what is there counts.",
            rich_help_panel=PANEL,
        ),
    ] = 100
    timeout: Annotated[
        str | None,
        option(
            metavar="TIME",
            help="Begin no trial after 90s, 10m or 1h30m; then choose.",
            rich_help_panel=PANEL,
        ),
    ] = None
    sampler: Annotated[
        str,
        option(
            metavar="NAME",
            help="tpe (on the norm of the four losses), nsga3 (the paper's), random, or grid (every point of "
            "choices and levels).",
            autocompletion=_samplers,
            rich_help_panel=PANEL,
        ),
    ] = "tpe"
    sampler_seed: Annotated[int, option(metavar="SEED", help="Of the sampler.", rich_help_panel=PANEL)] = 0
    objective: Annotated[
        str | None,
        option(
            metavar="cost",
            help="Minimise the work of unlearning too, beside the losses; the choice goes by the losses.",
            rich_help_panel=PANEL,
        ),
    ] = None
    early_stop: Annotated[
        float | None,
        option(
            metavar="X",
            help="Stop trials whose losses, after a third of their epochs, have a norm more than X above the "
            "best so far. (default: make all to their ends)",
            rich_help_panel=PANEL,
        ),
    ] = None
    confirm: Annotated[
        int,
        option(
            metavar="N",
            help="Best settings to run again on fresh seeds before the choice.",
            rich_help_panel=PANEL,
        ),
    ] = 3
    max_failures: Annotated[
        int,
        option(metavar="N", help="Failed trials in a row that end a search (exit 6).", rich_help_panel=PANEL),
    ] = 10
    study: Annotated[
        str, option(metavar="NAME", help="A name that starts a study of its own.", rich_help_panel=PANEL)
    ] = ""
    database: o.Database = None

    def search(self) -> Search:
        """What draws the trials.

        Raises:
            UsageFailure: no such sampler, or a number that is too small.
        """
        from deepunlearn_cli import sweep as sweeps

        sweeps.check_sampler(self.sampler)
        if self.database:
            outputs.check_database(self.database)
        for name, least in (("trials", 1), ("max_failures", 1), ("confirm", 0)):
            check_count(f"--{name.replace('_', '-')}", getattr(self, name), least)
        objective = sweeps.read_objective(self.objective) if self.objective else ""
        sweeps.check_early_stop(self.early_stop)
        return sweeps.Search(self.sampler, self.sampler_seed, self.study, objective, self.early_stop)

    def order(self, questions: Sequence[Question], runner: Runner, seconds: float | None) -> Order:
        """The search of these questions, which begins no trial after so many seconds."""
        from deepunlearn_cli import sweep as sweeps

        deadline = time.time() + seconds if seconds else None
        place = str(runner.store.root), self.database
        return sweeps.Order(tuple(questions), *place, self.trials, deadline, self.max_failures)
