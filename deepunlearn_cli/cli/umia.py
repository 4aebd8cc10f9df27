"""`deepunlearn attack umia`: the attack beside its controls, and an answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from deepunlearn_cli.attacks.umia import UMIA
from deepunlearn_cli.cli import options as o
from deepunlearn_cli.cli.app import attack_app
from deepunlearn_cli.cli.command import Session, register
from deepunlearn_cli.cli.console import Result
from deepunlearn_cli.cli.listing import plan_table
from deepunlearn_cli.cli.parameter import argument, option
from deepunlearn_cli.cli.reading import read_refs
from deepunlearn_cli.cli.verdict import FailAbove, Gate, Margin, Metric, code_of, read_rule
from deepunlearn_cli.core.errors import ExitCode, UsageFailure
from deepunlearn_cli.core.recipe import DO_NOTHING, RETRAIN
from deepunlearn_cli.reporting import audits

if TYPE_CHECKING:
    from deepunlearn_cli.attacks import Rule
    from deepunlearn_cli.checkpoints.refs import Start
    from deepunlearn_cli.cli.umia_views import Asked
    from deepunlearn_cli.core.recipe import Recipe
    from deepunlearn_cli.execution.runner import Runner
    from deepunlearn_cli.studies.audit import Audited

SAVED, MORE = "Saved scores", "Per sample"


@register(
    attack_app,
    "umia",
    "deepunlearn attack umia 3f9c",
    "deepunlearn attack umia clean.pt --margin 0.05    # exit 4 on FAIL",
    "deepunlearn attack umia 3f9c --by class --top 10 --samples exposed.csv",
    "deepunlearn attack umia 3f9c --against class    # of a removed class",
    "deepunlearn attack umia --scores forget.npz --against test.npz --fail-above 0.55",
    "deepunlearn unlearn --method all --ckpt orig.pt | deepunlearn attack umia -",
    declared=UMIA,
)
def umia(
    session: Session,
    params: Mapping[str, Any],
    targets: Annotated[
        list[str] | None,
        argument(
            metavar="[REF...]",
            help="Run ids, checkpoint files, or - for ids on stdin.",
            autocompletion=o.complete_refs,
        ),
    ] = None,
    against: Annotated[
        str, option(help="Where unseen samples come from: test, val or class; with --scores a file.")
    ] = "test",
    margin: Margin = None,
    fail_above: FailAbove = None,
    metric: Metric = "accuracy",
    gate: Gate = False,
    scores: Annotated[
        Path | None,
        option(help="The forget set's logits and labels, or losses (npz, npy, text).", rich_help_panel=SAVED),
    ] = None,
    control: Annotated[
        tuple[Path, Path] | None,
        option(help="The retrained model's scores: forget, then unseen samples.", rich_help_panel=SAVED),
    ] = None,
    samples: Annotated[
        Path | None, option(help="Write a line per sample to a .csv or .jsonl file.", rich_help_panel=MORE)
    ] = None,
    by: Annotated[
        str | None, option(help="class: the attack within each class.", rich_help_panel=MORE)
    ] = None,
    top: Annotated[
        int, option(help="Show so many of the most exposed forget samples.", rich_help_panel=MORE)
    ] = 0,
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
    the original (do nothing) and on the retrained model stands beside it, and the verdict says whether the
    model is equivalent to the retrained one, by two one-sided tests within a margin.
    """
    from deepunlearn_cli.checkpoints import refs
    from deepunlearn_cli.cli import umia_views as views

    rule = read_rule(metric, margin, fail_above, gate)
    asked = views.Asked(samples, by, top)
    if scores:
        _only_scores(targets)
        attack = UMIA.build({**params, "against": "test"})
        return views.of_files(attack, rule, asked, scores, Path(against), control, seed)
    _no_files(against, control)
    hyper = UMIA.build({**params, "against": against}).params()
    wanted = refs.Wanted(dataset, model, forget, image_size=image_size, offline=offline)
    read = [refs.read_ref(ref, wanted, session.store_path / "data") for ref in read_refs(targets or [])]
    with session.runner(device, jobs=jobs, create=any(not isinstance(ref, str) for ref in read)) as runner:
        attacks = [_attack(_target(refs.resolve(ref, runner, wanted)), hyper, seed) for ref in read]
        if dry_run:
            return Result(tables=[plan_table(runner, attacks)])
        return _audited(runner, attacks, rule, asked)


def _only_scores(targets: list[str] | None) -> None:
    if targets:
        raise UsageFailure("--scores audits files, and a run was given too", "give one or the other")


def _no_files(against: str, control: tuple[Path, Path] | None) -> None:
    if control:
        raise UsageFailure("--control belongs to --scores", "runs find their retrained model in the store")
    if against not in UMIA.domains()["against"].choices:
        raise UsageFailure(
            f"--against {against} is neither test, val nor class", "a file of scores goes with --scores FILE"
        )


def _audited(runner: Runner, attacks: Sequence[Recipe], rule: Rule, asked: Asked) -> Result:
    from deepunlearn_cli.cli import umia_views as views
    from deepunlearn_cli.studies.audit import audit

    found, failed = audit(runner, attacks, rule)
    rows = [views.row(one, rule) for one in found]
    tables = [audits.umia_table(rows, found[0].run.recipe.params["feature"])] if rows else []
    judged = [(row, one.parts, one.control) for row, one in zip(rows, found, strict=True) if one.answer]
    tables += views.more(asked, judged, _classes(runner, found))
    code = ExitCode.PARTLY_FAILED if failed else code_of(rule, [row["verdict"] for row in rows])
    ids = [one.run.id for one in found if one.answer]
    return Result(tables=tables, ids=ids, notes=audits.answers(rows) + _advice(rows), code=code)


def _holdout(rows: Sequence[Mapping[str, Any]]) -> bool:
    return any(row["reference"] == "holdout" and row["method"] != RETRAIN for row in rows)


def _classes(runner: Runner, found: Sequence[Audited]) -> Sequence[str]:
    from deepunlearn_cli import data

    fingerprints = {one.run.recipe.data["fingerprint"] for one in found}
    if len(fingerprints) != 1:
        return ()
    return data.load_dataset(fingerprints.pop(), runner.store.data).classes


def _target(start: Start) -> Recipe:
    """The model to attack; an original is attacked as what it is: a model that has forgotten nothing."""
    from deepunlearn_cli.execution import recipes

    if start.recipe.forget:
        return start.recipe
    return recipes.unlearned(start.recipe, DO_NOTHING, start.forget)


def _attack(target: Recipe, params: Mapping[str, Any], seed: int) -> Recipe:
    from deepunlearn_cli.execution import recipes

    return recipes.attack(target, "umia", params, seed)


def _advice(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    if not _holdout(rows):
        return []
    return ["no retrained model to compare with; make one: deepunlearn unlearn --method retrain --ckpt REF"]
