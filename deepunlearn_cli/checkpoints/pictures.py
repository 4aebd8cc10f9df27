"""The pictures that go with a checkpoint file: its dataset, with its classes in the order of its outputs."""

from __future__ import annotations

from collections.abc import Sequence
from shlex import quote
from typing import TYPE_CHECKING

from deepunlearn_cli import data
from deepunlearn_cli.checkpoints.file import Checkpoint
from deepunlearn_cli.core.errors import UsageFailure

if TYPE_CHECKING:
    from deepunlearn_cli.execution.runner import Runner

SHOWN = 5  # classes named in an error


def opened(
    spec: str,
    file: Checkpoint,
    runner: Runner,
    *,
    image_size: int | None,
    split_folders: str | None,
    classes: str | None,
    offline: bool,
    interpolation: str | None,
) -> data.Dataset:
    """A file's dataset, with what somebody said before what the file says.

    A file from elsewhere may name its classes, too, in the order of its outputs (`class_to_idx`, `classes`).

    Raises:
        NotFound, UsageFailure: as `data.open_dataset` and `data.read_classes`; a file from elsewhere names
            other classes than the dataset has.
    """
    asked = data.read_classes(classes) if classes else ()
    size = image_size or file.claims.get("image_size")
    parts = split_folders or file.claims.get("split_folders")

    def found(names: Sequence[str]) -> data.Dataset:
        return runner.dataset(
            spec,
            image_size=size,
            offline=offline,
            split_folders=parts,
            classes=names,
            interpolation=interpolation,
        )

    dataset = found(asked)
    told = () if asked else tuple(file.claims.get("classes") or file.classes)
    if not told or told == dataset.classes:
        return dataset
    try:
        return found(told)
    except UsageFailure:
        if file.claims:  # of pictures that have changed since: whoever looks at these tells more
            return dataset
        raise _others(file, told, dataset) from None


def _others(file: Checkpoint, told: Sequence[str], dataset: data.Dataset) -> UsageFailure:
    named = [", ".join(names[:SHOWN]) + ", ..." * (len(names) > SHOWN) for names in (told, dataset.classes)]
    return UsageFailure(
        f"{file.path} names {len(told)} classes ({named[0]}), "
        f"{dataset.name} has {len(dataset.classes)} ({named[1]})",
        f"--classes {quote(','.join(dataset.classes))}, in the order of the model's outputs",
    )
