"""The samples that an attack on one model sees: both sides, drawn to the same size, and doubts about them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from deepunlearn_cli.attacks._attack import CLASS
from deepunlearn_cli.attacks._features import FPRS, feature_of
from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.core.shared import Outputs, Part
from deepunlearn_cli.evaluation import intervals
from deepunlearn_cli.evaluation.features import Floats


def sides(outputs: Outputs, against: str, feature: str) -> dict[str, Part]:
    """The forget set and the unseen samples, by the names of their splits: `index`, `label` and `score`.

    Raises:
        UsageFailure: the outputs have no such split.
        RunFailed: scores are not finite.
    """
    forget = _scored(outputs, "forget", feature)
    if against != CLASS:
        return {"forget": forget, against: _scored(outputs, against, feature)}
    test = _scored(outputs, "test", feature)
    return {"forget": forget, CLASS: _rows(test, np.flatnonzero(np.isin(test["label"], forget["label"])))}


def smaller(parts: Mapping[str, Part]) -> tuple[int, str]:
    """The size of the smaller side, and its name."""
    return min((len(part["score"]), name) for name, part in parts.items())


def check_size(title: str, size: int, split: str, least: int, cure: str) -> None:
    """Refuse fewer samples than an attack needs.

    Raises:
        UsageFailure: naming the split, with what would help.
    """
    if size < least:
        raise UsageFailure(f"{title} needs {least} samples per side; {split} has {size}", cure)


def cut(parts: Mapping[str, Part], size: int, rng: np.random.Generator) -> tuple[Part, Part]:
    """So many samples of either side, in the order that they were drawn in."""
    forget, other = (_rows(part, rng.permutation(len(part["score"]))[:size]) for part in parts.values())
    return forget, other


def doubts(title: str, outputs: Outputs) -> list[str]:
    """What is wrong with the question: a removed class is not told from classes, but from its own."""
    forget, retain = (outputs.get(name, {}).get("labels") for name in ("forget", "retain"))
    if forget is None or retain is None or np.isin(forget, retain).any():
        return []
    return [
        f"whole classes are forgotten: against pictures of all classes {title} tells classes apart, not "
        "members; --against class compares with unseen pictures of the same classes"
    ]


def ranked(forget: Floats, unseen: Floats) -> dict[str, float | None]:
    """`auc` with Hanley and McNeil's interval, `tpr_1` and `tpr_01` with distribution-free ones.

    The true positive rates at 1 % and 0.1 % false positives are None where there are too few samples.
    """
    area = intervals.auc(forget, unseen)
    low, high = intervals.auc_interval(area, len(forget), len(unseen))
    scores: dict[str, float | None] = {"auc": area, "auc_low": low, "auc_high": high}
    for name, rate in FPRS.items():
        ends = intervals.tpr_interval(forget, unseen, rate) or (None, None)
        scores |= {name: intervals.tpr_at(forget, unseen, rate)}
        scores |= {f"{name}_low": ends[0], f"{name}_high": ends[1]}
    return scores


def _scored(outputs: Outputs, split: str, feature: str) -> Part:
    if split not in outputs:
        raise UsageFailure(
            f"the run has no outputs for the {split} split",
            f"it has: {', '.join(outputs)} (`purge --models` takes what was said of purged pictures)",
        )
    part = outputs[split]
    score = feature_of(feature, part, split)
    unknown = np.full(len(score), -1)
    return {
        "index": part.get("index", np.arange(len(score))),
        "label": part.get("labels", unknown),
        "score": score,
    }


def _rows(part: Part, rows: NDArray[np.intp]) -> Part:
    return {name: array[rows] for name, array in part.items()}
