"""The pictures that go with a checkpoint file: its dataset, with its classes in the order of its outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from deepunlearn_cli import data
from deepunlearn_cli.checkpoints.file import Claims

if TYPE_CHECKING:
    from deepunlearn_cli.execution.runner import Runner


def opened(
    spec: str,
    claims: Claims,
    runner: Runner,
    *,
    image_size: int | None,
    split_folders: str | None,
    classes: str | None,
    offline: bool,
    known: Sequence[str] = (),
) -> data.Dataset:
    """A file's dataset, with what somebody said before what the file says.

    `known` are the names of a file from elsewhere, in the order of its outputs (`class_to_idx`, `classes`).

    Raises:
        NotFound, UsageFailure: as `data.open_dataset` and `data.read_classes`.
    """
    asked = data.read_classes(classes) if classes else tuple(known)
    size = image_size or claims.get("image_size")
    parts = split_folders or claims.get("split_folders")

    def found(names: Sequence[str]) -> data.Dataset:
        return runner.dataset(spec, image_size=size, offline=offline, split_folders=parts, classes=names)

    dataset = found(asked)
    claimed = tuple(claims.get("classes") or ())
    reordered = not asked and claimed != dataset.classes and set(claimed) == set(dataset.classes)
    return found(claimed) if reordered else dataset
