"""`deepunlearn unlearn`: apply a method to an original or to a checkpoint from elsewhere."""

from __future__ import annotations

from typing import Annotated

from deepunlearn_cli.cli import options as o
from deepunlearn_cli.cli.app import app
from deepunlearn_cli.cli.command import Session, register
from deepunlearn_cli.cli.console import Result
from deepunlearn_cli.cli.making import check_out, deliver
from deepunlearn_cli.cli.parameter import option
from deepunlearn_cli.cli.tuned import tuned
from deepunlearn_cli.core.errors import UsageFailure


@register(
    app,
    "unlearn",
    "deepunlearn unlearn --method msg --ckpt orig.pt --out clean.pt",
    "deepunlearn unlearn --method ft,ct,msg --ckpt 3f9c --forget class:3 -p lr=0.005",
    "deepunlearn unlearn --method msg --ckpt orig.pt --preset best",
    "deepunlearn unlearn --method ng+ --ckpt theirs.pth --dataset cifar10 --model resnet18 --forget class:3",
    "deepunlearn train ... --seeds 0-9 | deepunlearn unlearn --method all --ckpt -",
    "deepunlearn unlearn --method single-gradient,amnesiac --ckpt 3f9c   (made by train --track)",
    "deepunlearn unlearn --method single-gradient --ckpt 3f9c --earlier 77ab --approximate",
)
def unlearn(
    session: Session,
    method: o.Methods,
    ckpt: o.Refs,
    forget: o.Forget = None,
    p: o.Params = None,
    preset: o.Preset = None,
    earlier: Annotated[
        str | None,
        option(
            metavar="REF",
            help="Checkpoint to take for the weights before training (single-gradient).",
            autocompletion=o.complete_refs,
            rich_help_panel=o.TRAINING,
        ),
    ] = None,
    approximate: Annotated[
        bool,
        option("--approximate", help="Agree to what --earlier makes of it.", rich_help_panel=o.TRAINING),
    ] = False,
    out: o.Out = None,
    dataset: o.FileDataset = None,
    model: o.FileModel = None,
    seed: Annotated[int | None, option(help="Seed of a checkpoint from elsewhere. (default: 0)")] = None,
    val_share: o.ValShare = None,
    split_seed: o.SplitSeed = None,
    image_size: o.ImageSize = None,
    no_augment: o.NoAugment = False,
    precision: o.Precision = None,
    device: o.Device = "auto",
    jobs: o.Jobs = 1,
    offline: o.Offline = False,
    dry_run: o.DryRun = False,
    force: o.Force = False,
) -> Result:
    """Remove the forget set from a trained model."""
    from deepunlearn_cli.checkpoints import refs
    from deepunlearn_cli.execution import recipes

    methods = o.read_methods(method)
    params = o.params_for(methods, o.read_params(p))
    wanted = refs.Wanted(dataset, model, forget, val_share, split_seed, image_size, seed, offline)
    _check_earlier(earlier, approximate)
    home = session.store_path / "data"
    given = [refs.read_ref(ref, wanted, home) for ref in o.read_refs(ckpt)]
    first = refs.read_ref(earlier, wanted, home) if earlier else None
    check_out(out, several=len(methods) * len(given) > 1, cure="give one method and one --ckpt")
    chosen = o.read_precision(precision, device) if precision else None
    with session.runner(device, jobs=jobs, create=any(not isinstance(ref, str) for ref in given)) as runner:
        before = refs.resolve(first, runner, wanted).recipe if first else None
        starts = [refs.original(refs.resolve(ref, runner, wanted)) for ref in given]
        wanted_runs = [
            recipes.unlearned(
                start.recipe,
                name,
                start.forget,
                tuned(session, preset, runner.store, name, start.recipe, start.forget.sha256) | params[name],
                augment=not no_augment,
                precision=chosen,
                earlier=before,
            )
            for start in starts
            for name in methods
        ]
        claims = refs.claims_of(wanted_runs[0], starts[0])
        return deliver(session, runner, wanted_runs, out=out, claims=claims, dry_run=dry_run, force=force)


def _check_earlier(earlier: str | None, approximate: bool) -> None:
    if earlier and not approximate:
        raise UsageFailure(
            "--earlier is an approximation: forget pictures shared their batches with others",
            "add --approximate to agree, or train --track for the exact thing",
        )
    if approximate and not earlier:
        raise UsageFailure(
            "--approximate says what --earlier makes of it, and there is none", "add --earlier REF"
        )
