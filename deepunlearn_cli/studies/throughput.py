"""How fast a machine trains, as somebody measured it: pictures per second, by model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from deepunlearn_cli.core.errors import UsageFailure

ANY = ""  # model: whatever has no figure of its own


@dataclass(frozen=True)
class Throughput:
    """Pictures per second of training, of all processes at a time together; a forward pass counts a third.

    Attributes:
        by_model: by the model's name, `dataset/model` (whose pictures may be larger), or `ANY`.
    """

    by_model: Mapping[str, float]

    def of(self, dataset: str, model: str) -> float | None:
        """Pictures per second of a model; None where nobody said."""
        names = (f"{dataset}/{model}", model, ANY)
        return next((self.by_model[name] for name in names if name in self.by_model), None)


def read(text: str) -> Throughput:
    """`300000`, or by model: `resnet18=300000,tinyvit=60000`.

    Raises:
        UsageFailure: no number above 0, or a model that is named twice.
    """
    figures: dict[str, float] = {}
    for part in text.split(","):
        model, equals, figure = part.strip().rpartition("=")
        if model in figures or (equals and not model):
            raise _refused(
                text, f"it names {model or 'nothing'} {'twice' if model in figures else 'as model'}"
            )
        figures[model] = _number(figure, text)
    return Throughput(figures)


def _number(figure: str, text: str) -> float:
    try:
        number = float(figure.replace("_", ""))
    except ValueError:
        raise _refused(text, f"{figure!r} is no number") from None
    if not (math.isfinite(number) and number > 0):
        raise _refused(text, f"{figure} is not above 0")
    return number


def _refused(text: str, why: str) -> UsageFailure:
    return UsageFailure(
        f"--throughput {text}: {why}",
        "deepunlearn bench cifar10-short --dry-run --throughput resnet18=300000,tinyvit=60000",
    )
