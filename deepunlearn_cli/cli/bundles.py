"""Options that several commands take together, each bundle with what its options open."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from deepunlearn_cli.cli import options as o
from deepunlearn_cli.cli import places
from deepunlearn_cli.cli.foreign import Foreign, Preparing
from deepunlearn_cli.cli.parameter import option
from deepunlearn_cli.cli.reading import read_jobs, read_refs, set_values
from deepunlearn_cli.cli.unfold import Bundle
from deepunlearn_cli.system import cluster

if TYPE_CHECKING:
    from deepunlearn_cli.checkpoints import refs
    from deepunlearn_cli.cli.command import Session
    from deepunlearn_cli.execution.recipes import Scene
    from deepunlearn_cli.execution.runner import Runner


class Data(Preparing):
    """What originals are trained on: dataset, architecture, split."""

    dataset: o.Dataset
    model: o.Model
    val_share: o.ValShare = None
    split_seed: o.SplitSeed = None
    image_size: o.ImageSize = None
    split_folders: o.SplitFolders = None
    classes: o.Classes = None
    offline: o.Offline = False

    def check(self) -> None:
        """Refuse names that there are not, before anything is made.

        Raises:
            NotFound, UsageFailure: no such dataset or model, with suggestions.
        """
        from deepunlearn_cli import data, models

        data.check_spec(self.dataset)
        models.check_name(self.model)
        if self.classes:
            data.read_classes(self.classes)

    def scene(self, runner: Runner, precision: str, *, augment: bool) -> Scene:
        """The decoded dataset with split, architecture, precision and augmentation."""
        from deepunlearn_cli import data, models
        from deepunlearn_cli.checkpoints import preparation
        from deepunlearn_cli.execution import recipes

        opened = runner.dataset(
            self.dataset,
            image_size=self.image_size,
            offline=self.offline,
            split_folders=self.split_folders,
            classes=data.read_classes(self.classes) if self.classes else (),
            interpolation=self.interpolation,
        )
        model = models.pinned(self.model)
        prepared = preparation.read(self.mean, self.std, self.channels, opened, model)
        prepared = replace(prepared, interpolation=self.interpolation)
        scene = recipes.Scene(opened, model, data.VAL_SHARE, data.SPLIT_SEED, precision, augment, prepared)
        scene = replace(scene, **set_values(val_share=self.val_share, split_seed=self.split_seed))
        if lacking := data.untrained(opened, data.split(opened, scene.val_share, scene.split_seed)):
            runner.reporter.warned(
                f"all training pictures of {len(lacking)} classes were drawn for validation "
                f"({', '.join(lacking[:5])}): --val-share 0 trains on them"
            )
        return scene


class FileData(Foreign):
    """What to forget, and of a checkpoint file what it does not say itself."""

    forget: o.Forget = None
    dataset: o.FileDataset = None
    model: o.FileModel = None
    seed: Annotated[
        int | None,
        option(
            metavar="SEED",
            help="Seed of the runs made from it. (default: its own, else 0)",
            rich_help_panel=o.FILE,
        ),
    ] = None
    val_share: Annotated[
        float | None,
        option(
            metavar="SHARE",
            help="Share of the training pictures kept for validation. "
            f"(default: what the file says, else {o.VAL_SHARE})",
            rich_help_panel=o.FILE,
        ),
    ] = None
    split_seed: Annotated[
        int | None,
        option(
            metavar="SEED",
            help="Seed of the split and of the forget set's draw. "
            f"(default: what the file says, else {o.SPLIT_SEED})",
            rich_help_panel=o.FILE,
        ),
    ] = None
    image_size: Annotated[
        int | None,
        option(
            metavar="PIXELS",
            help="Resize pictures to so many pixels a side. (default: what the file says)",
            rich_help_panel=o.FILE,
        ),
    ] = None
    split_folders: o.SplitFolders = None
    classes: o.Classes = None
    with_duplicates: o.WithDuplicates = False
    offline: o.Offline = False

    def wanted(self) -> refs.Wanted:
        """These options as what is known of a checkpoint."""
        from deepunlearn_cli.checkpoints import refs

        return refs.Wanted(**vars(self))

    def read(self, ckpt: Iterable[str], session: Session) -> list[refs.Ref]:
        """REFs, with files read and checked as far as that goes before a store is made."""
        from deepunlearn_cli.checkpoints import refs

        wanted, home = self.wanted(), session.store_path / "data"
        return [refs.read_ref(ref, wanted, home) for ref in read_refs(ckpt)]


class Models(Bundle):
    """The models that a command is about, named in one way everywhere."""

    refs: o.Refs = None
    ckpt: o.Ckpt = None

    @property
    def named(self) -> list[str]:
        """All that were named, as arguments or by the option."""
        return [*(self.refs or ()), *(self.ckpt or ())]


class Running(Bundle):
    """Where runs are made, and whether."""

    device: o.Device = "auto"
    jobs: o.Jobs = None
    on: places.On = None
    gpu_share: places.GpuShare = None
    cpus_per_job: places.CpusPerJob = 1
    dry_run: o.DryRun = False

    def runner(
        self, session: Session, *, create: bool = True, usual: str = "1"
    ) -> AbstractContextManager[Runner]:
        """A runner on this device, in a store that is made if there is none.

        Args:
            usual: the number of jobs on this machine where none is given.

        Raises:
            UsageFailure: no such place, or number of jobs.
            NotFound: there is no such cluster.
        """
        place = cluster.read(self.on, self.cpus_per_job, self.gpu_share)
        jobs = read_jobs(self.jobs or ("auto" if place else usual))
        return session.runner(self.device, jobs=jobs, create=create, cluster=place)

    def runner_for(self, refs: Sequence[refs.Ref], session: Session) -> AbstractContextManager[Runner]:
        """The same; run ids alone need a store that is there, files may begin one."""
        create = any(not isinstance(ref, str) for ref in refs)
        return self.runner(session, create=create)


class Making(Running):
    """Running, where the models that are made may be written out and made again."""

    force: Annotated[
        bool,
        option(
            "--force",
            help="Make it again, as a new attempt; write over --out.",
            rich_help_panel=o.RUNNING,
        ),
    ] = False
    out: Annotated[
        Path | None,
        option(
            metavar="FILE",
            help="Also write the model to this file (.pt, .pth or .safetensors).",
            rich_help_panel=o.RUNNING,
        ),
    ] = None
