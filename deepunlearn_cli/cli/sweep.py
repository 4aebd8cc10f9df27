"""`deepunlearn sweep`: tune methods against the retrained model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

from deepunlearn_cli.cli import options as o
from deepunlearn_cli.cli.app import app, sweep_app
from deepunlearn_cli.cli.bundles import FileData, Models, Running
from deepunlearn_cli.cli.command import Session, register
from deepunlearn_cli.cli.console import Result
from deepunlearn_cli.cli.parameter import Family, option
from deepunlearn_cli.cli.reading import read_methods, read_params, shares_of
from deepunlearn_cli.cli.searching import Searching
from deepunlearn_cli.cli.stepping import Stepping
from deepunlearn_cli.core.errors import ExitCode, NotFound, UsageFailure
from deepunlearn_cli.core.specs import read_duration

if TYPE_CHECKING:
    from deepunlearn_cli.checkpoints.refs import Start
    from deepunlearn_cli.core.errors import Failure
    from deepunlearn_cli.execution.runner import Runner
    from deepunlearn_cli.reporting.table import Table
    from deepunlearn_cli.sweep import Order, TunedMethod


class Searches(Family):
    """`sweep`, with `list`, `show` and `rm` behind it."""

    below = sweep_app


@register(
    app,
    "sweep",
    "deepunlearn sweep 3f9c --method msg --trials 100",
    "deepunlearn runs --kind train --name original -q | deepunlearn sweep --method all --ckpt - --jobs 4",
    "deepunlearn sweep --method ft,ct --ckpt orig.pt --timeout 2h --database postgresql://user@host/db",
    "deepunlearn sweep --method msg --ckpt orig.pt -p lr=1e-4..1e-2 -p batch_size=64,128 --out msg.toml",
    cls=Searches,
    keeps=True,
)
def sweep(
    session: Session,
    method: o.Methods,
    models: Models,
    searching: Searching,
    data: FileData,
    stepping: Stepping,
    p: Annotated[
        list[str] | None,
        o.params("Keep a hyperparameter at a value, or search it in 1e-4..1e-2 or among 64,128."),
    ] = None,
    out: Annotated[
        Path | None,
        option(metavar="FILE", help="Also write the preset to this .toml file.", rich_help_panel=o.RUNNING),
    ] = None,
    *,
    running: Running,
) -> Result:
    """Tune a method's hyperparameters so that it behaves like retraining.

    A trial is judged on every original by how far RA, FA and VA are from its retrained model's (made if
    missing) and by a U-MIA on validation pictures; test pictures are not touched. The best few are run again
    on fresh seeds, and the choice is made on those. It is kept as a preset, and its model as a run.

    `sweep list` lists the searches that there are, `sweep show STUDY` shows one, `sweep rm STUDY` removes it.
    """
    from deepunlearn_cli import sweep as sweeps
    from deepunlearn_cli.checkpoints import following
    from deepunlearn_cli.cli.progress import search_teller

    fixed, search = _fixed(method, read_params(p)), searching.search()
    _check_out(out, list(fixed))
    steps = stepping.steps(running.device)
    seconds = read_duration(searching.timeout) if searching.timeout else None
    checkpoints = data.read(models.named, session)
    with running.runner_for(checkpoints, session) as runner:
        starts = [following.resolve(ref, runner, data.wanted()) for ref in checkpoints]
        if running.dry_run:
            order = searching.order(sweeps.unmeasured(starts, search, fixed, steps), runner, seconds)
            return Result(tables=[_size(order, starts, searching.confirm, runner)])
        questions = sweeps.questions(runner, starts, search, fixed, steps)
        order = searching.order(questions, runner, seconds)
        jobs = runner.width([start.recipe for start in starts])
        given_up = sweeps.search(order, jobs, runner, search_teller(runner))
        tuned, failures = sweeps.conclude(order, runner, searching.confirm, session.console.note)
        sweeps.make_models(tuned, runner)
        return _result(session, order, tuned, [*given_up, *failures], out)


def _size(order: Order, starts: Sequence[Start], confirm: int, runner: Runner) -> Table:
    from deepunlearn_cli.reporting.plan_size import plan_size
    from deepunlearn_cli.studies.forecast import of_search

    return plan_size(of_search(order, starts, confirm, runner), runner.width([]))


def _fixed(method: str, given: dict[str, str]) -> dict[str, dict[str, str]]:
    """The methods to tune, each with what was said of its hyperparameters."""
    from deepunlearn_cli import sweep as sweeps

    names = read_methods(method, sweeps.tunable)
    for name in names:
        if not sweeps.is_tunable(name):
            raise UsageFailure(
                f"{name} has no hyperparameters to tune", f"methods with some: {', '.join(sweeps.tunable())}"
            )
    shares = shares_of(names, given)
    for name, share in shares.items():
        sweeps.by_hand(name, share)
    return shares


def _check_out(out: Path | None, methods: list[str]) -> None:
    """Refuse what could not take the preset; one of the same method becomes the history of the new one."""
    from deepunlearn_cli.sweep import presets

    if out and len(methods) > 1:
        raise UsageFailure("--out takes one preset, and this makes several", "they are kept in the store too")
    if out and (out.suffix != ".toml" or not out.absolute().parent.is_dir()):
        raise UsageFailure(f"--out {out} is no .toml file in a folder that exists", "--out msg.toml, say")
    if out and out.exists() and (there := presets.read(out).method) != methods[0]:
        raise UsageFailure(f"--out {out} is a preset of {there}, not of {methods[0]}", "choose another file")


def _result(
    session: Session,
    order: Order,
    tuned: Sequence[TunedMethod],
    failures: Sequence[Failure],
    out: Path | None,
) -> Result:
    """Candidates of every method, ids of the chosen models; a failure of the only method is that failure."""
    from deepunlearn_cli.reporting.sweeps import candidates_table
    from deepunlearn_cli.sweep import presets

    if failures and len(order.questions) == 1:
        raise failures[0]
    for failure in (*failures, *(failure for one in tuned for failure in one.failures)):
        session.console.warn(failure.message, failure.hint)
    if out:
        presets.record(replace(tuned[0].preset, history=()), out)
    rows = [row for one in tuned for row in _rows(one)]
    code = ExitCode.PARTLY_FAILED if failures or any(one.failures for one in tuned) else ExitCode.OK
    ids = [run.id for one in tuned for run in one.runs]
    return Result(tables=[candidates_table(rows)], ids=ids, notes=_notes(order, tuned, out), code=code)


def _rows(tuned: TunedMethod) -> Iterator[dict[str, Any]]:
    about = {"study": tuned.question.key, "method": tuned.question.method, "trials": tuned.trials}
    about |= {"exhausted": tuned.exhausted, "reads_judge": bool(tuned.preset.provenance.get("reads_judge"))}
    about["tuned"] = [*tuned.question.domains, *tuned.question.fixed]
    for candidate in tuned.candidates:
        runs = [run.id for run in tuned.runs] if candidate.chosen else []
        yield about | asdict(candidate) | {"preset": str(tuned.path), "runs": runs}


def _use(tuned: TunedMethod) -> str:
    """What unlearns with what was found; `best` is not what was never confirmed."""
    from deepunlearn_cli.execution import origins

    run = tuned.question.runs[0]
    start, spec = run.inputs["original"].key, quote(run.labels["forget"])
    name = "best" if _is_best(tuned) else quote(str(tuned.path))
    way = "" if run.data["augment"] == run.inputs["original"].data["augment"] else " --no-augment"
    way += "" if run.precision == run.inputs["original"].precision else f" --precision {run.precision}"
    words = f"unlearn {start} --method {origins.spelling(run)} --forget {spec}{way} --preset {name}"
    return f"use it: `deepunlearn {words}`"


def _is_best(tuned: TunedMethod) -> bool:
    """Whether `--preset best` means this one."""
    from deepunlearn_cli.sweep import fit

    try:
        found = fit.best(tuned.path.parent, tuned.question.method, tuned.question.runs[0])
    except NotFound:
        return False
    return found.same_choice(tuned.preset)


def _notes(order: Order, tuned: Sequence[TunedMethod], out: Path | None) -> list[str]:
    short = [one for one in tuned if one.trials < order.wanted]
    behind = [f"{one.question.method} {one.trials}" for one in short if not one.exhausted]
    return [
        *(
            f"{one.question.method}: {one.trials} trials, for every setting that there is was tried"
            for one in short
            if one.exhausted
        ),
        *(
            [f"short of {order.wanted} trials: {', '.join(behind)}; the same command goes on"]
            if behind
            else []
        ),
        *([f"wrote {out}"] if out else []),
        *(_use(one) for one in tuned),
    ]
