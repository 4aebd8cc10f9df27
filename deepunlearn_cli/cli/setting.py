"""The setting of originals that a command trains itself: as options say, or as that of a model there is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from deepunlearn_cli.cli import options as o
from deepunlearn_cli.cli.bundles import Data, Models
from deepunlearn_cli.cli.parameter import option
from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.core.recipe import CONTROLS

if TYPE_CHECKING:
    from deepunlearn_cli.checkpoints import refs
    from deepunlearn_cli.cli.command import Session
    from deepunlearn_cli.core.recipe import Recipe
    from deepunlearn_cli.execution.recipes import Scene
    from deepunlearn_cli.execution.runner import Runner


@dataclass(frozen=True)
class Setting:
    """What originals are trained on and how; and the methods of the models that it was taken from.

    Attributes:
        training: hyperparameters of the originals.
        methods: by name, hyperparameters of each.
    """

    scene: Scene
    training: Mapping[str, Any] = field(default_factory=dict)
    methods: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


class SettingOptions(Models):
    """A REF whose setting is taken, or dataset and model."""

    dataset: Annotated[
        str | None,
        option(
            metavar="NAME",
            help="What originals are trained on. (default: as REF)",
            autocompletion=o.complete_datasets,
            rich_help_panel=o.DATA,
        ),
    ] = None
    model: Annotated[
        str | None,
        option(
            metavar="NAME",
            help="Their architecture. (default: as REF)",
            autocompletion=o.complete_models,
            rich_help_panel=o.DATA,
        ),
    ] = None
    val_share: o.ValShare = None
    split_seed: o.SplitSeed = None
    image_size: o.ImageSize = None
    split_folders: o.SplitFolders = None
    classes: o.Classes = None
    offline: o.Offline = False

    def read(self, session: Session) -> list[refs.Ref]:
        """The REFs, files read; or none, with dataset and model checked.

        Raises:
            NotFound, UsageFailure: names that there are not; neither a REF nor dataset and model.
        """
        from deepunlearn_cli.checkpoints import refs
        from deepunlearn_cli.cli.reading import read_refs

        if self.named:
            home = session.store_path / "data"
            return [refs.read_ref(ref, self.wanted(), home) for ref in read_refs(self.named)]
        self._data().check()
        return []

    def setting(
        self, runner: Runner, read: list[refs.Ref], precision: str, *, augment: bool, override: bool
    ) -> Setting:
        """The setting of the REFs, less what was asked for otherwise; or as the options say.

        `override` is whether somebody named the precision.

        Raises:
            UsageFailure: REFs of several settings, or a run with options that only a file needs.
        """
        from deepunlearn_cli.checkpoints import refs

        if not read:
            return Setting(self._data().scene(runner, precision, augment=augment))
        found = [refs.look_up(ref, runner, self.wanted()) for ref in read]
        if len({one.recipe.setting for one in found}) > 1:
            raise UsageFailure(
                f"{len(found)} models of different settings: U-LiRA's originals are of one", "name them apart"
            )
        one, precision = found[0], precision if override else found[0].recipe.root.precision
        return _taken(one, [each.recipe for each in found], precision, augment=augment)

    def wanted(self) -> refs.Wanted:
        """These options as what is known of a checkpoint."""
        from deepunlearn_cli.checkpoints import refs

        names = {name: value for name, value in vars(self).items() if name not in ("refs", "ckpt")}
        return refs.Wanted(**names)

    def _data(self) -> Data:
        """These options as those of a training, which needs both names."""
        missing = " and ".join(f"--{name}" for name in ("dataset", "model") if getattr(self, name) is None)
        if missing:
            raise UsageFailure(f"{missing} missing", "name both, or a REF whose setting is taken")
        return Data(**vars(self))


def _taken(one: refs.Model, recipes: list[Recipe], precision: str, *, augment: bool) -> Setting:
    from deepunlearn_cli.execution.recipes import Scene, training_of

    root = one.recipe.root
    scene = Scene(
        one.dataset,
        root.model,
        root.data["val_share"],
        root.data["split_seed"],
        precision,
        augment=augment and bool(root.data.get("augment", True)),
    )
    methods = {r.name: dict(r.params) for r in recipes if r.kind == "unlearn" and r.name not in CONTROLS}
    return Setting(scene, dict(training_of(root)), methods)
