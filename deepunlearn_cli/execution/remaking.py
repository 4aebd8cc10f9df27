"""What is to be made again of a run, on what, and whether that can be."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepunlearn_cli import __version__, data
from deepunlearn_cli.attacks import ATTACKS, Probe
from deepunlearn_cli.core import plugins
from deepunlearn_cli.core.errors import Failure, NotFound, UsageFailure
from deepunlearn_cli.core.recipe import Recipe
from deepunlearn_cli.execution import origins
from deepunlearn_cli.execution.recipes import actor_of
from deepunlearn_cli.store.run import OUTPUTS

if TYPE_CHECKING:
    from deepunlearn_cli.store import Run, Store

CHECKPOINT = "checkpoint"
CPU = re.compile(r" x\d+$")  # behind a CPU's name: its threads (`engine.device.describe`)


@dataclass(frozen=True)
class Remaking:
    """A run to be made again, with or without its inputs.

    Attributes:
        deep: whether its inputs are made again too; those that the store has not, or not whole, always are.
        device: `auto` for a CPU where it was made on one, else for what there is.
        threads: of a CPU; None for as many as each run had.
        place: folder for the scratch store; None for the store's own.
    """

    run: Run
    store: Store
    deep: bool = False
    device: str = "auto"
    threads: int | None = None
    place: Path | None = None

    @cached_property
    def recipes(self) -> list[Recipe]:
        """Every run that is to be made, inputs first, each once."""
        return list({one.key: one for one in self._again(self.run.recipe)}.values())

    @cached_property
    def kept(self) -> dict[str, Run]:
        """What the store has of these, by key."""
        return {one.key: run for one in self.recipes if (run := self.store.get(one.key))}

    @cached_property
    def elsewhere(self) -> list[Recipe]:
        """Weights from elsewhere that these start from: they are taken as they are."""
        every = [one for recipe in self.recipes for one in recipe.inputs.values() if one.kind == CHECKPOINT]
        return list({one.key: one for one in every}.values())

    @property
    def where(self) -> str:
        """The device to make it on."""
        known = [device for one in self.recipes if (device := self.facts(one.key).get("device"))]
        on_cpu = bool(known) and CPU.search(str(known[-1]))
        return "cpu" if self.device == "auto" and on_cpu else self.device

    @property
    def widths(self) -> dict[str, int]:
        """Threads of each run, by key, where they are known."""
        known = {one.key: self.threads or self.facts(one.key).get("threads") for one in self.recipes}
        return {key: int(count) for key, count in known.items() if count}

    def facts(self, key: str) -> Mapping[str, Any]:
        """What the store notes of one of these runs; nothing of one that it has not."""
        run = self.kept.get(key)
        return run.facts if run else {}

    def check(self) -> None:
        """Refuse, before anything is made, what cannot be made again.

        Raises:
            UsageFailure: weights from elsewhere; a run of another revision of its method.
            NotFound: pictures, a forget set, weights from elsewhere or a plug-in that is not at hand.
            StoreCorrupt: the run, pictures or a forget set that are damaged.
        """
        if self.run.recipe.kind == CHECKPOINT:
            raise UsageFailure(
                f"the weights of run {self.run.id} came from elsewhere: what made them is not here, so they "
                "cannot be made again",
                f"`deepunlearn verify {self.run.id}` says whether they are still what came",
            )
        for recipe in self.recipes:
            self._check_code(recipe)
        self._check_data()
        for start in self.elsewhere:
            self._check_there(start)

    def _again(self, recipe: Recipe) -> Iterator[Recipe]:
        for needed in recipe.inputs.values():
            there = self.store.get(needed.key)
            serves = there and (there.whole or (recipe.name == "ulira" and OUTPUTS in there.files))
            if needed.kind != CHECKPOINT and (self.deep or not serves):
                yield from self._again(needed)
        yield recipe

    def _check_code(self, recipe: Recipe) -> None:
        room = origins.room_of(recipe)
        if plugins.is_name(recipe.name) and room.known(recipe.name) is None:
            place = str(recipe.labels.get(origins.LABEL, ""))
            named = place or f"FILE.py:{plugins.class_of(recipe.name)}"
            raise room.absent(recipe.name, place, f"`deepunlearn replay {self.run.id} --{room.noun} {named}`")
        if recipe.revision != (now := actor_of(recipe).revision):
            version = self.facts(recipe.key).get("version", "of another version")
            raise UsageFailure(
                f"run {recipe.key} is of revision {recipe.revision} of {recipe.name}, and deepunlearn "
                f"{__version__} has revision {now}: the code that made it is not here",
                f"replay it with the deepunlearn that made it, {version}",
            )

    def _check_data(self) -> None:
        reading = [one for one in self.recipes if _reads_data(one)]
        forgot = [each for one in reading for each in (one.forget, one.data.get("tracked"), *one.forgotten)]
        try:
            for fingerprint in dict.fromkeys(one.data["fingerprint"] for one in reading):
                data.load_dataset(fingerprint, self.store.data)
            for forget in filter(None, dict.fromkeys(forgot)):
                data.load_forget(forget, self.store.data)
        except Failure as failure:
            what = f"run {self.run.id} cannot be made again: {failure.message}"
            raise type(failure)(what, failure.hint) from None

    def _check_there(self, start: Recipe) -> None:
        if self.store.get(start.key) is None:
            file = start.labels.get("file", "FILE")
            raise NotFound(
                f"run {self.run.id} starts from weights from elsewhere ({file}, run {start.key}), which are "
                "not in this store",
                f"`deepunlearn unlearn {file} --method do-nothing` takes them up again",
            )


def _reads_data(recipe: Recipe) -> bool:
    """Whether making a run reads pictures or forget sets: an attack on outputs only to cut them anew."""
    if recipe.kind != "attack" or issubclass(ATTACKS.needed(recipe.name), Probe):
        return True
    target = recipe.inputs.get("target")
    return target is not None and recipe.forget not in (None, target.forget)
