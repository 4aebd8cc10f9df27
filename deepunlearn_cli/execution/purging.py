"""What purged pictures mean for runs: who was made of them, who knows them, who said something of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from deepunlearn_cli.attacks import ATTACKS, Probe
from deepunlearn_cli.core.errors import Failure
from deepunlearn_cli.execution import blank
from deepunlearn_cli.execution.recipes import TRAINER
from deepunlearn_cli.methods import METHODS
from deepunlearn_cli.store.run import OUTPUTS, TRACK, WEIGHTS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from deepunlearn_cli.core.recipe import Recipe
    from deepunlearn_cli.core.shared import Progress
    from deepunlearn_cli.execution.materials import Materials
    from deepunlearn_cli.store import Run

Parts = Mapping[str, "NDArray[np.int64]"]
MODEL = (WEIGHTS, TRACK, OUTPUTS)  # what is left of a model beside its figures


@dataclass(frozen=True)
class Touched:
    """What a run has to do with pictures that are (to be) purged.

    Attributes:
        reads: how many of them making it reads: it cannot be made any more.
        knows: how many of them its weights were trained on and have not unlearned.
        says: how many of them its outputs are of.
        drops: names of its files that hold a model that knows them.
        size: bytes of these files.
    """

    run: Run
    reads: int
    knows: int
    says: int
    drops: tuple[str, ...]
    size: int


@dataclass
class Found:
    """What was found: runs that have to do with the pictures, and ids of those that cannot be read."""

    touched: list[Touched] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)


def search(
    runs: Sequence[Run], purged: Mapping[str, Collection[int]], materials: Materials, progress: Progress
) -> Found:
    """The runs that have to do with pictures.

    Args:
        purged: the pictures by fingerprint of their dataset.
    """
    import numpy as np

    wanted = {name: np.array(sorted(indices), dtype=np.int64) for name, indices in purged.items()}
    found = Found()
    for done, run in enumerate(runs, start=1):
        try:
            gone = wanted.get(str(run.recipe.data.get("fingerprint")))
            one = None if gone is None else _touched(run, gone, materials)
        except (Failure, KeyError, ValueError, TypeError, OSError):
            found.unread.append(run.id)
            continue
        if one and (one.reads or one.knows or one.says):
            found.touched.append(one)
        progress(done, len(runs), "reading runs")
    return found


def _touched(run: Run, gone: NDArray[np.int64], materials: Materials) -> Touched:
    recipe = run.recipe
    parts = materials.indices(recipe)
    files = set(run.files)
    said = {name: arrays.get("index") for name, arrays in run.outputs().items()} if OUTPUTS in files else {}
    drops = tuple(name for name in MODEL if name in files)
    knows = sum(_held(index, gone) for index in _known(recipe, materials)) if drops else 0
    return Touched(
        run,
        reads=sum(_held(parts[name], gone) for name in _read(recipe, parts) if name in parts),
        knows=knows,
        says=sum(_held(index, gone) for index in said.values() if index is not None),
        drops=drops if knows else (),
        size=sum((run.path / name).stat().st_size for name in drops) if knows else 0,
    )


def _held(index: NDArray[np.int64], gone: NDArray[np.int64]) -> int:
    import numpy as np

    return int(np.isin(index, gone).sum())


def _read(recipe: Recipe, parts: Parts) -> Collection[str]:
    """The parts of the data that making a run reads, and cannot do without."""
    if recipe.kind == "checkpoint":
        return ()
    if recipe.kind == "attack":
        actor = ATTACKS.known(recipe.name)
        return actor.needs if actor and issubclass(actor, Probe) else ()
    reads = set(_trained_on(recipe, parts))
    if recipe.kind == "trial":
        reads |= parts.keys() - {"test"}
    elif recipe.kind not in blank.KEPT:
        reads |= parts.keys() - {"val", "test"}
    return reads


def _trained_on(recipe: Recipe, parts: Parts) -> Collection[str]:
    if recipe.kind in ("unlearn", "trial") or (recipe.kind == "shadow" and recipe.inputs):
        method = METHODS.known(recipe.name)  # of one whose code is gone, anything
        return method.build(recipe.params).reads if method else parts.keys()
    if recipe.repeats and not recipe.forget:
        return ("retain", "forget")
    return TRAINER.build(recipe.params).reads


def _known(recipe: Recipe, materials: Materials) -> list[NDArray[np.int64]]:
    """The pictures that a model has seen and was not made to forget."""
    if recipe.kind in ("attack", "lockstep"):
        return []
    method = METHODS.known(recipe.name) if "original" in recipe.inputs else None
    if method is not None and not method.changes_weights:
        return _known(recipe.inputs["original"], materials)
    names = ("retain",) if recipe.forget else ("retain", "forget")  # of a tracked original both
    return [index for name, index in materials.indices(recipe).items() if name in names]
