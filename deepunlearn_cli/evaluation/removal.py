"""What models say of classes that they were to forget as a whole: pure measures on their outputs.

A retrained model never saw the class, though it has an output for it: it calls the class's pictures something
else, and an unlearned model should call them the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from deepunlearn_cli.core.shared import Outputs
from deepunlearn_cli.evaluation import metrics

Read = Callable[[], Outputs]


@dataclass(frozen=True)
class Removal:
    """One model on the test pictures, those of the removed classes and the others.

    Attributes:
        removed: the classes' numbers.
        names: of all classes, K texts.
        forgotten: accuracy (0..1) on test pictures of the removed classes.
        kept: accuracy on the other test pictures.
        said: share of the removed classes' test pictures by the class predicted, K numbers that sum to 1.
    """

    removed: tuple[int, ...]
    names: tuple[str, ...]
    forgotten: float
    kept: float
    said: tuple[float, ...]


def removals(runs: Mapping[str, Read], names: Callable[[], Sequence[str]]) -> dict[str, Removal]:
    """By run id, for runs with one forget set; empty unless that is whole classes (the first run tells).

    Nothing of runs of which no outputs are kept, or none of what they forgot: `purge --models` takes them.

    Args:
        runs: reads a run's outputs; empty where it keeps none.
        names: of the classes; asked only where they are needed, empty for none.
    """
    first = next((given for read in runs.values() if "forget" in (given := read())), None)
    if first is None or not _whole(first):
        return {}
    known = tuple(names())
    outputs = ((run_id, read()) for run_id, read in runs.items())
    return {run_id: _removal(given, known) for run_id, given in outputs if {"forget", "test"} <= given.keys()}


def distance(said: Sequence[float], reference: Sequence[float]) -> float:
    """Total variation of two distributions over the same classes: 0 for equal ones, 1 for disjoint ones."""
    return float(np.abs(np.subtract(said, reference)).sum() / 2)


def _whole(outputs: Outputs) -> bool:
    """Whether the forget set is whole classes: nothing retained has any of its labels."""
    parts = [outputs.get(name) for name in ("forget", "retain", "test")]
    if any(part is None or not len(part["labels"]) for part in parts):
        return False
    forget, retain, test = (outputs[name]["labels"] for name in ("forget", "retain", "test"))
    return not np.isin(forget, retain).any() and bool(np.isin(test, forget).any())


def _removal(outputs: Outputs, names: tuple[str, ...]) -> Removal:
    logits, labels = (outputs["test"][name] for name in ("logits", "labels"))
    removed = np.unique(outputs["forget"]["labels"])
    of_removed = np.isin(labels, removed)
    classes = logits.shape[1]
    counts = np.bincount(logits[of_removed].argmax(axis=1), minlength=classes)
    return Removal(
        removed=tuple(int(label) for label in removed),
        names=names or tuple(map(str, range(classes))),
        forgotten=metrics.accuracy(logits[of_removed], labels[of_removed]),
        kept=metrics.accuracy(logits[~of_removed], labels[~of_removed]),
        said=tuple(float(share) for share in counts / counts.sum()),
    )
