"""Per sample and per class: what an attack's arrays say of each picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from deepunlearn_cli.core.shared import Outputs, Part
from deepunlearn_cli.evaluation import intervals

SampleRow = TypedDict(  # in this form because `class` is a word of the language
    "SampleRow",
    {
        "side": str,
        "index": int,
        "class": str,
        "score": float,
        "percentile": float,
        "control_percentile": float | None,
        "guess": float | None,
    },
)
Figures = dict[str, float | None]  # with the ends of their intervals


def sample_rows(parts: Outputs, control: Outputs | None, classes: Sequence[str]) -> Iterator[SampleRow]:
    """One row per sample of both sides.

    `percentile` is the share of samples never seen whose score lies below (ties half): 0.99 stands out more
    than 99 of 100 of them. `control_percentile` is the same in the retrained model's attack.
    """
    seen = np.sort(parts["against"]["score"])
    for side in ("forget", "against"):
        shares = _below(seen, parts[side]["score"])
        control_shares = (
            _below(np.sort(control["against"]["score"]), control[side]["score"]) if control else None
        )
        for row in range(len(shares)):
            label, guess = int(parts[side]["label"][row]), float(parts[side]["guess"][row])
            yield {
                "side": side,
                "index": int(parts[side]["index"][row]),
                "class": _named(label, classes),
                "score": float(parts[side]["score"][row]),
                "percentile": float(shares[row]),
                "control_percentile": None if control_shares is None else float(control_shares[row]),
                "guess": None if np.isnan(guess) else guess,
            }


def most_exposed(rows: Sequence[SampleRow], count: int) -> list[SampleRow]:
    """The forget samples that stand out most: by score, or by how much more than on the control."""
    forget = [row for row in rows if row["side"] == "forget"]
    return sorted(forget, key=lambda row: (-_excess(row), row["index"]))[:count]


def class_rows(parts: Outputs, classes: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The attack's accuracy (Wilson) and AUC (Hanley and McNeil) within each class that has both sides."""
    for label in np.unique(parts["forget"]["label"]).tolist():
        ours, theirs = (_of_class(parts[side], label) for side in ("forget", "against"))
        sizes = {"forget": len(ours["score"]), "against": len(theirs["score"])}
        yield {"class": _named(label, classes), **sizes, **_accuracy(ours, theirs), **_area(ours, theirs)}


def _of_class(part: Part, label: int) -> dict[str, NDArray[Any]]:
    chosen = part["label"] == label
    return {name: array[chosen] for name, array in part.items()}


def _accuracy(ours: Part, theirs: Part) -> Figures:
    right = np.concatenate([ours["guess"], 1 - theirs["guess"]])
    right = right[np.isfinite(right)]
    if not len(right):
        return {"accuracy": None, "accuracy_low": None, "accuracy_high": None}
    low, high = intervals.wilson(float(right.sum()), len(right))
    return {"accuracy": float(right.mean()), "accuracy_low": low, "accuracy_high": high}


def _area(ours: Part, theirs: Part) -> Figures:
    if not len(ours["score"]) or not len(theirs["score"]):
        return {"auc": None, "auc_low": None, "auc_high": None}
    area = intervals.auc(ours["score"], theirs["score"])
    low, high = intervals.auc_interval(area, len(ours["score"]), len(theirs["score"]))
    return {"auc": area, "auc_low": low, "auc_high": high}


def _below(ordered: NDArray[Any], scores: NDArray[Any]) -> NDArray[np.float64]:
    left, right = np.searchsorted(ordered, scores, "left"), np.searchsorted(ordered, scores, "right")
    shares: NDArray[np.float64] = (left + right) / (2 * len(ordered))
    return shares


def _excess(row: SampleRow) -> float:
    control = row["control_percentile"]
    return row["percentile"] - control if control is not None else row["percentile"]


def _named(label: int, classes: Sequence[str]) -> str:
    return classes[label] if 0 <= label < len(classes) else str(label) if label >= 0 else ""
