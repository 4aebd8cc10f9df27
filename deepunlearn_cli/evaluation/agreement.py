"""How far two answers to one question lie apart: bits first, then the largest difference."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Arrays = Mapping[str, NDArray[Any]]

DECISIONS = "guess"  # arrays of yes and no: one that tips over counts as one of n, not as a difference of 1


@dataclass(frozen=True)
class Apart:
    """How far things of the same names lie apart.

    Attributes:
        equal: every bit is the same.
        largest: largest absolute difference; infinite where names, shapes or types differ.
        where: the name that it is at.
    """

    equal: bool = True
    largest: float = 0.0
    where: str = ""


def of_arrays(ours: Arrays, theirs: Arrays) -> Apart:
    """Arrays of any shape by name; of those named `guess` the mean difference stands for the largest."""
    return _worst({name: _array(name, ours.get(name), theirs.get(name)) for name in {**ours, **theirs}})


def of_figures(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Apart:
    """Plain figures by name, those in lists and mappings too; None is what could not be measured."""
    left, right = flat(ours), flat(theirs)
    return _worst({name: _figure(left, right, name) for name in {**left, **right}})


def distances(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, float]:
    """By name, how far apart each of two sets of figures is."""
    left, right = flat(ours), flat(theirs)
    return {name: _figure(left, right, name).largest for name in {**left, **right}}


def flat(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Figures by name, those in lists and mappings as `list[0]` and `mapping.name`."""
    return dict(_flat("", figures))


def _worst(found: Mapping[str, Apart]) -> Apart:
    if not found:
        return Apart()
    name, one = max(found.items(), key=lambda item: (item[1].largest, not item[1].equal))
    equal = all(apart.equal for apart in found.values())
    return Apart(equal, one.largest, "" if equal else name)


def _array(name: str, ours: NDArray[Any] | None, theirs: NDArray[Any] | None) -> Apart:
    import numpy as np

    if ours is None or theirs is None or (ours.shape, ours.dtype) != (theirs.shape, theirs.dtype):
        return Apart(False, math.inf)
    if ours.tobytes() == theirs.tobytes():
        return Apart()
    left, right = ours.astype(np.float64), theirs.astype(np.float64)
    with np.errstate(invalid="ignore"):
        distance = np.where((left == right) | (np.isnan(left) & np.isnan(right)), 0.0, np.abs(left - right))
    reduced = np.mean if name.rpartition(".")[2] == DECISIONS else np.max
    return Apart(False, float(np.nan_to_num(reduced(distance), nan=math.inf)))


def _figure(ours: Mapping[str, Any], theirs: Mapping[str, Any], name: str) -> Apart:
    missing = object()
    left, right = ours.get(name, missing), theirs.get(name, missing)
    if left == right and type(left) is type(right):
        return Apart()
    if not (isinstance(left, Real) and isinstance(right, Real)):
        return Apart(False, math.inf)
    return Apart(False, abs(float(left) - float(right)))


def _flat(prefix: str, value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, Mapping):
        return [item for name, one in value.items() for item in _flat(f"{prefix}.{name}".lstrip("."), one)]
    if isinstance(value, list | tuple):
        return [item for place, one in enumerate(value) for item in _flat(f"{prefix}[{place}]", one)]
    return [(prefix, value)]
