"""Per sample and per class: what an attack's arrays say of each picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepunlearn_cli.core.shared import Outputs, Part
from deepunlearn_cli.evaluation import intervals

Row = dict[str, Any]


def sample_rows(parts: Outputs, control: Outputs | None, classes: Sequence[str]) -> Iterator[Row]:
    """One row per sample of both sides.

    `percentile` is the share of samples never seen whose score lies below (ties half): 0.99 stands out more
    than 99 of 100 of them. `control_percentile` is the same in the retrained model's attack.
    """
    seen = np.sort(parts["against"]["score"])
    for side in ("forget", "against"):
        shares = _below(seen, parts[side]["score"])
        held = _below(np.sort(control["against"]["score"]), control[side]["score"]) if control else None
        for row in range(len(shares)):
            label, guess = int(parts[side]["label"][row]), float(parts[side]["guess"][row])
            yield {
                "side": side,
                "index": int(parts[side]["index"][row]),
                "class": _named(label, classes),
                "score": float(parts[side]["score"][row]),
                "percentile": float(shares[row]),
                "control_percentile": None if held is None else float(held[row]),
                "guess": None if np.isnan(guess) else guess,
            }


def most_exposed(rows: Sequence[Row], count: int) -> list[Row]:
    """The forget samples that stand out most: by score, or by how much more than on the control."""
    forget = [row for row in rows if row["side"] == "forget"]
    return sorted(forget, key=lambda row: (-_excess(row), row["index"]))[:count]


def class_rows(parts: Outputs, classes: Sequence[str]) -> Iterator[Row]:
    """The attack's accuracy (Wilson) and AUC (Hanley and McNeil) within each class that has both sides."""
    for label in np.unique(parts["forget"]["label"]).tolist():
        ours, theirs = (_of_class(parts[side], label) for side in ("forget", "against"))
        sizes = {"forget": len(ours["score"]), "against": len(theirs["score"])}
        yield {"class": _named(label, classes), **sizes, **_accuracy(ours, theirs), **_area(ours, theirs)}


def _of_class(part: Part, label: int) -> dict[str, NDArray[Any]]:
    chosen = part["label"] == label
    return {name: array[chosen] for name, array in part.items()}


def _accuracy(ours: Part, theirs: Part) -> Row:
    right = np.concatenate([ours["guess"], 1 - theirs["guess"]])
    right = right[np.isfinite(right)]
    if not len(right):
        return {"accuracy": None, "accuracy_low": None, "accuracy_high": None}
    low, high = intervals.wilson(float(right.sum()), len(right))
    return {"accuracy": float(right.mean()), "accuracy_low": low, "accuracy_high": high}


def _area(ours: Part, theirs: Part) -> Row:
    if not len(ours["score"]) or not len(theirs["score"]):
        return {"auc": None, "auc_low": None, "auc_high": None}
    area = intervals.auc(ours["score"], theirs["score"])
    low, high = intervals.auc_interval(area, len(ours["score"]), len(theirs["score"]))
    return {"auc": area, "auc_low": low, "auc_high": high}


def _below(ordered: NDArray[Any], scores: NDArray[Any]) -> NDArray[np.float64]:
    left, right = np.searchsorted(ordered, scores, "left"), np.searchsorted(ordered, scores, "right")
    shares: NDArray[np.float64] = (left + right) / (2 * len(ordered))
    return shares


def _excess(row: Row) -> float:
    held = row["control_percentile"]
    return float(row["percentile"] - held if held is not None else row["percentile"])


def _named(label: int, classes: Sequence[str]) -> str:
    return classes[label] if 0 <= label < len(classes) else str(label) if label >= 0 else ""
