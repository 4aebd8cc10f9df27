"""How a model's pictures are prepared, where that is not as their dataset has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

BILINEAR = "bilinear"  # how pictures are resized, if nobody says otherwise
Numbers = tuple[float, ...]  # one for each channel

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # mean and deviation that torchvision's models expect
USUAL = {"imagenet": IMAGENET, "none": ((0.0,), (1.0,)), "half": ((0.5,), (0.5,))}  # of pixels in 0..1


@dataclass(frozen=True)
class Preparation:
    """What is subtracted from pixels scaled to 0..1, by what they are divided, and the channels shown.

    Each is None where it is the dataset's own. Grey pictures can be shown in three equal channels. The
    dataset was resized by `interpolation` when it was decoded; that is kept here for people to see.
    """

    mean: Numbers | None = None
    std: Numbers | None = None
    channels: int | None = None
    interpolation: str | None = None

    def to_data(self) -> dict[str, Any]:
        """Its part in a recipe's data: nothing for what is the dataset's own."""
        numbers = {"mean": self.mean, "std": self.std}
        given = {name: list(values) for name, values in numbers.items() if values is not None}
        others = {"channels": self.channels, "interpolation": self.interpolation}
        return given | {name: value for name, value in others.items() if value not in (None, BILINEAR)}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Preparation:
        """What `to_data` wrote."""
        mean, std = (tuple(data[name]) if name in data else None for name in ("mean", "std"))
        return cls(mean, std, data.get("channels"), data.get("interpolation"))

    def numbers(self, mean: Numbers, std: Numbers) -> tuple[Numbers, Numbers]:
        """Mean and deviation of each channel shown, where those of the dataset are `mean` and `std`."""
        count = self.channels or len(mean)
        return _spread(self.mean or mean, count), _spread(self.std or std, count)


def _spread(values: Numbers, count: int) -> Numbers:
    return values * count if len(values) == 1 else values
