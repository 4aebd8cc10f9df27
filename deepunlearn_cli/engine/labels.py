"""Labels that are not the true ones."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Generator, Tensor

from deepunlearn_cli.engine.pictures import Batch
from deepunlearn_cli.engine.task import Task


def wrong_labels(labels: Tensor, classes: int, generator: Generator) -> Tensor:
    """For each label (n,) another one, uniform over the `classes - 1` others."""
    offset = torch.randint(1, classes, labels.shape, generator=generator)
    return (labels + offset.to(labels.device)) % classes


def mislabelled(task: Task, batch_size: int) -> Iterator[tuple[Batch, Tensor]]:
    """One pass over all training pictures with labels (B,): the forgotten ones get new wrong labels."""
    wrong = wrong_labels(task.forget.labels, task.classes, task.stream("labels"))
    labels = torch.cat([task.retain.labels, wrong])
    for batch in task.train.batches(batch_size):
        yield batch, labels[batch.position]
