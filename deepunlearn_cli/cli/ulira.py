"""`deepunlearn attack ulira`: many models per method, a likelihood ratio per sample, beside the controls."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from deepunlearn_cli.attacks.ulira import OTHERS, OWN, ULiRA
from deepunlearn_cli.cli import options as o
from deepunlearn_cli.cli import ulira_from
from deepunlearn_cli.cli.app import attack_app
from deepunlearn_cli.cli.audit_rows import place_of
from deepunlearn_cli.cli.bundles import Running
from deepunlearn_cli.cli.command import Session, register
from deepunlearn_cli.cli.console import Result
from deepunlearn_cli.cli.parameter import option
from deepunlearn_cli.cli.reading import params_for, read_methods, read_params, read_precision
from deepunlearn_cli.cli.setting import SettingOptions
from deepunlearn_cli.cli.showing import Showing
from deepunlearn_cli.cli.sitting import Sitting
from deepunlearn_cli.cli.source import title, titles
from deepunlearn_cli.cli.tuned import Tuned
from deepunlearn_cli.cli.unfold import Bundle
from deepunlearn_cli.cli.verdict import VerdictOptions, answer_row, code_of
from deepunlearn_cli.core.errors import ExitCode, UsageFailure
from deepunlearn_cli.core.recipe import CONTROLS, DO_NOTHING, RETRAIN
from deepunlearn_cli.evaluation.klom import LEAST_MODELS
from deepunlearn_cli.reporting import ulira as views
from deepunlearn_cli.reporting.titles import of_plugins

if TYPE_CHECKING:
    from deepunlearn_cli.attacks import Findings, Rule
    from deepunlearn_cli.core.recipe import Recipe
    from deepunlearn_cli.core.rows import IndexRow
    from deepunlearn_cli.store import Store
    from deepunlearn_cli.studies import shadows
    from deepunlearn_cli.studies.audit import Answer

DESIGN = "Design"
Draws = tuple[float, int]  # a forget set's share of a half, and how many there are of each half


class DesignOptions(Bundle):
    """How many models, of what."""

    splits: Annotated[
        int,
        option(
            metavar="N",
            help="Random halves of the training data, one original each.",
            rich_help_panel=DESIGN,
        ),
    ] = 16
    forget_sets: Annotated[int, option(metavar="N", help="Forget sets per half.", rich_help_panel=DESIGN)] = 4
    share: Annotated[
        float,
        option(metavar="SHARE", help="Share of a half that each forget set takes.", rich_help_panel=DESIGN),
    ] = 0.1


Method = Annotated[
    str | None,
    option(
        metavar="NAME[,NAME]|all",
        help="The method, or several (`deepunlearn methods`). (default: that of REF)",
        autocompletion=o.complete_methods,
    ),
]
TrainingParams = Annotated[
    list[str] | None,
    option(metavar="NAME=VALUE", help="Of the originals' training; repeatable.", rich_help_panel=o.TRAINING),
]
FiguresOption = Annotated[
    list[Path] | None,
    option(
        "--from",
        metavar="FILE",
        help="Show what files of --export say, with no store and no pictures; repeated, they add up.",
        rich_help_panel=o.RUNNING,
    ),
]
Figure = Annotated[
    Path | None,
    option(metavar="FILE", help="Write the figure to an .svg, .png or .pdf (needs the `plots` extra)."),
]


@register(
    attack_app,
    "ulira",
    "deepunlearn attack ulira 3f9c --jobs 2    # its method, in its setting",
    "deepunlearn attack ulira --method msg,ct,ft --dataset digits --model resnet-tiny --jobs 2",
    "deepunlearn attack ulira --method msg --dataset cifar10 --model resnet18 --splits 64 --dry-run",
    "deepunlearn attack ulira --method ct --dataset digits --model resnet-tiny --preset best --figure f.svg",
    "deepunlearn attack ulira --method ct --dataset digits --model resnet-tiny --export f.jsonl",
    "deepunlearn attack ulira --from f.jsonl    # the same tables, elsewhere",
    declared=ULiRA,
)
def ulira(
    session: Session,
    params: Mapping[str, Any],
    setting: SettingOptions,
    method: Method = None,
    *,
    design: DesignOptions,
    training: TrainingParams = None,
    p: o.Params = None,
    preset: Tuned,
    verdict: VerdictOptions,
    figure: Figure = None,
    showing: Showing,
    no_augment: o.NoAugment = False,
    precision: o.Precision = None,
    file: FiguresOption = None,
    running: Running,
    sitting: Sitting,
) -> Result:
    """U-LiRA: for each picture, was it forgotten by this model or never seen by it?

    Trains an original on each of many random halves of the training data, lets every method forget several
    sets from each, and scores each picture by Gaussians fitted to the other halves. Retrained models are the
    control, and the do-nothing control stands beside them. A REF stands for its dataset, model and training,
    and an unlearned one for its method with its settings. What is in the store is not made again: more
    --splits later train only what is missing.
    """
    from deepunlearn_cli.execution import recipes
    from deepunlearn_cli.studies import shadows

    rule, asked = verdict.rule(ULiRA), read_methods(method) if method else []
    settings_asked, training_asked = read_params(p), read_params(training)
    recipes.TRAINER.build(training_asked)
    preset.check()
    params_for(asked, settings_asked if asked else {})
    attack = ULiRA.build(params)
    hyper = attack.params()
    _check_shown(showing, figure)
    if file:
        ulira_from.check_alone(setting, running, sitting)
        with ulira_from.opened(file, session, setting, asked, hyper) as (there, draws):
            return showing.shown(_analysed(there, attack, rule, draws, figure), ids=False)
    read = setting.read(session)
    chosen = read_precision(precision, running.device)
    with (
        running.runner_for(read, session) if read else running.runner(session) as runner,
        sitting.held(runner, session.console, dry_run=running.dry_run) as record,
    ):
        taken = setting.setting(runner, read, chosen, augment=not no_augment, override=precision is not None)
        methods = asked or _of_refs(taken.methods)
        given = params_for(methods, settings_asked)
        originals = recipes.TRAINER.build({**taken.training, **training_asked}).params()
        plan = shadows.Design(taken.scene, design.splits, design.forget_sets, design.share, originals)
        plan.check()

        def settings(name: str, start: Recipe) -> Mapping[str, Any]:
            found, _ = preset.params(session, runner.store, name, start, given.get(name, {}))
            return {**taken.methods.get(name, {}), **found}

        names = [*CONTROLS, *methods]
        analyses = {name: recipes.ulira(plan.models(name, settings, runner), name, hyper) for name in names}
        if running.dry_run:
            return Result(tables=[views.plan_table(shadows.plan(runner, analyses))])
        record.wanted, draws = shadows.wanted(analyses), (plan.share, plan.forget_sets)
        found, whole = shadows.within(sitting.seconds, runner, analyses)
        if not whole:
            said = _analysed(found, attack, rule, draws, None) if found else Result()
            return sitting.cut_off(record, said.tables)
        return showing.shown(_analysed(found, attack, rule, draws, figure))


def _check_shown(showing: Showing, figure: Path | None) -> None:
    from deepunlearn_cli.reporting import figures

    showing.check()

    if figure:
        figures.check(figure)


def _of_refs(methods: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The methods of the models that were named.

    Raises:
        UsageFailure: they are originals.
    """
    if not methods:
        raise UsageFailure("no method was named, and no model of one", "--method msg, say")
    return list(methods)


def _analysed(
    analyses: Sequence[shadows.Analysis], attack: ULiRA, rule: Rule, draws: Draws, figure: Path | None
) -> Result:
    from deepunlearn_cli.studies.audit import findings_of

    controls = {one.method: findings_of(one.run) for one in analyses if one.method in CONTROLS and one.run}
    place = place_of([one.run for one in analyses if one.run])
    rows = sorted((place | _row(one, attack, rule, controls) for one in analyses), key=_order)
    drawn = [row for row in rows if row["histogram"]]
    if figure:
        from deepunlearn_cli.reporting import figures

        figures.save(figures.ulira_figure(drawn), figure)
    code = code_of(rule, rows)
    return Result(
        tables=[
            views.ulira_table(rows, OWN),
            *([views.others_table(rows, OTHERS, _klom_notes(rows, draws))] if attack.has_others() else []),
            views.figure(drawn),
        ],
        ids=[one.run.id for one in analyses if one.run],
        notes=views.answers(rows) + ([f"wrote {figure}"] if figure else []),
        code=ExitCode.PARTLY_FAILED if any(row["reason"] for row in rows) else code,
    )


def stored_rows(store: Store, attacks: Sequence[IndexRow]) -> list[dict[str, Any]]:
    """What the figure needs of the newest U-LiRA of each method among these attacks."""
    known = titles() | of_plugins(attacks)
    newest: dict[str, dict[str, Any]] = {}
    for row in attacks:
        run = store.find(row["id"])
        method, samples = run.recipe.labels["method"], run.outputs()["samples"]
        drawn = {"histogram": views.histogram(samples["accuracy"]), "accuracy": run.scores["accuracy"]}
        about = {"title": known.get(method, method), "control": method in CONTROLS}
        newest[method] = about | drawn
    return sorted(newest.values(), key=_order)


def _order(row: Mapping[str, Any]) -> tuple[bool, float]:
    """The easiest to attack last; what failed after all others."""
    return row["accuracy"] is None, row["accuracy"] or 0.0


def _klom_notes(rows: Sequence[Mapping[str, Any]], draws: Draws) -> list[str]:
    """What KLoM's floor is, or what it takes to have it."""
    if all(row["klom"] is None for row in rows):
        more = f"--splits {_splits_for_klom(*draws)} here, or a larger --share or more --forget-sets"
        return [f"KLoM takes {LEAST_MODELS} models of a picture: {more}"]
    return ["KLoM's floor is that of the retrained models, whose row has it: few models differ by chance"]


def _splits_for_klom(share: float, forget_sets: int) -> int:
    """Splits in which a picture is forgotten at least once as often as KLoM needs it, on average."""
    once = (1 - (1 - share) ** forget_sets) / 2
    return math.ceil(LEAST_MODELS / once)


def _klom(attack: ULiRA, ours: Findings | None, control: Findings | None) -> dict[str, float | None]:
    """KLoM, its floor and what is between them, each with the ends of its 95 % interval."""
    found = attack.klom(ours, control) if ours and control else None
    fields: dict[str, float | None] = {}
    for name in ("value", "floor", "excess"):
        one = getattr(found, name) if found else None
        low, high = one.interval() if one else (None, None)
        key = "klom" if name == "value" else f"klom_{name}"
        fields |= {key: one.value if one else None, f"{key}_low": low, f"{key}_high": high}
    counts = {name: getattr(found, name) if found else None for name in ("pictures", "models")}
    return fields | {f"klom_{name}": count for name, count in counts.items()}


def _row(
    analysis: shadows.Analysis, attack: ULiRA, rule: Rule, controls: Mapping[str, Findings]
) -> dict[str, Any]:
    from deepunlearn_cli.studies import audit

    ours = audit.findings_of(analysis.run) if analysis.run else None
    is_control = analysis.method in CONTROLS
    answer = None
    if ours and RETRAIN in controls and not is_control:
        answer = replace(_answered(rule, ours, controls), claim=analysis.claim)
    return {
        "id": analysis.run.id if analysis.run else None,
        "method": analysis.method,
        "title": title(analysis.method),
        "control": is_control,
        "reason": analysis.failure.message if analysis.failure else None,
        **(ours.scores if ours else dict.fromkeys(ULiRA.score_names())),
        **_klom(attack, ours, controls.get(RETRAIN)),
        **answer_row(answer, rule),
        "histogram": views.histogram(ours.parts["samples"]["accuracy"]) if ours else [],
    }


def _answered(rule: Rule, ours: Findings, controls: Mapping[str, Findings]) -> Answer:
    """The verdict on a method beside the retrained models, or beside guessing where the rule says so."""
    from deepunlearn_cli.studies.audit import GUESSING, RETRAINED, answered

    control = controls[RETRAIN] if rule.fail_above is None else None
    nothing, attack = controls.get(DO_NOTHING), ULiRA()
    gaps = attack.gaps(rule.metrics, ours, control)
    bound = attack.gaps(rule.metrics, nothing, control) if nothing else None
    return answered(rule, gaps, ours.scores["samples"], RETRAINED if control else GUESSING, bound)
