"""A scratch store: runs are made in it again, their pictures and other inputs read where they are."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepunlearn_cli.core.errors import NotFound
from deepunlearn_cli.core.room import DiskFull, full, room_for
from deepunlearn_cli.execution.runner import Reporter, Runner
from deepunlearn_cli.store import Run, Store
from deepunlearn_cli.store.leftovers import SCRATCH
from deepunlearn_cli.system.locks import is_free, own_folder
from deepunlearn_cli.system.rights import may_write

if TYPE_CHECKING:
    import numpy as np
    import torch

    from deepunlearn_cli.core.recipe import Recipe
    from deepunlearn_cli.execution.materials import Materials


@dataclass(frozen=True)
class Scratch(Store):
    """A passing store before another one: what is to be made `again` is not taken from there."""

    before: Store = field(kw_only=True)
    again: Collection[str] = field(default=(), kw_only=True)
    nudge: float = field(default=0.0, kw_only=True)
    draw: int = field(default=0, kw_only=True)

    @property
    def data(self) -> Path:
        """Folder of the decoded datasets: the other store's."""
        return self.before.data

    def has(self, key: str) -> bool:
        """As of any store."""
        return super().has(key) or (key not in self.again and self.before.has(key))

    def get(self, key: str) -> Run | None:
        """As of any store; inputs from the other one moved by `nudge`, as number `draw` of a row."""
        if (made := super().get(key)) or key in self.again:
            return made
        known = self.before.get(key)
        return Nudged(known.id, known.path, self.nudge, self.draw) if known and self.nudge else known


@dataclass(frozen=True)
class Nudged(Run):
    """A run whose numbers are each moved up or down by a share of themselves."""

    share: float = 0.0
    draw: int = 0

    def weights(self) -> dict[str, torch.Tensor]:
        """As of any run."""
        from deepunlearn_cli.engine.rounding import moved

        return {name: moved(value, self.share, self.draw) for name, value in super().weights().items()}

    def outputs(self) -> dict[str, dict[str, np.ndarray]]:
        """As of any run."""
        import numpy as np

        signs = np.random.default_rng(self.draw)
        return {
            part: {name: _moved(array, self.share, signs) for name, array in arrays.items()}
            for part, arrays in super().outputs().items()
        }


def _moved(array: np.ndarray, share: float, draw: np.random.Generator) -> np.ndarray:
    if array.dtype.kind != "f":
        return array
    signs = draw.integers(0, 2, array.shape) * 2 - 1
    made: np.ndarray = (array * (1 + share * signs)).astype(array.dtype)
    return made


class Again(Runner):
    """Makes runs in a scratch store, each on as many threads as are said for it.

    Args:
        threads: by key; the machine's usual number for others.
    """

    def __init__(
        self, store: Scratch, device: str, reporter: Reporter | None, threads: dict[str, int]
    ) -> None:
        super().__init__(store, device, reporter)
        self.threads, self.nudge, self.draw = threads, store.nudge, store.draw

    @cached_property
    def materials(self) -> Materials:
        """As of any runner; with weights and pictures nudged where the store's runs are."""
        from deepunlearn_cli.engine.device import pick_device, settle
        from deepunlearn_cli.execution import nudged
        from deepunlearn_cli.execution.materials import Materials

        settle()
        here: tuple[Any, ...] = (self.store.data, pick_device(self.device), self.sharing)
        return (
            nudged.NudgedMaterials(*here, share=self.nudge, draw=self.draw)
            if self.nudge
            else Materials(*here)
        )

    def _make(self, recipe: Recipe) -> Run:
        import torch

        _ = self.materials  # which settles the number of threads
        usual = torch.get_num_threads()
        torch.set_num_threads(self.threads.get(recipe.key, usual))
        try:
            return super()._make(recipe)
        finally:
            torch.set_num_threads(usual)


@contextmanager
def scratch(store: Store, place: Path | None = None) -> Iterator[Path]:
    """A folder that is gone afterwards: in `place`, in the store, or where that may not be written to.

    What killed processes left there is removed first.

    Raises:
        NotFound: there is no such place.
    """
    home = place or (store.root if may_write(store.root) else Path(tempfile.gettempdir()))
    if not home.is_dir():
        raise NotFound(f"--scratch {home} is no folder", f"mkdir -p {home}")
    _sweep(home)
    with ExitStack() as stack:
        with room_for(home, 0):
            folder = stack.enter_context(own_folder(home, SCRATCH))
        yield folder


def check_room(folder: Path, needed: int) -> None:
    """Refuse to begin what a disk has no room for.

    Raises:
        DiskFull: with what it needs and what is free.
    """
    if shutil.disk_usage(folder).free < needed:
        raise DiskFull(full(folder, needed).message, "make room there, or --scratch DIR names another disk")


def _sweep(home: Path) -> None:
    for left in home.glob(f"{SCRATCH}*"):
        if left.is_dir() and is_free(left):
            shutil.rmtree(left, ignore_errors=True)
