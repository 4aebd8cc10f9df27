"""Commands that a person can type, for hints: complete, with names that a shell takes as they are."""

from __future__ import annotations

from collections.abc import Mapping
from shlex import quote
from typing import Any

from deepunlearn_cli.core.recipe import Recipe


def tracked_training(start: Recipe, params: Mapping[str, Any], forget: str) -> str:
    """What trains an original like this one and keeps the track of a forget set.

    `params` are its hyperparameters, less those at their default.
    """
    dataset, track = start.labels.get("dataset", ""), f"--track --approximate --forget {quote(forget)}"
    if ":" in dataset:  # a source of the user's own: its name says nothing of its place
        return f"its training again, with {track}"
    words = [f"-p {name}={value}" for name, value in params.items()]
    words += [f"--seeds {start.seed}", *([] if start.data.get("augment", True) else ["--no-augment"])]
    return f"`deepunlearn train --dataset {dataset} --model {start.model} {' '.join(words)} {track}`"
