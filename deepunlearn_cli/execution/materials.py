"""Materials: turns the names in a recipe into pictures on the device, models and tasks."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from deepunlearn_cli import data, models
from deepunlearn_cli.core.preparation import Preparation
from deepunlearn_cli.core.recipe import Recipe, canonical, stream_seed
from deepunlearn_cli.core.shared import Outputs, Progress
from deepunlearn_cli.engine.device import describe, streams
from deepunlearn_cli.engine.pictures import RESIDENT_SHARE, Pictures, Pixels
from deepunlearn_cli.engine.predict import outputs_of, predict
from deepunlearn_cli.engine.task import Task
from deepunlearn_cli.execution import blank
from deepunlearn_cli.execution.parts import TRAINED, Indices, drawn

if TYPE_CHECKING:
    from deepunlearn_cli.store import Run

STARTS_KEPT = 3  # originals at hand on the device: a sweep starts from the same few again and again


class Materials:
    """Everything a maker needs on one device; datasets are opened and moved there once.

    Args:
        sharing: how many processes of ours share the device's memory, this one included.
    """

    def __init__(self, home: Path, device: torch.device, sharing: int = 1) -> None:
        self.home, self.device, self.sharing = home, device, sharing
        self._datasets: dict[str, data.Dataset] = {}
        self._pixels: dict[str, Pixels] = {}
        self._indices: dict[str, Indices] = {}
        self._starts: dict[tuple[str, str], nn.Module] = {}

    def dataset(self, recipe: Recipe) -> data.Dataset:
        """The decoded dataset of a recipe, by its fingerprint."""
        fingerprint = recipe.data["fingerprint"]
        if fingerprint not in self._datasets:
            self._datasets[fingerprint] = data.load_dataset(fingerprint, self.home)
        return self._datasets[fingerprint]

    def indices(self, recipe: Recipe) -> Indices:
        """Dataset indices of each part; without a forget set, `retain` is the whole training split."""
        key = canonical([dict(recipe.data), recipe.forget])
        if key not in self._indices:
            self._indices[key] = drawn(recipe, self.dataset(recipe), self.home)
        return self._indices[key]

    def training_size(self, recipe: Recipe) -> int:
        """Pictures in the training split, forgotten ones too: the unit of work is one epoch over them."""
        parts = self.indices(recipe)
        return sum(len(parts.get(name, ())) for name in TRAINED)

    def fresh(self, recipe: Recipe, stream: str) -> nn.Module:
        """A newly initialised model on the device, from a named stream of the recipe's seed.

        Raises:
            UsageFailure: the code of the user's own model is no longer that of the recipe.
        """
        models.check_code(recipe.model, recipe.data)
        height, width, channels = self.dataset(recipe).image_shape
        channels = recipe.data.get("channels", channels)
        shape = models.Shape(self.dataset(recipe).num_classes, channels, height, width)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(stream_seed(recipe.seed, stream))
            model = models.build(recipe.model, shape)
        return model.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]

    def size(self, recipe: Recipe) -> int:
        """Bytes that a run keeps: the model's weights; logits, label and index of every picture."""
        dataset = self.dataset(recipe)
        outputs = len(dataset) * (4 * dataset.num_classes + 8)
        if recipe.kind == "shadow" and recipe.forget:
            return outputs  # at most: only what U-LiRA reads
        weights: int = sum(value.nbytes for value in self.fresh(recipe, "init").state_dict().values())
        return weights + outputs + self.track_size(recipe)

    def track_size(self, recipe: Recipe) -> int:
        """Bytes of the track that a run keeps: a number for each weight, for a tracked original only."""
        if not recipe.repeats or recipe.forget:
            return 0
        return sum(weight.nbytes for weight in self.fresh(recipe, "init").parameters())

    def start(self, recipe: Recipe, run: Run) -> nn.Module:
        """The recipe's model with the weights of a run, to be copied and not to be changed."""
        wanted = (recipe.model, run.id)
        if wanted not in self._starts:
            while len(self._starts) >= STARTS_KEPT:
                del self._starts[next(iter(self._starts))]
            model = self.fresh(recipe, "init")
            model.load_state_dict(run.weights(), strict=True)
            self._starts[wanted] = model
        return self._starts[wanted]

    def task(self, recipe: Recipe, needs: Sequence[str], progress: Progress) -> Task:
        """The task of a recipe, with the parts of the data that its method declares and no others."""
        stream = streams(recipe.random_seed)
        task = Task(
            {},
            device=self.device,
            stream=stream,
            fresh=partial(self.fresh, recipe),
            classes=self.dataset(recipe).num_classes,
            precision=recipe.precision,
            progress=progress,
        )
        indices = self.indices(recipe)
        augment = bool(recipe.data["augment"])
        task.warnings += blank.said(self.dataset(recipe), indices)
        for name in needs:
            blank.check(recipe, self.dataset(recipe), indices[name], name)
            order, moves = stream(f"order/{name}"), stream(f"augment/{name}")
            pixels = self.pixels(recipe)
            task.parts[name] = Pictures(
                pixels,
                indices[name],
                order=order,
                moves=moves,
                augment=augment,
                fixed=recipe.repeats,
                tick=task.tick,
            )
        return task

    def training(self, recipe: Recipe, name: str) -> Pictures:
        """All pictures that a model was trained on, with streams of their own by `name`."""
        parts, stream = self.indices(recipe), streams(recipe.seed)
        every = np.concatenate([parts["retain"], parts.get("forget", parts["retain"][:0])])
        blank.check(recipe, self.dataset(recipe), every, "training")
        order, moves = stream(f"order/{name}"), stream(f"augment/{name}")
        return Pictures(self.pixels(recipe), every, order=order, moves=moves)

    def outputs(self, recipe: Recipe, model: nn.Module, without: Collection[str] = ()) -> Outputs:
        """Logits, labels and indices of every part (less those `without`), one prediction pass each."""
        idle = torch.Generator()  # prediction neither shuffles nor augments
        pixels = self.pixels(recipe)
        wanted = {name: index for name, index in self.indices(recipe).items() if name not in without}
        parts = {
            name: Pictures(pixels, index, order=idle, moves=idle)
            for name, index in blank.shown(recipe, self.dataset(recipe), wanted).items()
        }
        return outputs_of(model, parts, recipe.precision)

    def pixels(self, recipe: Recipe) -> Pixels:
        """The dataset's pictures on the device, prepared as the recipe says, with its training's canaries."""
        dataset, canary = self.dataset(recipe), data.Canary.of(recipe.data)
        prepared = Preparation.from_data(recipe.data)
        key = canonical([dataset.fingerprint, prepared.to_data(), canary and canary.plain()])
        if key not in self._pixels:
            images = dataset.images
            if canary:
                images = data.with_canaries(dataset, canary, self.planted_in(canary).indices)
            mean, std = prepared.numbers(dataset.mean, dataset.std)
            self._pixels[key] = Pixels(
                images,
                dataset.labels,
                self.device,
                mean=mean,
                std=std,
                flip=dataset.flip,
                pad=dataset.pad,
                memory_share=RESIDENT_SHARE / self.sharing,
            )
        return self._pixels[key]

    def planted_in(self, canary: data.Canary) -> data.ForgetSet:
        """The forget set that canaries are a part of."""
        return data.load_forget(canary.forget, self.home)

    def correct(
        self, recipe: Recipe, model: nn.Module, count: int, prepared: Preparation
    ) -> NDArray[np.bool_]:
        """Which of the first `count` retained pictures a model reads, prepared in another way."""
        dataset, idle = self.dataset(recipe), torch.Generator()
        index = self.indices(recipe)["retain"]
        index = index[~blank.among(index, dataset)][:count]
        mean, std = prepared.numbers(dataset.mean, dataset.std)
        shown = Pixels(dataset.images[index], dataset.labels[index], self.device, mean=mean, std=std)
        part = Pictures(shown, np.arange(len(index)), order=idle, moves=idle)
        read: NDArray[np.bool_] = predict(model, part, recipe.precision).argmax(1) == dataset.labels[index]
        return read

    def facts(self) -> dict[str, Any]:
        """Device, threads and library versions, for a run's record."""
        return {
            "device": describe(self.device),
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
        }
