"""How a file's pictures are to be prepared: what its user says, and what its model says to that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deepunlearn_cli import models
from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.core.preparation import USUAL, Numbers, Preparation

if TYPE_CHECKING:
    from torch import nn

    from deepunlearn_cli.core.recipe import Recipe
    from deepunlearn_cli.data import Dataset
    from deepunlearn_cli.execution.materials import Materials

OWN, TIMM = "dataset", "timm"
WORDS = (OWN, *USUAL, TIMM)
SAMPLE = 1000  # training pictures that are looked at, at most
CLEARLY = 2.5  # standard errors of a difference in accuracy, and
POINTS = 0.02  # so many at least: what another preparation must read better to be asked about


def read(
    mean: str | None, std: str | None, channels: int | None, dataset: Dataset, model: str
) -> Preparation:
    """The preparation that the options `--mean`, `--std` and `--channels` ask for.

    Raises:
        UsageFailure: unreadable, or not for the channels of these pictures.
    """
    own = dataset.image_shape[2]
    if channels not in (None, own) and (own, channels) != (1, 3):
        raise UsageFailure(
            f"--channels {channels} for pictures of {own}", "3 shows grey pictures to a colour model"
        )
    shown = channels or own
    prepared = Preparation(*_pair(mean, std, model), channels=channels if channels != own else None)
    for name, values in (("--mean", prepared.mean), ("--std", prepared.std)):
        if values and len(values) not in (1, shown):
            cure = " --channels 3 shows grey pictures to a colour model" if own == 1 else ""
            raise UsageFailure(f"{name} has {len(values)} numbers for {shown} channels", f"one each.{cure}")
    return prepared


def _pair(mean: str | None, std: str | None, model: str) -> tuple[Numbers | None, Numbers | None]:
    words = [text for text in (mean, std) if text in WORDS]
    if words and (len(set(words)) > 1 or (mean and std and mean != std)):
        raise UsageFailure(f"--mean {mean} --std {std} are not of one kind", f"--mean {words[0]} sets both")
    if words:
        return _by_word(words[0], model)
    if not mean and not std:
        return None, None
    if not mean or not std:
        given, lacking = ("--mean", "--std") if mean else ("--std", "--mean")
        raise UsageFailure(f"{given} without {lacking}", f"give both, or --mean {' | '.join(WORDS)}")
    return _numbers("--mean", mean), _numbers("--std", std)


def _by_word(word: str, model: str) -> tuple[Numbers | None, Numbers | None]:
    if word == TIMM:
        return models.normalisation(model)
    return (None, None) if word == OWN else USUAL[word]


def _numbers(option: str, text: str) -> Numbers:
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        raise UsageFailure(
            f"{option} {text!r} is not a list of numbers",
            f"{option} 0.485,0.456,0.406, or {', '.join(WORDS)}",
        ) from None
    worst = max(values) > 1 or min(values) < (0 if option == "--mean" else 1e-6)
    if worst or any(value != value for value in values):
        raise UsageFailure(
            f"{option} {text}: pixels are scaled to 0..1, and so are these",
            f"{option} 0.485,0.456,0.406, say",
        )
    return values


def check(name: str, model: nn.Module, recipe: Recipe, materials: Materials) -> None:
    """Refuse a preparation that nobody asked for where a usual one fits the model clearly better.

    Raises:
        UsageFailure: with the accuracies of both, on training pictures.
    """
    shown = recipe.data.get("channels", materials.dataset(recipe).image_shape[2])
    read = {
        word: materials.correct(recipe, model, SAMPLE, Preparation(mean, std, recipe.data.get("channels")))
        for word, (mean, std) in USUAL.items()
        if len(mean) in (1, shown)
    }
    ours = materials.correct(recipe, model, SAMPLE, Preparation.from_data(recipe.data))
    best = max(read, key=lambda word: int(read[word].sum()))
    gains = read[best].astype(int) - ours.astype(int)
    if gains.mean() < POINTS or gains.sum() < CLEARLY * max(1, (gains**2).sum()) ** 0.5:
        return
    raise UsageFailure(
        f"{name} reads {ours.mean():.1%} of training pictures as they are prepared here (mean and deviation "
        f"of the dataset), and {read[best].mean():.1%} with --mean {best}: how was it trained?",
        f"add --mean {best}, or the numbers (--mean --std); --mean {OWN} keeps the dataset's own",
    )
