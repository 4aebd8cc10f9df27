"""`deepunlearn train`: originals and retrained models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from deepunlearn_cli.cli import options as o
from deepunlearn_cli.cli.app import app
from deepunlearn_cli.cli.command import Session, register
from deepunlearn_cli.cli.console import Result
from deepunlearn_cli.cli.making import check_out, deliver
from deepunlearn_cli.cli.parameter import option
from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.core.specs import for_run

if TYPE_CHECKING:
    from deepunlearn_cli.core.recipe import Recipe
    from deepunlearn_cli.data import ForgetSet
    from deepunlearn_cli.execution.recipes import Scene

ROLES = ("original", "retrain", "both")


@register(
    app,
    "train",
    "deepunlearn train --dataset digits --model resnet-tiny --out orig.pt",
    "deepunlearn train --dataset cifar10 --model resnet18 --seeds 0-9 --role both -p epochs=182",
    "deepunlearn train --dataset digits --model resnet-tiny --seeds 0-15 --role both --jobs 2",
    "deepunlearn train --dataset digits --model resnet-tiny -p loss=sd -p gamma=0.5",
    "deepunlearn train ... --forget random:0.03 --track -p momentum=0 -p weight_decay=0 --no-augment",
    "deepunlearn train --dataset folder:pictures --model tinyvit --image-size 64 --dry-run",
)
def train(
    session: Session,
    dataset: o.Dataset,
    model: o.Model,
    seeds: Annotated[str, option(help="Seeds: 0-9, or 0,2,5.")] = "0",
    role: Annotated[str, option(help="original, retrain (without the forget set), or both.")] = "original",
    forget: o.Forget = None,
    track: Annotated[
        bool,
        option(
            "--track",
            help="Train on --forget in batches of its own, in a fixed order, and keep what they did.",
            rich_help_panel=o.TRAINING,
        ),
    ] = False,
    approximate: Annotated[
        bool,
        option(
            "--approximate", help="Track other than plain SGD too, labelled so.", rich_help_panel=o.TRAINING
        ),
    ] = False,
    p: o.Params = None,
    out: o.Out = None,
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
    """Train an original model, or the retrained one that is its exact reference."""
    from deepunlearn_cli import data, models
    from deepunlearn_cli.checkpoints import refs
    from deepunlearn_cli.execution import recipes

    numbers = o.read_seeds(seeds)
    params = recipes.TRAINER.build(o.read_params(p)).params()
    _check(role, numbers, out)
    _check_track(track, approximate, forget)
    data.check_spec(dataset)
    models.check_name(model)
    chosen = o.read_precision(precision, device)
    with session.runner(device, jobs=jobs) as runner:
        opened = runner.dataset(dataset, image_size=image_size, offline=offline)
        scene = recipes.Scene(opened, model, data.VAL_SHARE, data.SPLIT_SEED, chosen)
        scene = replace(scene, augment=not no_augment, **o.given(val_share=val_share, split_seed=split_seed))
        if track and not approximate:
            recipes.check_exact(scene, params)
        spec = forget or data.DEFAULT_FORGET
        sets = {seed: refs.forget_for(scene.data, opened, for_run(spec, seed), runner) for seed in numbers}
        wanted = _recipes(scene, role, params, sets, track=track)
        if size := runner.materials.track_size(wanted[0]) if track else 0:
            session.console.note(f"the track of each original takes {size / 1e6:,.1f} MB beside its weights")
        start = refs.Start(wanted[0], opened, sets[numbers[0]], data.portable(dataset))
        claims = refs.claims_of(wanted[0], start)
        return deliver(session, runner, wanted, out=out, claims=claims, dry_run=dry_run, force=force)


def _check(role: str, seeds: list[int], out: Path | None) -> None:
    if role not in ROLES:
        raise UsageFailure(f"--role {role!r} is none of {', '.join(ROLES)}", "--role original is the default")
    check_out(out, several=len(seeds) > 1 or role == "both", cure="give one seed and one role")


def _check_track(track: bool, approximate: bool, forget: str | None) -> None:
    if track and not forget:
        raise UsageFailure("--track needs the forget set before training", "add --forget random:0.01, say")
    if approximate and not track:
        raise UsageFailure("--approximate says how exact a track is, and there is none", "add --track")


def _recipes(
    scene: Scene, role: str, params: dict[str, object], sets: Mapping[int, ForgetSet], *, track: bool
) -> list[Recipe]:
    """The recipes of a role; `sets` has the forget set of each seed."""
    from deepunlearn_cli.execution import recipes

    originals = {
        seed: recipes.original(scene, params, seed, forget if track else None)
        for seed, forget in sets.items()
    }
    references = [recipes.retrained(originals[seed], forget) for seed, forget in sets.items()]
    return {
        "original": list(originals.values()),
        "retrain": references,
        "both": [*originals.values(), *references],
    }[role]
