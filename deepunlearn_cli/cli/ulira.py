"""`deepunlearn attack ulira`: many models per method, a likelihood ratio per sample, beside the controls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
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
from deepunlearn_cli.cli.setting import Setting, SettingOptions
from deepunlearn_cli.cli.showing import Showing
from deepunlearn_cli.cli.sitting import Sitting
from deepunlearn_cli.cli.tuned import Tuned
from deepunlearn_cli.cli.ulira_rows import Draws, klom_notes, order, row_of
from deepunlearn_cli.cli.unfold import Bundle
from deepunlearn_cli.cli.verdict import VerdictOptions, code_of
from deepunlearn_cli.core.errors import ExitCode, UsageFailure
from deepunlearn_cli.core.recipe import CONTROLS
from deepunlearn_cli.reporting import ulira as views

if TYPE_CHECKING:
    from deepunlearn_cli.attacks import Rule
    from deepunlearn_cli.checkpoints import refs
    from deepunlearn_cli.core.recipe import Recipe
    from deepunlearn_cli.execution.runner import Runner
    from deepunlearn_cli.studies import shadows

    Named = tuple[list[str], dict[str, Any]]  # methods, and hyperparameters for them
    Found = Callable[[str, Recipe, Mapping[str, Any]], tuple[dict[str, Any], str]]

DESIGN = "Design"

TrainingParams = Annotated[
    list[str] | None,
    option(metavar="NAME=VALUE", help="Of the originals' training; repeatable.", rich_help_panel=o.TRAINING),
]


class DesignOptions(Bundle):
    """How many models, of what, and how their originals are trained."""

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
    training: TrainingParams = None
    no_augment: o.NoAugment = False
    precision: o.Precision = None

    def check(self) -> None:
        """Refuse a training that there is not, before anything is read.

        Raises:
            NotFound, UsageFailure: no such hyperparameter, or no such value.
        """
        from deepunlearn_cli.execution import recipes

        recipes.TRAINER.build(read_params(self.training))

    def setting(
        self, options: SettingOptions, runner: Runner, read: list[refs.Ref], precision: str
    ) -> Setting:
        """What the originals are trained on: as the options say, or that of a model."""
        augment, override = not self.no_augment, self.precision is not None
        return options.setting(runner, read, precision, augment=augment, override=override)

    def of(self, setting: Setting) -> shadows.Design:
        """The design in a setting.

        Raises:
            UsageFailure: there are too few pictures for it.
        """
        from deepunlearn_cli.execution import recipes
        from deepunlearn_cli.studies import shadows

        training = {**setting.training, **read_params(self.training)}
        originals = recipes.TRAINER.build(training).params()
        design = shadows.Design(setting.scene, self.splits, self.forget_sets, self.share, originals)
        design.check()
        return design


Method = Annotated[
    str | None,
    option(
        metavar="NAME[,NAME]|all",
        help="The method, or several (`deepunlearn methods`). (default: that of REF)",
        autocompletion=o.complete_methods,
    ),
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
    p: o.Params = None,
    preset: Tuned,
    verdict: VerdictOptions,
    figure: Figure = None,
    showing: Showing,
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
    from deepunlearn_cli.studies import shadows

    rule, named = verdict.rule(ULiRA), _named(method, p)
    _check_asked(design, preset, showing, figure)
    attack = ULiRA.build(params)
    if file:
        ulira_from.check_alone(setting, running, sitting)
        with ulira_from.opened(file, session, setting, named[0], attack.params()) as (there, draws):
            return showing.shown(_analysed(there, attack, rule, draws, figure), ids=False)
    read = setting.read(session)
    with (
        running.runner_for(read, session) if read else running.runner(session) as runner,
        sitting.held(runner, session.console, dry_run=running.dry_run) as record,
    ):
        taken = design.setting(setting, runner, read, read_precision(design.precision, running.device))
        tuned = partial(preset.params, session, runner.store)
        analyses = _analyses(design.of(taken), taken, named, tuned, runner, attack)
        if running.dry_run:
            return Result(tables=[views.plan_table(shadows.plan(runner, analyses))])
        record.wanted, draws = shadows.wanted(analyses), (design.share, design.forget_sets)
        found, whole = shadows.within(sitting.seconds, runner, analyses)
        result = _analysed(found, attack, rule, draws, figure if whole else None) if found else Result()
        if whole:
            return showing.shown(_recorded(result, read, setting, runner, rule))
        cut = sitting.cut_off(record, result.tables)
        return showing.shown(cut, ids=False) if found else cut


def _analyses(
    plan: shadows.Design, taken: Setting, named: Named, tuned: Found, runner: Runner, attack: ULiRA
) -> dict[str, Recipe]:
    """Of every method that was named, and of the controls, the analysis of its models.

    Args:
        tuned: what a preset has for a method's run, beside what was given.
    """
    from deepunlearn_cli.execution import studied

    methods = named[0] or _of_refs(taken.methods)
    given, hyper = params_for(methods, named[1]), attack.params()

    def settings(name: str, start: Recipe) -> Mapping[str, Any]:
        found, _ = tuned(name, start, given.get(name, {}))
        return {**taken.methods.get(name, {}), **found}

    names = [*CONTROLS, *methods]
    return {name: studied.ulira(plan.models(name, settings, runner), name, hyper) for name in names}


def _named(method: str | None, params: list[str] | None) -> Named:
    """The methods that were named, if any, and hyperparameters; those of named ones are checked.

    Raises:
        NotFound, UsageFailure: no such method, hyperparameter or value.
    """
    asked, given = read_methods(method) if method else [], read_params(params)
    params_for(asked, given if asked else {})
    return asked, given


def _recorded(
    result: Result, read: Sequence[refs.Ref], setting: SettingOptions, runner: Runner, rule: Rule
) -> Result:
    """The result, its verdicts recorded for the models that were named."""
    from deepunlearn_cli.checkpoints.requested import of_methods

    told = of_methods(runner, read, setting.wanted(), result.tables[0].rows, rule.metrics)
    return replace(result, notes=[*result.notes, *told])


def _check_asked(design: DesignOptions, preset: Tuned, showing: Showing, figure: Path | None) -> None:
    from deepunlearn_cli.reporting import figures

    design.check()
    preset.check()
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
    rows = sorted((place | row_of(one, attack, rule, controls) for one in analyses), key=order)
    drawn = [row for row in rows if row["histogram"]]
    if figure:
        from deepunlearn_cli.reporting import figures

        figures.save(figures.ulira_figure(drawn), figure)
    code = code_of(rule, rows)
    return Result(
        tables=[
            views.ulira_table(rows, OWN),
            *([views.others_table(rows, OTHERS, klom_notes(rows, draws))] if attack.has_others() else []),
            views.figure(drawn),
        ],
        ids=[one.run.id for one in analyses if one.run],
        notes=views.answers(rows) + ([f"wrote {figure}"] if figure else []),
        code=ExitCode.PARTLY_FAILED if any(row["reason"] for row in rows) else code,
    )
