"""Classes: their names, their order, and the rule that each has pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from unicodedata import normalize

import numpy as np

from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.core.typed import load
from deepunlearn_cli.data._dataset import Dataset, Indices
from deepunlearn_cli.data._family import Plan
from deepunlearn_cli.data._listing import shown
from deepunlearn_cli.data._splits import Split


def read_classes(text: str) -> tuple[str, ...]:
    """Class names in the order of a model's outputs: `a,b,c`, or a file of one per line or in JSON.

    JSON may be a list of names, or an object of names with their numbers (`class_to_idx`).

    Raises:
        UsageFailure: fewer than two, a name twice, numbers with gaps, or a file that cannot be read.
    """
    try:
        names = _of_file(Path(text).expanduser()) if _is_file(text) else text.split(",")
    except (OSError, ValueError) as error:
        raise UsageFailure(f"--classes {text}: {error}", "a name per line, or a JSON list of names") from None
    names = [name.strip() for name in names]
    if len(names) < 2 or "" in names or len(set(names)) < len(names):
        fault = "names one class, or none" if len(names) < 2 else "has an empty name, or one twice"
        raise UsageFailure(f"--classes {text} {fault}", "--classes cat,dog, or a file with a name per line")
    return tuple(names)


def numbered(names: Sequence[str]) -> tuple[Indices, tuple[str, ...]]:
    """Labels 0, 1, ... of class names in sorted order, and the names; two Unicode forms are one name."""
    spelt = {normalize("NFC", name): name for name in reversed(names)}
    classes = sorted(spelt.values())
    numbers = {normalize("NFC", name): number for number, name in enumerate(classes)}
    return np.array([numbers[normalize("NFC", name)] for name in names], dtype=np.int64), tuple(classes)


def arranged(plan: Plan, classes: Sequence[str]) -> Plan:
    """A plan with its classes in this order; where the source has numbers only, they get these names.

    Raises:
        UsageFailure: other classes than those of the source.
    """
    own = {normalize("NFC", name): label for label, name in enumerate(plan.classes)}
    asked = [normalize("NFC", name) for name in classes]
    if set(asked) == set(own):
        numbers = np.empty(len(asked), dtype=np.int64)
        numbers[[own[name] for name in asked]] = np.arange(len(asked))
        return replace(plan, labels=numbers[plan.labels], classes=tuple(plan.classes[own[n]] for n in asked))
    if len(asked) == len(own) and plan.classes == tuple(map(str, range(len(own)))):
        return replace(plan, classes=tuple(classes))
    unknown, lacking = sorted(set(asked) - set(own)), sorted(set(own) - set(asked))
    faults = {f"it has no {shown(unknown)}": unknown, f"{shown(lacking)} is not named": lacking}
    said = "; ".join(fault for fault, names in faults.items() if names)
    raise UsageFailure(
        f"--classes names {len(asked)} classes, {plan.name} has {len(own)}: {said}",
        f"its classes are {shown(plan.classes, 10)}",
    )


def check_part(source: str, classes: Sequence[str], labels: Indices, *, drawn: bool = False) -> None:
    """Refuse a class without pictures in the training part; `drawn` where chance took them for the test part.

    Raises:
        UsageFailure: naming such classes.
    """
    counts = np.bincount(labels, minlength=len(classes))
    lacking = [name for name, count in zip(classes, counts.tolist(), strict=True) if not count]
    if lacking:
        why = " (all that they have were drawn for the test part)" if drawn else ""
        raise UsageFailure(
            f"{source}: {len(lacking)} classes have no training pictures{why}: {shown(lacking)}",
            "add pictures, give the test part yourself, or leave these classes out",
        )


def untrained(dataset: Dataset, split: Split) -> list[str]:
    """Classes whose training pictures were all drawn for validation."""
    given = set(dataset.labels[: dataset.train_size].tolist())
    return [dataset.classes[label] for label in sorted(given - set(dataset.labels[split.train].tolist()))]


def _is_file(text: str) -> bool:
    """Whether a text names a file: a list of names may be too long for one."""
    try:
        return Path(text).expanduser().is_file()
    except (OSError, RuntimeError, ValueError):
        return False


def _of_file(file: Path) -> list[str]:
    text = file.read_text("utf-8-sig")
    if file.suffix.lower() != ".json":
        return [line.strip() for line in text.splitlines() if line.strip()]
    value: Any = load(text, dict[str, Any] | list[str])
    if isinstance(value, dict):
        value = _by_number(value)
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise ValueError("neither a list of names nor an object of names with their numbers")
    return value


def _by_number(numbers: dict[str, object]) -> list[str]:
    if sorted(map(str, numbers.values())) != sorted(map(str, range(len(numbers)))):
        raise ValueError("its numbers are not 0, 1, ... without gaps")
    return sorted(numbers, key=lambda name: int(str(numbers[name])))
