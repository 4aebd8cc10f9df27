"""`deepunlearn attack ulira`: many models per method, a likelihood ratio per sample, beside the controls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from deepunlearn_cli.attacks import Rule
from deepunlearn_cli.attacks.ulira import ULiRA
from deepunlearn_cli.cli import options as o
from deepunlearn_cli.cli.app import attack_app
from deepunlearn_cli.cli.command import Session, register
from deepunlearn_cli.cli.console import Result
from deepunlearn_cli.cli.parameter import option
from deepunlearn_cli.cli.reading import params_for, read_methods, read_params, read_precision, set_values
from deepunlearn_cli.cli.tuned import tuned
from deepunlearn_cli.cli.verdict import FailAbove, Gate, Margin, Metric, code_of, read_rule
from deepunlearn_cli.core.errors import ExitCode
from deepunlearn_cli.core.recipe import CONTROLS, RETRAIN
from deepunlearn_cli.reporting import ulira as views

if TYPE_CHECKING:
    from deepunlearn_cli.core.recipe import Recipe
    from deepunlearn_cli.store import Store
    from deepunlearn_cli.studies import shadows

DESIGN = "Design"


@register(
    attack_app,
    "ulira",
    "deepunlearn attack ulira --method msg,ct,ft --dataset digits --model resnet-tiny --jobs 2",
    "deepunlearn attack ulira --method msg --dataset cifar10 --model resnet18 --splits 64 --dry-run",
    "deepunlearn attack ulira --method ct --dataset digits --model resnet-tiny --preset best --figure f.svg",
    declared=ULiRA,
)
def ulira(
    session: Session,
    params: Mapping[str, Any],
    method: o.Methods,
    dataset: o.Dataset,
    model: o.Model,
    splits: Annotated[
        int, option(help="Random halves of the training data, one original each.", rich_help_panel=DESIGN)
    ] = 16,
    forgets: Annotated[int, option(help="Forget sets per half.", rich_help_panel=DESIGN)] = 4,
    share: Annotated[
        float, option(help="Share of a half that each forget set takes.", rich_help_panel=DESIGN)
    ] = 0.1,
    train: Annotated[
        list[str] | None,
        option(
            metavar="NAME=VALUE",
            help="A hyperparameter of the originals' training; may be repeated.",
            rich_help_panel=o.TRAINING,
        ),
    ] = None,
    p: o.Params = None,
    preset: o.Preset = None,
    margin: Margin = None,
    fail_above: FailAbove = None,
    metric: Metric = "accuracy",
    gate: Gate = False,
    figure: Annotated[
        Path | None, option(help="Write the figure to an .svg, .png or .pdf (needs the `plots` extra).")
    ] = None,
    val_share: o.ValShare = None,
    split_seed: o.SplitSeed = None,
    image_size: o.ImageSize = None,
    no_augment: o.NoAugment = False,
    precision: o.Precision = None,
    device: o.Device = "auto",
    jobs: o.Jobs = 1,
    offline: o.Offline = False,
    dry_run: o.DryRun = False,
) -> Result:
    """U-LiRA: for each picture, was it forgotten by this model or never seen by it?

    Trains an original on each of many random halves of the training data, lets every method forget several
    sets from each, and scores each picture by Gaussians fitted to the other halves. Retrained models are the
    control, the originals the bound. What is in the store is not made again: more --splits later train only
    what is missing.
    """
    from deepunlearn_cli import data, models
    from deepunlearn_cli.execution import recipes
    from deepunlearn_cli.reporting import figures
    from deepunlearn_cli.studies import shadows

    rule, methods = read_rule(metric, margin, fail_above, gate), read_methods(method)
    given = params_for(methods, read_params(p))
    training = recipes.TRAINER.build(read_params(train)).params()
    hyper = ULiRA.build(params).params()
    if figure:
        figures.check(figure)
    data.check_spec(dataset)
    models.check_name(model)
    chosen = read_precision(precision, device)
    with session.runner(device, jobs=jobs) as runner:
        opened = runner.dataset(dataset, image_size=image_size, offline=offline)
        scene = recipes.Scene(opened, model, data.VAL_SHARE, data.SPLIT_SEED, chosen, not no_augment)
        scene = replace(scene, **set_values(val_share=val_share, split_seed=split_seed))
        design = shadows.Design(scene, splits, forgets, share, training)

        def settings(name: str, start: Recipe) -> Mapping[str, Any]:
            return tuned(session, preset, runner.store, name, start) | given.get(name, {})

        names = dict.fromkeys([*CONTROLS, *methods])
        analyses = {name: recipes.ulira(design.models(name, settings, runner), name, hyper) for name in names}
        if dry_run:
            return Result(tables=[views.plan_table(shadows.plan(runner, analyses))])
        return _analysed(list(shadows.attack(runner, analyses)), rule, figure)


def _analysed(results: Sequence[shadows.Result], rule: Rule, figure: Path | None) -> Result:
    control = next((r.run for r in results if r.method == RETRAIN and r.run), None)
    held = {"scores": control.scores, "parts": control.outputs()} if control else None
    rows = sorted((_row(result, rule, held) for result in results), key=_order)
    drawn = [row for row in rows if row["histogram"]]
    if figure:
        from deepunlearn_cli.reporting import figures

        figures.save(figures.ulira_figure(drawn), figure)
    code = code_of(rule, [row["verdict"] for row in rows])
    return Result(
        tables=[views.ulira_table(rows), views.figure(drawn)],
        ids=[result.run.id for result in results if result.run],
        notes=views.answers(rows) + ([f"wrote {figure}"] if figure else []),
        code=ExitCode.PARTLY_FAILED if any(row["reason"] for row in rows) else code,
    )


def stored_rows(store: Store, dataset: str | None, model: str | None) -> list[dict[str, Any]]:
    """What the figure needs of the newest U-LiRA of each method in the store."""
    from deepunlearn_cli.methods import METHODS

    newest: dict[str, dict[str, Any]] = {}
    for row in store.rows(kind="attack", name="ulira", status="done", dataset=dataset, model=model):
        run = store.find(row["id"])
        method, samples = run.recipe.labels["method"], run.outputs()["samples"]
        drawn = {"histogram": views.histogram(samples["accuracy"]), "accuracy": run.scores["accuracy"]}
        about = {"title": METHODS.get(method).title, "control": method in CONTROLS}
        newest[method] = about | drawn
    return sorted(newest.values(), key=_order)


def _order(row: Mapping[str, Any]) -> tuple[bool, float]:
    """The easiest to attack last; what failed after all others."""
    return row["accuracy"] is None, row["accuracy"] or 0.0


SCORES = (
    *(f"{name}{end}" for name in ("accuracy", "auc", "tpr_1", "tpr_01") for end in ("", "_low", "_high")),
    "accuracy_sd", "samples", "unscored", "models", "splits",
)  # fmt: skip


def _row(result: shadows.Result, rule: Rule, control: Mapping[str, Any] | None) -> dict[str, Any]:
    from deepunlearn_cli.methods import METHODS

    run = result.run
    parts = run.outputs() if run else None
    scores = run.scores if run else dict.fromkeys(SCORES)
    is_control = result.method in CONTROLS
    return {
        "id": run.id if run else None,
        "method": result.method,
        "title": METHODS.get(result.method).title,
        "control": is_control,
        "reason": result.failure.message if result.failure else None,
        **scores,
        **_judged(rule, scores, parts, None if is_control else control),
        "histogram": views.histogram(parts["samples"]["accuracy"]) if parts else [],
    }


def _judged(
    rule: Rule, scores: Mapping[str, Any], parts: Mapping[str, Any] | None, control: Mapping[str, Any] | None
) -> dict[str, Any]:
    from deepunlearn_cli.attacks import equivalent, within
    from deepunlearn_cli.attacks._ulira import difference
    from deepunlearn_cli.attacks._verdict import ALPHA

    asked = {"metric": rule.metric, "margin": rule.margin, "fail_above": rule.fail_above}
    if parts is None or control is None:
        return asked | dict.fromkeys(("verdict", "gap", "gap_low", "gap_high"))
    apart = scores[rule.metric] - control["scores"][rule.metric]
    gap = difference(rule.metric, parts["cells"], control["parts"]["cells"], apart)
    low, high = gap.interval(1 - 2 * ALPHA)
    ends = scores[f"{rule.metric}_low"], scores[f"{rule.metric}_high"]
    verdict = equivalent(gap, rule.margin) if rule.fail_above is None else within(ends, rule.fail_above)
    return asked | {"verdict": verdict, "gap": gap.value, "gap_low": low, "gap_high": high}
