"""`deepunlearn bench`: a whole comparison, resumable, ending in the plan's tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from deepunlearn_cli.cli import options as o
from deepunlearn_cli.cli.app import app
from deepunlearn_cli.cli.bench_unrolling import unrolled
from deepunlearn_cli.cli.command import Session, register
from deepunlearn_cli.cli.console import Result
from deepunlearn_cli.cli.parameter import argument, option
from deepunlearn_cli.cli.tables import TABLES, Source, check_table
from deepunlearn_cli.core.errors import ExitCode, UsageFailure
from deepunlearn_cli.reporting.plan_size import plan_size

if TYPE_CHECKING:
    from deepunlearn_cli.studies.bench import Bench
    from deepunlearn_cli.studies.plan import Plan


def _plans(incomplete: str) -> list[str]:
    from deepunlearn_cli.studies.plan import built_in

    return [name for name in built_in() if name.startswith(incomplete)]


@register(
    app,
    "bench",
    "deepunlearn bench quick",
    "deepunlearn bench paper --dry-run",
    "deepunlearn bench forget-sizes   (1 to 50 % forgotten; class-removal: whole classes)",
    "deepunlearn bench quick --jobs 2   (sooner, but without clean seconds)",
    "deepunlearn bench unrolling --jobs 2 --figure unrolling.svg",
    "deepunlearn bench mine.toml --store /data/deepunlearn",
)
def bench(
    session: Session,
    plan: Annotated[
        str,
        argument(
            metavar="quick|forget-sizes|...|PLAN.toml",
            help="A built-in plan or a file.",
            autocompletion=_plans,
        ),
    ],
    figure: Annotated[
        Path | None, option(help="Of unrolling: write e against v to this .svg, .png or .pdf.")
    ] = None,
    device: o.Device = "auto",
    jobs: o.Jobs = 1,
    dry_run: o.DryRun = False,
) -> Result:
    """Train, search, unlearn, attack and rank as a plan says; what is in the store is not made again."""
    from deepunlearn_cli.studies import plan as plans
    from deepunlearn_cli.studies.bench import Bench

    chosen = plans.load(plan)
    seeds = o.read_seeds(chosen.seeds)
    _check_names(chosen, there=not dry_run)
    _check_figure(chosen, figure)
    precision = o.read_precision(chosen.precision, device)
    with session.runner(device, jobs=jobs) as runner:
        bench = Bench(chosen, runner, seeds, precision, jobs)
        if chosen.unrolling:
            return unrolled(bench, figure, dry_run=dry_run)
        if dry_run:
            return Result(tables=[plan_size(_sized(bench))])
        teller = getattr(runner.reporter, "standing", lambda _: None)
        found, failures = bench.tuned(teller, session.console.note)
        for failure in failures:
            session.console.warn(f"{failure.message}; {failure.hint}")
        judged = bench.judged(found)
        attacks = bench.attacks(judged)
        outcome = runner.ensure_all([*judged, *attacks])
    code = ExitCode.PARTLY_FAILED if outcome.failures or failures else ExitCode.OK
    source = Source(session, among={recipe.key for recipe in judged})
    return Result(tables=[one for name in chosen.tables for one in TABLES[name].make(source)], code=code)


def _check_figure(plan: Plan, figure: Path | None) -> None:
    from deepunlearn_cli.reporting import figures

    if figure and not plan.unrolling:
        raise UsageFailure(
            "--figure is drawn of plans with an [unrolling] table", "bench unrolling --figure ..."
        )
    if figure:
        figures.check(figure)


def _sized(bench: Bench) -> list[dict[str, Any]]:
    """The plan's size with what is there and the seconds that the rest may take."""
    from deepunlearn_cli.studies.bench import ATTACKS, seconds_per_epoch, size, there

    held, pace = there(bench), seconds_per_epoch(bench.runner)
    rows = []
    for row in size(bench.plan, len(bench.seeds)):
        count = min(row["runs"], held[row["dataset"], row["model"], row["kind"]])
        missing = 0 if row["kind"] == ATTACKS else row["runs"] - count
        each = pace.get((row["dataset"], row["model"])) if missing else 0.0
        seconds = None if each is None else missing * row["epochs"] * each
        rows.append(row | {"there": count, "seconds": seconds})
    return rows


def _check_names(plan: Plan, *, there: bool) -> None:
    """Refuse names that there are not; a dataset's files must be there only to run the plan."""
    from deepunlearn_cli import data, models
    from deepunlearn_cli.sweep import check_sampler

    for pair in plan.pairs:
        if there:
            data.check_spec(pair.dataset)
        models.check_name(pair.model)
    for name in plan.tables:
        check_table(name)
    if "sampler" in plan.sweep:
        check_sampler(plan.sweep["sampler"])
