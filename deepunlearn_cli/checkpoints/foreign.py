"""Weights from elsewhere become a run: loaded strictly, judged, kept."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from deepunlearn_cli.checkpoints import order
from deepunlearn_cli.checkpoints.file import Checkpoint
from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.core.recipe import Recipe

if TYPE_CHECKING:
    from torch import Tensor, nn

    from deepunlearn_cli.execution.runner import Runner
    from deepunlearn_cli.store import Run


def admit(file: Checkpoint, recipe: Recipe, runner: Runner) -> Run:
    """Put a file's weights into the store as a run, once, with its outputs and scores."""
    with runner.store.making(recipe, waiting=lambda: runner.reporter.waiting(recipe)):
        if run := runner.store.get(recipe.key):
            return run
        with runner.reporting(recipe):
            return _judge(file, recipe, runner)


def _judge(file: Checkpoint, recipe: Recipe, runner: Runner) -> Run:
    from deepunlearn_cli.execution import makers

    model = runner.materials.fresh(recipe, "init")
    _load_strictly(model, file)
    outputs = runner.materials.outputs(recipe, model)
    order.check(str(file.path), outputs, runner.materials.dataset(recipe).classes)
    classes = runner.materials.dataset(recipe).num_classes
    facts = {
        "status": "done",
        "created": time.time(),
        **runner.materials.facts(),
        "warnings": makers.warnings_of(outputs, classes),
    }
    scores = makers.score(outputs)
    return runner.store.put(recipe, weights=file.weights, outputs=outputs, scores=scores, facts=facts)


def _load_strictly(model: nn.Module, file: Checkpoint) -> None:
    expected: Mapping[str, Tensor] = model.state_dict()
    wrong = [f"missing {name}" for name in expected if name not in file.weights]
    wrong += [f"unexpected {name}" for name in file.weights if name not in expected]
    wrong += [
        f"{name} is {tuple(file.weights[name].shape)}, not {tuple(value.shape)}"
        for name, value in expected.items()
        if name in file.weights and file.weights[name].shape != value.shape
    ]
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise UsageFailure(
            f"{file.path} does not fit the model: {', '.join(wrong[:3])}{more}",
            "check --model, and that the dataset has the checkpoint's number of classes",
        )
    model.load_state_dict(file.weights, strict=True)
