"""`deepunlearn bench`: a whole comparison, resumable, ending in the plan's tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from deepunlearn_cli.cli import options as o
from deepunlearn_cli.cli import outputs
from deepunlearn_cli.cli.app import app
from deepunlearn_cli.cli.bench_repeated import repeated_deletion
from deepunlearn_cli.cli.bench_unrolling import unrolled
from deepunlearn_cli.cli.bundles import Running
from deepunlearn_cli.cli.command import Session, register
from deepunlearn_cli.cli.console import Result
from deepunlearn_cli.cli.parameter import argument, option
from deepunlearn_cli.cli.reading import read_precision
from deepunlearn_cli.cli.sitting import Sitting
from deepunlearn_cli.cli.source import Source
from deepunlearn_cli.cli.tables import TABLES, check_table, unfed, unshown
from deepunlearn_cli.cli.unfold import Bundle
from deepunlearn_cli.core.errors import ExitCode, UsageFailure
from deepunlearn_cli.core.specs import read_seeds
from deepunlearn_cli.reporting.plan_size import plan_sizes
from deepunlearn_cli.system.alarm import TimeUp, time_limit

if TYPE_CHECKING:
    from deepunlearn_cli.cli.record import Record
    from deepunlearn_cli.core.recipe import Recipe
    from deepunlearn_cli.reporting.table import Table
    from deepunlearn_cli.studies.bench import Bench
    from deepunlearn_cli.studies.plan import Plan
    from deepunlearn_cli.studies.throughput import Throughput


STUDIES = {"unrolling": unrolled, "repeated": repeated_deletion}  # by the table of a plan


def _plans(incomplete: str) -> list[str]:
    from deepunlearn_cli.studies.plan_file import built_in

    return [name for name in built_in() if name.startswith(incomplete)]


PAGE = ("as a page, verdicts first: `deepunlearn report --format html --out report.html`",)
PlanName = Annotated[
    str,
    argument(
        metavar="PLAN",
        help="quick, cifar10, cifar10-short, cifar10-defaults, paper, forget-sizes, class-removal, "
        "unrolling, repeated-deletion; or a TOML file.",
        autocompletion=_plans,
    ),
]
Dataset = Annotated[
    str | None,
    option(
        metavar="NAME",
        help="Instead of the plan's one dataset, as folder:PATH. (default: what the plan says)",
        autocompletion=o.complete_datasets,
    ),
]
Figure = Annotated[
    Path | None,
    option(metavar="FILE", help="Of unrolling and repeated-deletion: draw to this .svg, .png or .pdf."),
]


class Hours(Bundle):
    """What the hours of a dry run go by."""

    throughput: Annotated[
        str | None,
        option(
            metavar="N|MODEL=N,...",
            help="With --dry-run: pictures per second of training, for hours to go. "
            "Small steps are slower: resnet18=277000@256,resnet18=120000@64.",
        ),
    ] = None
    cards: Annotated[
        int, option(metavar="N", min=1, help="With --throughput: hours on so many such machines, too.")
    ] = 1

    def speed(self, plan: Plan, *, dry_run: bool) -> Throughput | None:
        """The pace that was given; None for none.

        Raises:
            UsageFailure: there is no dry run; no such figures, or one of a model that the plan has not.
        """
        from deepunlearn_cli.studies import throughput

        if self.throughput is None and self.cards == 1:
            return None
        if self.throughput is None or not dry_run or plan.study:
            raise UsageFailure(
                "--throughput and --cards are for the hours of a plan's --dry-run",
                "deepunlearn bench paper --dry-run --throughput 300000 --cards 8",
            )
        speed, models = throughput.read(self.throughput), sorted({setup.model for setup in plan.setups})
        known = {*models, *(f"{one.dataset}/{one.model}" for one in plan.setups), throughput.ANY}
        if strange := sorted(set(speed.by_model) - known):
            raise UsageFailure(
                f"--throughput names {strange[0]}, and the plan's models are: {', '.join(models)}",
                f"--throughput {models[0]}=300000",
            )
        return speed


@register(
    app,
    "bench",
    "deepunlearn bench quick",
    "deepunlearn bench paper --dry-run",
    "deepunlearn bench cifar10-short --dry-run --throughput 300000",
    "deepunlearn bench quick --jobs 1    # the same models, one at a time",
    "deepunlearn bench forget-sizes      # 3 to 50 % of the pictures forgotten",
    "deepunlearn bench class-removal     # whole classes forgotten",
    "deepunlearn bench unrolling --jobs 2 --figure unrolling.svg",
    "deepunlearn bench repeated-deletion --figure repeated.svg    # ten requests",
    "deepunlearn bench mine.toml --store /data/deepunlearn",
)
def bench(
    session: Session,
    plan: PlanName,
    dataset: Dataset = None,
    *,
    hours: Hours,
    database: o.Database = None,
    figure: Figure = None,
    running: Running,
    sitting: Sitting,
) -> Result:
    """Train, search, unlearn, attack and rank as a plan says; what is in the store is not made again."""
    from deepunlearn_cli.studies import plan_file
    from deepunlearn_cli.studies.bench import Bench
    from deepunlearn_cli.studies.forecast import of_plan
    from deepunlearn_cli.studies.plan_spelling import in_plan

    with in_plan():
        chosen = plan_file.load(plan)
        seeds = read_seeds(chosen.seeds)
    chosen = chosen.on(dataset) if dataset else chosen
    dry_run, seconds = running.dry_run, sitting.seconds
    speed = hours.speed(chosen, dry_run=dry_run)
    sitting.check(chosen, database)
    _check(chosen, database, figure, there=not dry_run)
    for untold in (*unshown(chosen), *unfed(chosen)):
        session.console.warn(untold)
    precision = read_precision(chosen.precision, running.device)
    with (
        running.runner(session, usual="auto" if chosen.timing else "1") as runner,
        sitting.held(runner, session.console, dry_run=dry_run) as record,
    ):
        bench = Bench(chosen, runner, seeds, precision, database, record.follow)
        if dry_run and not chosen.study:
            sizes = plan_sizes(of_plan(bench, speed), runner.width([]), hours.throughput, hours.cards)
            return Result(tables=sizes)
        try:
            with time_limit(seconds):
                if chosen.study:
                    return STUDIES[chosen.study](bench, figure, dry_run)
                judged, code = _made(bench, record, session)
        except TimeUp:
            return sitting.cut_off(record, _tables(bench, bench.so_far(record.wanted), session))
    tables = _tables(bench, judged, session)
    return Result(tables=tables, notes=PAGE if tables else [], code=code)


def _tables(bench: Bench, judged: Sequence[Recipe], session: Session) -> list[Table]:
    """The plan's, of these models; none where there are none."""
    source = Source(session, among={recipe.key for recipe in judged}, database=bench.address)
    return [one for name in bench.plan.tables for one in TABLES[name].make(source)] if judged else []


def _made(bench: Bench, record: Record, session: Session) -> tuple[list[Recipe], ExitCode]:
    """Carry the plan out: the models to be judged, and whether some failed."""
    from deepunlearn_cli.cli.progress import search_teller

    runner = bench.runner
    _ = bench.judged({})  # what an original does not allow is told before any search
    settings, failures = bench.tuned(search_teller(runner), session.console.note)
    for failure in failures:
        session.console.warn(failure.message, failure.hint)
    judged = bench.judged(settings)
    record.wanted = bench.with_attacks(judged)
    outcome = bench.make(record.wanted)
    runner.store.asked.add(outcome.runs)
    record.ask(outcome.runs)
    if bench.plan.timing:
        judged = bench.timed(judged)
        record.wanted = bench.with_attacks(judged)
        failures += [failure for _, failure in runner.ensure_all(record.wanted).failures]
    return judged, ExitCode.PARTLY_FAILED if outcome.failures or failures else ExitCode.OK


def _check(plan: Plan, database: str | None, figure: Path | None, *, there: bool) -> None:
    """Refuse what could not end well, before anything is made."""
    from deepunlearn_cli.studies import plan_checks, plan_spelling

    with plan_spelling.in_plan():
        _check_names(plan, there=there)
        plan_checks.check_tables(plan)
    if address := database or plan.sweep.get("database"):
        outputs.check_database(address)
    _check_figure(plan, figure)


def _check_figure(plan: Plan, figure: Path | None) -> None:
    from deepunlearn_cli.reporting import figures

    if figure and not plan.study:
        raise UsageFailure(
            "--figure is drawn of plans with a table [unrolling] or [repeated]",
            "deepunlearn bench unrolling --figure unrolling.svg",
        )
    if figure:
        figures.check(figure)


def _check_names(plan: Plan, *, there: bool) -> None:
    """Refuse names that there are not; a dataset's files must be there only to run the plan."""
    from deepunlearn_cli import data, models
    from deepunlearn_cli.sweep import check_sampler

    for setup in plan.setups:
        if there:
            data.check_spec(setup.dataset)
        models.check_name(setup.model)
    for name in plan.tables:
        check_table(name)
    if "sampler" in plan.sweep:
        check_sampler(plan.sweep["sampler"])
