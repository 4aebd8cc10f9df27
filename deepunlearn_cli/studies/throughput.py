"""How fast a machine trains, as somebody measured it: pictures per second, by model and pictures per step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import linear_regression

from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.core.typed import shortened

ANY = ""  # model: whatever has no figure of its own
EVERY = 0  # pictures per step: however many
MOST_BATCH = 10**6  # pictures in a step
LEAST, MOST = 1e-6, 1e15  # pictures per second


@dataclass(frozen=True)
class Speed:
    """Seconds of a step of B pictures: `step` + B * `picture`."""

    step: float
    picture: float

    def seconds(self, pictures: float, batch: float) -> float:
        """What forward and backward passes over so many pictures take, in steps of `batch`."""
        return pictures * (self.step / batch + self.picture)


@dataclass(frozen=True)
class Throughput:
    """How fast all processes at a time train together; a forward pass counts a third.

    Attributes:
        by_model: by the model's name, `dataset/model` (whose pictures may be larger), or `ANY`.
    """

    by_model: Mapping[str, Speed]

    def of(self, dataset: str, model: str) -> Speed | None:
        """The speed of a model; None where nobody said."""
        names = (f"{dataset}/{model}", model, ANY)
        return next((self.by_model[name] for name in names if name in self.by_model), None)


def read(text: str) -> Throughput:
    """`300000` pictures per second, or by model: `resnet18=300000,tinyvit=60000`.

    Small steps take longer for each picture: `resnet18=270700@256,resnet18=120000@64` says so, and through
    such figures of a model a line is laid, seconds of a step by its pictures.

    Raises:
        UsageFailure: no number above 0, or a figure that is named twice.
    """
    figures: dict[str, dict[int, float]] = {}
    for part in text.split(","):
        model, equals, figure = part.strip().rpartition("=")
        rate, at, batch = figure.partition("@")
        pictures = _batch(batch, text) if at else EVERY
        known = figures.setdefault(model, {})
        if equals and not model:
            raise _refused(text, "it names nothing as model")
        if pictures in known or (known and EVERY in (*known, pictures)):
            raise _refused(text, f"it has two figures for {model or 'one thing'}")
        known[pictures] = _number(rate, text)
    return Throughput({model: _speed(known) for model, known in figures.items()})


def _speed(rates: Mapping[int, float]) -> Speed:
    if len(rates) == 1:
        return Speed(0.0, 1 / next(iter(rates.values())))
    batches = [float(batch) for batch in rates]
    line = linear_regression(batches, [batch / rate for batch, rate in rates.items()])
    return Speed(max(0.0, line.intercept), max(0.0, line.slope))


def _batch(text: str, whole: str) -> int:
    if not (text.isdecimal() and len(text) <= len(str(MOST_BATCH)) and 1 <= int(text) <= MOST_BATCH):
        raise _refused(whole, f"{shortened(text)!r} is no number of pictures in a step (1 to {MOST_BATCH})")
    return int(text)


def _number(figure: str, text: str) -> float:
    try:
        number = float(figure.replace("_", ""))
    except ValueError:
        raise _refused(text, f"{shortened(figure)!r} is no number") from None
    if not LEAST <= number <= MOST:
        raise _refused(text, f"{shortened(figure)} is not from {LEAST:g} to {MOST:g}")
    return number


def _refused(text: str, why: str) -> UsageFailure:
    return UsageFailure(
        f"--throughput {shortened(text)}: {why}",
        "deepunlearn bench cifar10-short --dry-run --throughput resnet18=277000@256,resnet18=120000@64",
    )
