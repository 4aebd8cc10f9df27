"""Canaries: noise of known draws on some forget pictures, so that one can ask later whether it was learnt.

Gaussian poisoning of Pawelczyk et al. 2024 (arXiv 2406.17216), section 4: noise is added to the pictures that
training sees, and the attack holds the same noise against the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.core.recipe import stream_seed
from deepunlearn_cli.core.specs import CANARY_NOISE, CANARY_SEED, CANARY_SHARE
from deepunlearn_cli.data._dataset import Dataset, Indices, Pixels

LOUDEST = 10.0  # standard deviations: noise beyond that leaves nothing of the picture

Noise = NDArray[np.float32]


@dataclass(frozen=True)
class Canary:
    """Which pictures carry noise, how much, and from which draws.

    Attributes:
        forget: SHA-256 of the forget set that they are a part of.
        share: of that set, 0..1; at least one picture.
        noise: standard deviation of the noise, in standard deviations of the dataset's pixels, per channel.
        seed: of the choice and of the noise.
    """

    forget: str
    share: float = CANARY_SHARE
    noise: float = CANARY_NOISE
    seed: int = CANARY_SEED

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise UsageFailure(f"--canary-share {self.share:g} is not above 0 and at most 1", "0.5, say")
        if not 0 < self.noise <= LOUDEST:
            hint = "1 is as much noise as picture"
            raise UsageFailure(f"--canary-noise {self.noise:g} is not above 0 and at most {LOUDEST:g}", hint)

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Canary | None:
        """The canaries in the data part of a recipe, if there are any."""
        return cls(**data["canary"]) if "canary" in data else None

    def plain(self) -> dict[str, Any]:
        """As the data part of a recipe holds them."""
        return asdict(self)

    def chosen(self, forget: Indices) -> Indices:
        """The pictures of a forget set that carry noise: dataset indices, sorted."""
        ordered = np.sort(forget)
        count = max(1, round(self.share * len(ordered)))
        picked: Indices = np.sort(np.random.default_rng(self._stream("choice")).permutation(ordered)[:count])
        return picked

    def draws(self, count: int, shape: tuple[int, int, int]) -> Noise:
        """The noise (count, H, W, C) of the chosen pictures, in their order: standard normal."""
        return drawn(self._stream("noise"), count, shape)

    def planted(self, dataset: Dataset, index: Indices, draws: Noise) -> Pixels:
        """Pictures (n, H, W, C) of a dataset with such noise on them: bytes again, cut to 0..255."""
        deviation = 255 * self.noise * np.array(dataset.std, np.float32)
        noisy = dataset.images[index] + deviation * draws
        return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)

    def _stream(self, name: str) -> int:
        return stream_seed(self.seed, f"canary/{name}")


def drawn(stream: int, count: int, shape: tuple[int, int, int]) -> Noise:
    """Standard normal noise (count, H, W, C) from the seed of a stream."""
    return np.random.default_rng(stream).standard_normal((count, *shape), dtype=np.float32)


def with_canaries(dataset: Dataset, canary: Canary, forget: Indices) -> Pixels:
    """A dataset's pictures as training sees them: the chosen ones noisy, the others those on disk.

    A memory map stays one: only the pages of the noisy pictures take memory.
    """
    images = _writable(dataset.images)
    index = canary.chosen(forget)
    images[index] = canary.planted(dataset, index, canary.draws(len(index), dataset.image_shape))
    return images


def _writable(images: Pixels) -> Pixels:
    """The same pictures, to write on without a trace on disk."""
    if not isinstance(images, np.memmap) or images.filename is None:
        return np.array(images)
    return np.memmap(images.filename, images.dtype, "c", images.offset, images.shape)
