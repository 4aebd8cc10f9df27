"""The lab: what an attack that works on the model itself may use of the world."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import cached_property
from shlex import join
from typing import TYPE_CHECKING

import numpy as np

from deepunlearn_cli import data
from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.core.recipe import Recipe, stream_seed
from deepunlearn_cli.core.shared import Outputs, Progress
from deepunlearn_cli.execution import blank

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import nn

    from deepunlearn_cli.attacks import Findings, Probe
    from deepunlearn_cli.engine.canaries import Canaries
    from deepunlearn_cli.engine.pictures import Pictures
    from deepunlearn_cli.engine.task import Task
    from deepunlearn_cli.execution.materials import Materials
    from deepunlearn_cli.store import Run

PARTS = ("retain", "forget", "forgotten", "val", "test")


class OneModelLab:
    """One run's model with its data.

    Args:
        recipe: of the attack; its seed is that of every stream.
        target: the run whose model it is.
        needs: the parts of the data that the task holds.
    """

    def __init__(
        self, recipe: Recipe, target: Run, materials: Materials, needs: Sequence[str], progress: Progress
    ) -> None:
        self.recipe, self.target, self.materials = recipe, target, materials
        self.needs, self.progress = needs, progress

    def findings(self, attack: Probe) -> Findings:
        """What an attack finds in here, its cost counted by `task`."""
        from deepunlearn_cli.engine.device import repeatable

        device = self.materials.device
        with repeatable(self.recipe.seed, device), self.task.cost.clock(device):
            seen = attack.probe(self)
        return attack.run({"target": lambda: seen}, self.recipe.seed)

    @property
    def model(self) -> nn.Module:
        """A copy of the model, in train mode."""
        return deepcopy(self.materials.start(self.recipe, self.target)).train()

    @cached_property
    def task(self) -> Task:
        """The parts of the data that the attack needs, and tools; it counts the work."""
        return self.materials.task(self.recipe, self.needs, self.progress)

    def outputs(self, model: nn.Module, *parts: str) -> Outputs:
        """What a model says of these parts."""
        return self.materials.outputs(self.recipe, model, without=set(PARTS) - set(parts))

    @cached_property
    def canaries(self) -> Canaries:
        """The noise that training put on forget pictures.

        Raises:
            UsageFailure: it put none, or on pictures that this model was not to forget.
        """
        from deepunlearn_cli.engine.canaries import Canaries

        canary, dataset = self._canary(), self.materials.dataset(self.recipe)
        index = canary.chosen(self.materials.planted_in(canary).indices)
        self._check_forgotten(index)
        count, shape = len(index), dataset.image_shape
        return Canaries(
            index,
            self._shown(index, dataset.images[index]),
            canary.draws(count, shape),
            lambda noise: self._shown(index, canary.planted(dataset, index, noise)),
            lambda number: data.drawn(self._fresh(number), count, shape),
        )

    def _canary(self) -> data.Canary:
        if canary := data.Canary.of(self.recipe.data):
            return canary
        labels = self.recipe.labels
        words = [
            "train",
            "--dataset",
            labels.get("dataset", "NAME"),
            "--model",
            self.recipe.model,
            "--canary",
        ]
        raise UsageFailure(
            f"run {self.target.id} comes from training without canaries",
            f"`deepunlearn {join([*words, '--forget', labels.get('forget', 'SPEC')])}` plants some",
        )

    def _check_forgotten(self, index: NDArray[np.int64]) -> None:
        if not np.isin(index, self.materials.indices(self.recipe)["forget"]).all():
            raise UsageFailure(
                f"run {self.target.id} was to forget other pictures than those with canaries",
                "leave --forget out when unlearning: the canaries' forget set is the default",
            )

    def _fresh(self, number: int) -> int:
        """Streams apart from the canaries' own, also where seeds are equal."""
        return stream_seed(self.recipe.seed, f"fresh/{number}")

    def _shown(self, index: NDArray[np.int64], images: NDArray[np.uint8]) -> Pictures:
        """Pictures of the dataset at these indices, as they are given."""
        import torch

        from deepunlearn_cli.engine.pictures import Pictures, Pixels

        dataset, idle = self.materials.dataset(self.recipe), torch.Generator()
        blank.check(self.recipe, dataset, index, "forget")
        labels, device = dataset.labels[index], self.materials.device
        pixels = Pixels(images, labels, device, mean=dataset.mean, std=dataset.std)
        return Pictures(pixels, np.arange(len(index)), order=idle, moves=idle)


def leaks(recipe: Recipe, inputs: Mapping[str, Run]) -> list[str]:
    """Samples that are no held-out data for the models that are attacked on them."""
    part = recipe.params.get("against")
    readers = {run.recipe.name for run in inputs.values() if part in run.facts.get("reads", ())}
    return [
        f"{name} read the {part} pictures while unlearning: they are not unseen, and this attack says "
        "little; --against test"
        for name in sorted(readers)
    ]
