"""Weights from elsewhere become a run: brought to the model's names, loaded, judged, kept."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from deepunlearn_cli.checkpoints import order, preparation, training
from deepunlearn_cli.checkpoints.file import Checkpoint, weights_hash
from deepunlearn_cli.checkpoints.names import Named, named, why_not
from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.core.recipe import Recipe

if TYPE_CHECKING:
    from torch import Tensor, nn

    from deepunlearn_cli.execution.runner import Runner
    from deepunlearn_cli.store import Run

LISTED = 3  # names in a message
DOUBT = "how were its pictures prepared (--mean --std), and in which order are its classes?"


def admit(file: Checkpoint, draft: Recipe, runner: Runner, *, prepared: bool) -> Recipe:
    """The recipe of a file's weights, which are then in the store as a run with its outputs and scores.

    Args:
        draft: the recipe without the hash of the weights.
        prepared: whether somebody said how its pictures are prepared; if not, the model is asked.

    Raises:
        UsageFailure: the weights do not fit the model, or read other pictures better than these.
    """
    known = as_they_are(file, draft, runner)
    if runner.store.get(known.key):
        return known
    model = runner.materials.fresh(draft, "init")
    reading = _fitting(file, draft, model, runner)
    recipe = training.recalled(_of(draft, reading.weights), runner)
    with runner.store.making(recipe, waiting=lambda: runner.reporter.waiting(recipe)):
        if not runner.store.get(recipe.key):
            model.load_state_dict({**model.state_dict(), **_twinned(reading, model)}, strict=True)
            with runner.reporting(recipe):
                _judge(str(file.path), model, recipe, runner, prepared=prepared)
    return recipe


def as_they_are(file: Checkpoint, draft: Recipe, runner: Runner) -> Recipe:
    """The recipe of a file's weights by the names that they have there."""
    return training.recalled(_of(draft, file.weights), runner)


def _of(draft: Recipe, weights: Mapping[str, Tensor]) -> Recipe:
    return replace(draft, params={"sha256": weights_hash(weights), **draft.params})


def _judge(name: str, model: nn.Module, recipe: Recipe, runner: Runner, *, prepared: bool) -> Run:
    from deepunlearn_cli.execution import makers

    outputs = runner.materials.outputs(recipe, model)
    dataset = runner.materials.dataset(recipe)
    order.check(name, outputs, dataset.classes)  # first: accuracies of exchanged classes say nothing
    if not prepared:
        preparation.check(name, model, recipe, runner.materials)
    facts = {
        "status": "done",
        "created": time.time(),
        **runner.materials.facts(),
        "warnings": [
            f"{text} as it is shown them: {DOUBT}"
            for text in makers.warnings_of(outputs, dataset.num_classes)
        ],
    }
    weights = makers.portable(model)
    return runner.store.put(
        recipe, weights=weights, outputs=outputs, scores=makers.score(outputs), facts=facts
    )


def _twinned(reading: Named, model: nn.Module) -> Mapping[str, Tensor]:
    """The weights, each tied one under all its names."""
    values = dict(reading.weights)
    names: dict[int, list[str]] = {}
    for name, weight in model.named_parameters(remove_duplicate=False):
        names.setdefault(id(weight), []).append(name)
    for group in names.values():
        known = next((values[name] for name in group if name in values), None)
        values |= {name: known for name in group if known is not None and name not in values}
    return values


def _fitting(file: Checkpoint, draft: Recipe, model: nn.Module, runner: Runner) -> Named:
    """The first state dict of a file that fits the model; says which it was, and what was left out.

    Raises:
        UsageFailure: none does, with what keeps the closest from it.
    """
    readings = {place: named(weights, model) for place, weights in file.entries.items()}
    fitting = [place for place, reading in readings.items() if reading.fits]
    if not fitting:
        raise _misfit(file, min(readings.values(), key=lambda one: one.faults), draft, runner)
    chosen = readings[fitting[0]]
    if len(fitting) > 1:
        others = " or ".join(f"--weights-key {place}" for place in fitting[1:] if place)
        runner.reporter.told(f"{file.path} holds {' and '.join(fitting)}: took {fitting[0]} ({others})")
    if chosen.dropped:
        runner.reporter.told(f"{file.path}: left out {_listed(chosen.dropped)}, no part of the model")
    return chosen


def _misfit(file: Checkpoint, reading: Named, draft: Recipe, runner: Runner) -> UsageFailure:
    dataset = runner.materials.dataset(draft)
    why, cure = why_not(reading, dataset.num_classes, dataset.image_shape[0])
    wrong = [f"missing {name}" for name in reading.missing]
    wrong += [f"unexpected {name}" for name in reading.unexpected]
    wrong += [f"{name} is {theirs}, not {ours}" for name, (theirs, ours) in reading.shapes.items()]
    without = f" (without {reading.prefix!r} before its names)" if reading.prefix else ""
    return UsageFailure(f"{file.path} does not fit the model: {why}: {_listed(wrong)}{without}", cure)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return f"{', '.join(names[:LISTED])}{more}"


@dataclass(frozen=True)
class Expected:
    """An accuracy that a user expects of a model, and on which pictures: `retain` (training) or `test`."""

    value: float
    score: str = "RA"


PARTS = {"train": "RA", "test": "TA"}
CLOSE = 0.02  # how far an accuracy may lie from the expected one


def read_expected(text: str) -> Expected:
    """`0.94` (of training pictures), or `test=0.62`.

    Raises:
        UsageFailure: anything else.
    """
    part, equals, number = text.rpartition("=")
    try:
        value = float(number)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1 or (equals and part not in PARTS):
        raise UsageFailure(
            f"--expect-accuracy {text!r} is not an accuracy from 0 to 1",
            "--expect-accuracy 0.94 of training pictures, or --expect-accuracy test=0.62",
        )
    return Expected(value, PARTS[part] if equals else "RA")


def ask(run: Run, name: str, expected: Expected | None, runner: Runner) -> None:
    """Tell how well a model from elsewhere reads its pictures, before anything is unlearned.

    Raises:
        UsageFailure: not as well as expected, or better.
    """
    read = {part: run.scores.get(score) for part, score in PARTS.items()}
    shown = " and ".join(f"{v:.1%} of {_NOUNS[part]}" for part, v in read.items() if v is not None)
    found = run.scores.get(expected.score) if expected else None
    if expected and (found is None or abs(found - expected.value) > CLOSE):
        raise UsageFailure(
            f"{name} reads {shown} here, not {expected.value:.1%} as expected",
            "how were its pictures prepared (--mean --std --channels --image-size), "
            "and in which order are its classes?",
        )
    own = "" if "mean" in run.recipe.data else ", prepared with the dataset's own mean and deviation"
    runner.reporter.told(
        f"{name} reads {shown}{own}: is that right? --expect-accuracy {read['train'] or 0:.2f} makes sure; "
        "it does not say whether anything was unlearned from it before, and is taken for an original"
    )


_NOUNS = {"train": "training pictures", "test": "test pictures"}
