"""`deepunlearn bench`: a whole comparison, resumable, ending in both tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from deepunlearn_cli.cli import options as o
from deepunlearn_cli.cli.app import app
from deepunlearn_cli.cli.command import Session, register
from deepunlearn_cli.cli.console import Result
from deepunlearn_cli.cli.listing import plan_table
from deepunlearn_cli.cli.parameter import argument
from deepunlearn_cli.cli.ranking import store_records
from deepunlearn_cli.errors import ExitCode

if TYPE_CHECKING:
    from deepunlearn_cli.bench import Plan
    from deepunlearn_cli.tables.table import Table


def _plans(incomplete: str) -> list[str]:
    from deepunlearn_cli.bench import built_in

    return [name for name in built_in() if name.startswith(incomplete)]


@register(
    app,
    "bench",
    "deepunlearn bench quick",
    "deepunlearn bench quick --dry-run",
    "deepunlearn bench mine.toml --store /data/deepunlearn",
)
def bench(
    session: Session,
    plan: Annotated[
        str,
        argument(metavar="quick|PLAN.toml", help="A built-in plan or a file.", autocompletion=_plans),
    ],
    device: o.Device = "auto",
    jobs: o.Jobs = 1,
    dry_run: o.DryRun = False,
) -> Result:
    """Train, unlearn, attack and rank as a plan says; what is in the store already is not made again."""
    from deepunlearn_cli import bench as plans

    chosen = plans.load(plan)
    seeds = o.read_seeds(chosen.seeds)
    _check_names(chosen)
    precision = o.read_precision(chosen.precision, device)
    with session.runner(device, jobs=jobs) as runner:
        judged = list(plans.targets(chosen, seeds, runner, precision))
        attacks = plans.attacks(chosen, judged)
        if dry_run:
            return Result(tables=[plan_table(runner, [*judged, *attacks])])
        outcome = runner.ensure_all([*judged, *attacks])
        wanted = {recipe.key for recipe in judged}
        code = ExitCode.PARTLY_FAILED if outcome.failures else ExitCode.OK
        return Result(tables=_tables(session, wanted), code=code)


def _check_names(plan: Plan) -> None:
    from deepunlearn_cli import data, models
    from deepunlearn_cli.attacks import ATTACKS

    for spec in plan.datasets:
        data.check_spec(spec)
    for name in plan.models:
        models.check_name(name)
    for name in plan.attacks:
        ATTACKS.get(name)


def _tables(session: Session, wanted: set[str]) -> list[Table]:
    from deepunlearn_cli.tables.rank import rank
    from deepunlearn_cli.tables.report import report

    found = [record for record in store_records(session.store(), None, None) if record.id in wanted]
    return [rank(found), report(found, "2")]
