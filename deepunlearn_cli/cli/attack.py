"""`deepunlearn attack`: U-MIA against models, beside the same attack on their controls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from deepunlearn_cli.attacks import verdict
from deepunlearn_cli.attacks.umia import UMIA
from deepunlearn_cli.cli import options as o
from deepunlearn_cli.cli.app import app, attack_app
from deepunlearn_cli.cli.command import Session, register
from deepunlearn_cli.cli.console import Result
from deepunlearn_cli.cli.listing import plan_table
from deepunlearn_cli.cli.parameter import argument, option
from deepunlearn_cli.errors import ExitCode, RunFailed, UsageFailure
from deepunlearn_cli.tables.table import Column, Table

if TYPE_CHECKING:
    from deepunlearn_cli.adopt import Start
    from deepunlearn_cli.recipe import Recipe
    from deepunlearn_cli.runner import Runner
    from deepunlearn_cli.store import Run

CODES = {"PASS": ExitCode.OK, "FAIL": ExitCode.AUDIT_FAILED, "INCONCLUSIVE": ExitCode.AUDIT_INCONCLUSIVE}
WORST = ("FAIL", "INCONCLUSIVE", "PASS")

app.add_typer(attack_app, name="attack")


@register(
    attack_app,
    "umia",
    "deepunlearn attack umia 3f9c",
    "deepunlearn attack umia clean.pt --fail-above 0.55   (exit 4 if it fails, 5 if nobody can tell)",
    "deepunlearn unlearn --method all --ckpt orig.pt | deepunlearn attack umia -",
    declared=UMIA,
)
def umia(
    session: Session,
    params: Mapping[str, Any],
    refs: Annotated[
        list[str],
        argument(
            metavar="REF...",
            help="Run ids, checkpoint files, or - for ids on stdin.",
            autocompletion=o.complete_refs,
        ),
    ],
    fail_above: Annotated[
        float | None,
        option(help="Fail if the attack's accuracy, or 1 minus it, is above this (0.5 is guessing)."),
    ] = None,
    seed: Annotated[int, option(help="Of the balanced draw and the folds.")] = 0,
    forget: o.Forget = None,
    dataset: o.FileDataset = None,
    model: o.FileModel = None,
    image_size: o.ImageSize = None,
    device: o.Device = "auto",
    jobs: o.Jobs = 1,
    offline: o.Offline = False,
    dry_run: o.DryRun = False,
) -> Result:
    """U-MIA: does the loss tell forgotten pictures from pictures never seen?

    The attack is a logistic regression on per-picture losses, balanced, cross-validated. The same attack on
    the original (do nothing) and on the retrained model stands beside it.
    """
    from deepunlearn_cli import adopt

    hyper = UMIA.build(params).params()
    _check_limit(fail_above)
    wanted = adopt.Wanted(dataset, model, forget, image_size=image_size, offline=offline)
    read = [adopt.read_ref(ref, wanted, session.store_path / "data") for ref in o.read_refs(refs)]
    with session.runner(device, jobs=jobs, create=any(not isinstance(ref, str) for ref in read)) as runner:
        attacks = [_attack(_target(adopt.resolve(ref, runner, wanted)), hyper, seed) for ref in read]
        if dry_run:
            return Result(tables=[plan_table(runner, attacks)])
        return _audit(runner, attacks, fail_above)


def _check_limit(limit: float | None) -> None:
    if limit is not None and not 0.5 <= limit <= 1:
        raise UsageFailure(f"--fail-above {limit} is not from 0.5 to 1", "0.55 allows 5 points over guessing")


def _audit(runner: Runner, attacks: Sequence[Recipe], limit: float | None) -> Result:
    """The attacks beside their controls; the worst verdict gives the exit code."""
    outcome = runner.ensure_all(attacks)
    if len(attacks) == 1 and outcome.failures:
        raise outcome.failures[0][1]
    rows = [_row(run, limit) for run in outcome.runs]
    rows += [_row(run, None) for run in _controls(runner, outcome.runs)]
    code = ExitCode.PARTLY_FAILED if outcome.failures else _code([row["verdict"] for row in rows])
    return Result(tables=[_table(rows)], ids=[run.id for run in outcome.runs], notes=_notes(rows), code=code)


def _target(start: Start) -> Recipe:
    """The model to attack; an original is attacked as what it is: a model that has forgotten nothing."""
    from deepunlearn_cli import compose

    if start.recipe.forget:
        return start.recipe
    return compose.unlearned(start.recipe, "original", start.forget)


def _attack(target: Recipe, params: Mapping[str, Any], seed: int) -> Recipe:
    from deepunlearn_cli import compose

    return compose.attack(target, "umia", params, seed)


def _controls(runner: Runner, attacked: Sequence[Run]) -> Iterator[Run]:
    """The same attack on each target's original and, where the store has it, on its retrained model."""
    seen = {run.id for run in attacked}
    for run in attacked:
        for control in _controls_of(run.recipe, runner):
            if control.key not in seen:
                seen.add(control.key)
                try:
                    yield runner.ensure(control)
                except RunFailed as failure:
                    runner.reporter.failed(control, failure)


def _controls_of(attack: Recipe, runner: Runner) -> Iterator[Recipe]:
    from deepunlearn_cli import compose, data

    target = attack.inputs["target"]
    start = target.inputs.get("original")
    assert target.forget
    forget = data.load_forget(target.forget, runner.store.data)
    if start is not None:
        reference = compose.retrained(start, forget)
        if runner.store.get(reference.key):
            yield _attack(reference, attack.params, attack.seed)
        yield _attack(compose.unlearned(start, "original", forget), attack.params, attack.seed)


def _row(run: Run, limit: float | None) -> dict[str, Any]:
    target = run.recipe.inputs["target"]
    return {
        "id": run.id,
        "target": target.key,
        "method": target.name,
        "dataset": target.labels.get("dataset", ""),
        "model": target.model,
        "seed": target.seed,
        "forget": target.forget,
        "limit": limit,
        "verdict": verdict(run.scores, limit) if limit is not None else None,
        **run.scores,
    }


def _table(rows: Sequence[Mapping[str, Any]]) -> Table:
    columns = [
        Column("id", lambda r: str(r["id"])),
        Column("model run", lambda r: str(r["target"])),
        Column("method", lambda r: str(r["method"])),
        Column("seed", lambda r: str(r["seed"]), right=True),
        Column("accuracy (95 %)", lambda r: _interval(r, "accuracy"), right=True),
        Column("AUC (95 %)", lambda r: _interval(r, "auc"), right=True),
        Column("n", lambda r: str(r["n"]), right=True),
        Column("verdict", lambda r: str(r["verdict"] or "")),
    ]
    title = "U-MIA: 0.5 is guessing, below 0.5 leaks too"
    return Table("deepunlearn.umia/1", title, columns, rows)


def _interval(row: Mapping[str, Any], name: str) -> str:
    return f"{row[name]:.3f} ({row[name + '_low']:.3f}–{row[name + '_high']:.3f})"


def _code(verdicts: Sequence[str | None]) -> ExitCode:
    worst = next((word for word in WORST if word in verdicts), "PASS")
    return CODES[worst]


def _notes(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    if any(row["method"] == "retrain" for row in rows):
        return []
    return ["no retrained model to compare with; make one: deepunlearn unlearn --method retrain --ckpt REF"]
