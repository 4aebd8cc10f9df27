"""`deepunlearn unlearn`: apply a method to an original or to a checkpoint from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

from deepunlearn_cli.cli import options as o
from deepunlearn_cli.cli import outputs
from deepunlearn_cli.cli.app import app
from deepunlearn_cli.cli.bundles import FileData, Making, Models
from deepunlearn_cli.cli.command import Session, register
from deepunlearn_cli.cli.completing import complete_models_of_store
from deepunlearn_cli.cli.console import Result
from deepunlearn_cli.cli.making import check_out, deliver, possible
from deepunlearn_cli.cli.parameter import option
from deepunlearn_cli.cli.reading import params_for, read_methods, read_params
from deepunlearn_cli.cli.requesting import Requesting
from deepunlearn_cli.cli.stepping import Stepping
from deepunlearn_cli.cli.tuned import Tuned
from deepunlearn_cli.core.errors import ExitCode, Failure, UsageFailure
from deepunlearn_cli.core.recipe import RETRAIN

if TYPE_CHECKING:
    from deepunlearn_cli.checkpoints.refs import Start
    from deepunlearn_cli.core.recipe import Recipe
    from deepunlearn_cli.execution import steps as execution
    from deepunlearn_cli.execution.runner import Runner

FEW = 20  # pictures: below, an audit's answer says nothing of them


class Steps(Stepping, Tuned):
    """How a method takes its steps."""

    p: o.Params = None
    earlier: Annotated[
        str | None,
        option(
            metavar="REF",
            help="Of single-gradient: an earlier checkpoint, for the weights that `train --track` keeps.",
            autocompletion=complete_models_of_store,
            rich_help_panel=o.TRAINING,
        ),
    ] = None
    approximate: Annotated[
        bool,
        option("--approximate", help="Agree that --earlier is no exact track.", rich_help_panel=o.TRAINING),
    ] = False
    control: Annotated[
        str | None,
        option(
            metavar="REF",
            help="A model that you retrained without the forget set: audits compare with it.",
            rich_help_panel=o.TRAINING,
        ),
    ] = None

    def check(self) -> None:
        """Refuse an earlier checkpoint without consent, and consent to nothing."""
        super().check()
        if self.earlier and not self.approximate:
            raise UsageFailure(
                "--earlier is an approximation: forget pictures shared their batches with others",
                "add --approximate to agree, or train --track for the exact thing",
            )
        if self.approximate and not self.earlier:
            raise UsageFailure(
                "--approximate says what --earlier makes of it, and there is none", "add --earlier REF"
            )


@register(
    app,
    "unlearn",
    "deepunlearn unlearn --method msg --ckpt orig.pt --out clean.pt",
    "deepunlearn unlearn --method msg --ckpt clean.pt --forget class:5 --out v2.pt    # the next request",
    "deepunlearn unlearn 3f9c --method ft,ct --forget class:3 -p lr=0.005",
    "deepunlearn unlearn orig.pt --method msg --preset best",
    "deepunlearn unlearn --method ng+ --ckpt theirs.pth --forget class:3 --dataset cifar10 --model resnet18",
    "deepunlearn runs --kind train --name original -q | deepunlearn unlearn - --method all",
    "deepunlearn unlearn --method salun --ckpt orig.pt --forget indices:request.txt --request DSR-117",
    "deepunlearn unlearn --method amnesiac --ckpt 3f9c    # of `train --track`",
    "deepunlearn unlearn --method single-gradient --ckpt 3f9c --earlier 77ab --approximate",
    keeps=True,
)
def unlearn(
    session: Session,
    method: o.Methods,
    models: Models,
    data: FileData,
    steps: Steps,
    requesting: Requesting,
    making: Making,
) -> Result:
    """Remove the forget set from a trained model."""
    from deepunlearn_cli.checkpoints import control, following, refs
    from deepunlearn_cli.cli.outlook import outlooks

    methods = read_methods(method)
    params = params_for(methods, read_params(steps.p))
    steps.check()
    asked = requesting.asked(methods)
    checkpoints = data.read(models.named, session)
    earlier = data.read([steps.earlier], session)[0] if steps.earlier else None
    named = [getattr(ref, "path", ref) for ref in checkpoints]
    if making.out:
        outputs.check("out", making.out, named)
    check_out(making.out, several=len(methods) * len(checkpoints) > 1, cure="give one method and one REF")
    stepping = steps.steps(making.device)
    with making.runner_for(checkpoints, session) as runner:
        before = refs.look_up(earlier, runner, data.wanted()).recipe if earlier else None
        starts = [following.resolve(ref, runner, data.wanted()) for ref in checkpoints]
        starts, lacking = _ready(starts, params, runner, augment=not steps.no_augment)
        for start in starts if steps.control else ():
            control.admit(steps.control or "", start.recipe, start.forget, runner)
        stepping = replace(stepping, earlier=before)
        attempts = [
            partial(_wanted, session, start, name, params[name], steps, stepping, runner, lacking.get(name))
            for start in starts
            for name in methods
        ]
        wanted = possible(attempts, session.console)
        if asked:
            asked.check(starts, runner.store)
        if asked and not making.dry_run:
            asked.receive(starts, runner.store)
        claims = following.claims_of(wanted[0], starts[0])
        result = deliver(runner, wanted, making, claims, partial(_few, starts, methods, runner))
        if asked and not making.dry_run:
            runs = [runner.store.find(key) for key in result.ids or ()]
            result.notes = [*result.notes, *asked.unlearned(starts, runs, runner.store)]
        if making.dry_run:
            result = replace(result, tables=[*result.tables, *outlooks(starts, wanted, runner)])
        return result if len(wanted) == len(attempts) else replace(result, code=ExitCode.PARTLY_FAILED)


def _ready(
    starts: list[Start], wanted: Mapping[str, Mapping[str, Any]], runner: Runner, *, augment: bool
) -> tuple[list[Start], Mapping[str, Failure]]:
    """Originals as all methods can start from them; or as they are, and what retraining lacks."""
    from deepunlearn_cli.checkpoints import refs
    from deepunlearn_cli.methods import METHODS

    try:
        return refs.ready(starts, wanted, runner, augment=augment), {}
    except UsageFailure as failure:
        return starts, {name: failure for name in wanted if METHODS.needed(name).from_scratch}


def _wanted(
    session: Session,
    start: Start,
    method: str,
    given: Mapping[str, Any],
    options: Steps,
    stepping: execution.Steps,
    runner: Runner,
    lacking: Failure | None,
) -> Recipe:
    """The recipe of a method on an original, with the settings of its preset.

    Args:
        lacking: why the method cannot start at all.

    Raises:
        NotFound, UsageFailure: no preset that fits; a method that this original does not allow.
    """
    if lacking:
        raise lacking
    here = stepping.unlearned(start.recipe, method, start.forget, given)
    params, preset = options.params(session, runner.store, method, here, given)
    return stepping.unlearned(start.recipe, method, start.forget, params, preset)


def _few(starts: Sequence[Start], methods: Sequence[str], runner: Runner) -> list[str]:
    """What can be said of a request of few pictures, and what to do instead."""
    if methods == [RETRAIN]:
        return []
    return [
        f"{len(one.forget)} pictures are too few for a verdict: no attack tells whether they were forgotten, "
        "only what the model says of them now; training without them forgets them exactly"
        f"{_cost(one, runner)}: `deepunlearn unlearn {one.recipe.key} --method retrain --forget "
        f"{quote(one.forget.spec)}`"
        for one in starts
        if len(one.forget) <= FEW
    ]


def _cost(start: Start, runner: Runner) -> str:
    """About what the retrained model costs: what its original did."""
    run = runner.store.get(start.recipe.key)
    seconds = run.facts.get("seconds") if run and start.recipe.kind == "train" else None
    return "" if seconds is None else f" and takes about as long as the original did, {seconds:.0f} s"
