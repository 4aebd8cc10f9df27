"""`deepunlearn train`: originals and retrained models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from deepunlearn_cli.cli import options as o
from deepunlearn_cli.cli.app import app
from deepunlearn_cli.cli.bundles import Data, Making
from deepunlearn_cli.cli.command import Session, register
from deepunlearn_cli.cli.console import Result
from deepunlearn_cli.cli.making import check_out, deliver
from deepunlearn_cli.cli.parameter import option
from deepunlearn_cli.cli.reading import read_params, read_precision
from deepunlearn_cli.cli.unfold import Bundle
from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.core.specs import (
    CANARY_NOISE,
    CANARY_SEED,
    CANARY_SHARE,
    DEFAULT_FORGET,
    for_run,
    read_seeds,
)

if TYPE_CHECKING:
    from deepunlearn_cli.core.recipe import Recipe
    from deepunlearn_cli.data import Canary, ForgetSet
    from deepunlearn_cli.execution.recipes import Scene
    from deepunlearn_cli.execution.runner import Runner

ROLES = ("original", "retrain", "both")


class Tracking(Bundle):
    """Whether training keeps what the forget set did to the weights."""

    track: Annotated[
        bool,
        option(
            "--track",
            help="Train on --forget in batches of its own, in a fixed order, and keep what they did to the "
            "weights: `amnesiac` and `single-gradient` need it.",
            rich_help_panel=o.TRAINING,
        ),
    ] = False
    approximate: Annotated[
        bool,
        option(
            "--approximate",
            help="With --track: also where training is more than plain SGD; its tables say so.",
            rich_help_panel=o.TRAINING,
        ),
    ] = False

    def check(self, forget: str | None) -> None:
        """Refuse a track of nothing, and an approximation of no track."""
        if self.track and not forget:
            raise UsageFailure(
                "--track needs the forget set before training", "add --forget random:0.01, say"
            )
        if self.approximate and not self.track:
            raise UsageFailure("--approximate says how exact a track is, and there is none", "add --track")


class Canaries(Bundle):
    """Whether training sees noise on some forget pictures, for `attack canary` to ask for later."""

    canary: Annotated[
        bool,
        option(
            "--canary",
            help="Plant noise of known draws in some forget pictures; `attack canary` asks for it later.",
            rich_help_panel=o.TRAINING,
        ),
    ] = False
    canary_share: Annotated[
        float | None,
        option(
            metavar="SHARE",
            help=f"With --canary: of the forget set. (default: {CANARY_SHARE})",
            rich_help_panel=o.TRAINING,
        ),
    ] = None
    canary_noise: Annotated[
        float | None,
        option(
            metavar="X",
            help="With --canary: standard deviation of the noise, in those of the dataset's pixels. "
            f"(default: {CANARY_NOISE})",
            rich_help_panel=o.TRAINING,
        ),
    ] = None
    canary_seed: Annotated[
        int | None,
        option(
            metavar="SEED",
            help=f"With --canary: of the noise. (default: {CANARY_SEED})",
            rich_help_panel=o.TRAINING,
        ),
    ] = None

    @property
    def _given(self) -> dict[str, Any]:
        named = {"share": self.canary_share, "noise": self.canary_noise, "seed": self.canary_seed}
        return {name: value for name, value in named.items() if value is not None}

    def check(self) -> None:
        """Refuse settings of no canaries, and bad ones.

        Raises:
            UsageFailure: saying which.
        """
        if self._given and not self.canary:
            options = " and ".join(f"--canary-{name}" for name in self._given)
            raise UsageFailure(f"{options} is about canaries, and there are none", "add --canary")
        self.within("")

    def within(self, forget: str) -> Canary | None:
        """The canaries of a forget set, by its SHA-256."""
        from deepunlearn_cli.data import Canary

        return Canary(forget, **self._given) if self.canary else None


@register(
    app,
    "train",
    "deepunlearn train --dataset digits --model resnet-tiny --out orig.pt",
    "deepunlearn train --dataset digits --model resnet-tiny --seeds 0-9 --role both",
    "deepunlearn train --dataset cifar10 --model resnet18 -p epochs=182 --jobs 2",
    "deepunlearn train --dataset digits --model resnet-tiny -p loss=sd -p gamma=0.5",
    "deepunlearn train --dataset digits --model resnet-tiny --forget random:0.03 --track "
    "--no-augment -p momentum=0 -p weight_decay=0",
    "deepunlearn train --dataset digits --model resnet-tiny --canary --out orig.pt",
    "deepunlearn train --dataset folder:pictures --model tinyvit --image-size 64 --dry-run",
    keeps=True,
)
def train(
    session: Session,
    data: Data,
    seeds: Annotated[str, option(metavar="SEEDS", help="0-9, or 0,2,5: a model for each.")] = "0",
    role: Annotated[
        str,
        option(
            metavar="|".join(ROLES),
            help="The original, its retrained model (without the forget set), or both.",
        ),
    ] = "original",
    forget: o.NewForget = None,
    with_duplicates: o.WithDuplicates = False,
    p: Annotated[
        list[str] | None, o.params("A hyperparameter of the training (`deepunlearn methods retrain`).")
    ] = None,
    no_augment: o.NoAugment = False,
    precision: o.Precision = None,
    *,
    tracking: Tracking,
    canaries: Canaries,
    making: Making,
) -> Result:
    """Train an original model, or the retrained one that is its exact reference."""
    from deepunlearn_cli.checkpoints import following, refs
    from deepunlearn_cli.data import portable
    from deepunlearn_cli.execution import recipes

    numbers = read_seeds(seeds)
    params = recipes.TRAINER.build(read_params(p)).params()
    _check_role(role)
    check_out(making.out, several=len(numbers) > 1 or role == "both", cure="give one seed and one role")
    tracking.check(forget)
    canaries.check()
    data.check()
    chosen = read_precision(precision, making.device)
    with making.runner(session) as runner:
        scene = data.scene(runner, chosen, augment=not no_augment)
        if tracking.track and not tracking.approximate:
            recipes.check_exact(scene, params)
        sets = _forget_sets(scene, forget, numbers, runner, with_duplicates=with_duplicates)
        wanted = _recipes(scene, role, params, sets, canaries, track=tracking.track)
        if not making.dry_run:
            _remember(wanted, sets, runner, named=forget is not None)
        if size := runner.materials.track_size(wanted[0]) if tracking.track else 0:
            session.console.note(f"the track of each original takes {size / 1e6:,.1f} MB beside its weights")
        start = refs.Start(wanted[0], scene.dataset, sets[numbers[0]], portable(data.dataset))
        return deliver(
            runner, wanted, making, following.claims_of(wanted[0], start, named=forget is not None)
        )


def _check_role(role: str) -> None:
    if role not in ROLES:
        raise UsageFailure(f"--role {role!r} is none of {', '.join(ROLES)}", "--role original is the default")


def _forget_sets(
    scene: Scene, spec: str | None, seeds: Sequence[int], runner: Runner, *, with_duplicates: bool
) -> dict[int, ForgetSet]:
    """The forget set of each seed; a default is no request, and nobody is warned of its duplicates."""
    from deepunlearn_cli.execution.forgetting import asked_for, forget_for

    specs = {seed: for_run(spec or DEFAULT_FORGET, seed) for seed in seeds}
    if spec is None and not with_duplicates:
        return {seed: forget_for(scene.data, scene.dataset, one, runner) for seed, one in specs.items()}
    return {
        seed: asked_for(scene.data, scene.dataset, one, runner, with_duplicates=with_duplicates)
        for seed, one in specs.items()
    }


def _remember(
    wanted: Sequence[Recipe], sets: Mapping[int, ForgetSet], runner: Runner, *, named: bool
) -> None:
    """Keep what each original is trained for."""
    from deepunlearn_cli.execution.forgetting import remember

    for recipe in wanted:
        if recipe.forget is None:
            remember(recipe, sets[recipe.seed], runner, named=named)


def _recipes(
    scene: Scene,
    role: str,
    params: Mapping[str, object],
    sets: Mapping[int, ForgetSet],
    canaries: Canaries,
    *,
    track: bool,
) -> list[Recipe]:
    """The recipes of a role; `sets` has the forget set of each seed."""
    from deepunlearn_cli.execution import recipes

    originals = {
        seed: recipes.original(scene, params, seed, forget if track else None, canaries.within(forget.sha256))
        for seed, forget in sets.items()
    }
    references = [recipes.retrained(originals[seed], forget) for seed, forget in sets.items()]
    return {
        "original": list(originals.values()),
        "retrain": references,
        "both": [*originals.values(), *references],
    }[role]
