"""What U-MIA computes: draws of samples, cross-validated regression, and differences of two attacks."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from deepunlearn_cli.attacks._attack import CLASS, Findings
from deepunlearn_cli.attacks._features import FPRS, Floats, feature_of
from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.core.recipe import stream_seed
from deepunlearn_cli.core.shared import Outputs
from deepunlearn_cli.evaluation import intervals, metrics

SHUFFLE_SPLITS, SHUFFLE_SEED, SHUFFLE_SHARE = 10, 123, 0.1  # the benchmark's StratifiedShuffleSplit
# Held-out predictions share their classifiers: where there is little to see, the accuracy of identical sides
# varies up to 1.34 times (differences of two models up to 1.44 times) as much as independent samples would,
# measured for 50 to 1,000 a side. So a pair of samples counts as one.
PAIRED = 2

Split = tuple[NDArray[np.intp], NDArray[np.intp]]  # indices to train on, indices to test on
Part = dict[str, NDArray[Any]]


class Settings(Protocol):
    """The declared fields of the attack."""

    @property
    def against(self) -> str:
        """Where the unseen samples come from."""

    @property
    def feature(self) -> str:
        """What the attack looks at."""

    @property
    def cv(self) -> str:
        """`kfold` or `shuffle`."""

    @property
    def folds(self) -> int:
        """Of `kfold`."""


def attacked(attack: Settings, outputs: Outputs, seed: int) -> Findings:
    """Figures of a model from what it said, and what the attack made of each sample."""
    rng = np.random.default_rng(stream_seed(seed, "umia"))
    parts = {"forget": _scored(outputs, "forget", attack.feature), attack.against: _unseen(attack, outputs)}
    size, smaller = min((len(part["score"]), name) for name, part in parts.items())
    _check_size(attack, size, smaller)
    forget, other = (_drawn(part, rng.permutation(len(part["score"]))[:size]) for part in parts.values())
    scores = _cross_validated(forget, other, _splits(attack, size, rng)) | _ranked(forget, other)
    return Findings(scores | {"n": size}, {"forget": forget, "against": other}, _doubts(attack, outputs))


def _unseen(attack: Settings, outputs: Outputs) -> Part:
    """The samples of the other side: of `test` for `class`, and then of the forgotten classes only."""
    if attack.against != CLASS:
        return _scored(outputs, attack.against, attack.feature)
    part = _scored(outputs, "test", attack.feature)
    return _drawn(part, np.flatnonzero(np.isin(part["label"], outputs["forget"]["labels"])))


def _doubts(attack: Settings, outputs: Outputs) -> list[str]:
    """What is wrong with the question: a removed class is not told from classes, but from its own."""
    forget, retain = (outputs.get(name, {}).get("labels") for name in ("forget", "retain"))
    if attack.against == CLASS or forget is None or retain is None or np.isin(forget, retain).any():
        return []
    return [
        "whole classes are forgotten: against pictures of all classes U-MIA tells classes apart, not "
        "members; --against class compares with unseen pictures of the same classes"
    ]


def _check_size(attack: Settings, size: int, split: str) -> None:
    needed = attack.folds if attack.cv == "kfold" else SHUFFLE_SPLITS
    if size < needed:
        hint = f"-p folds={size}" if size > 1 and attack.cv == "kfold" else "use a larger forget set or split"
        raise UsageFailure(f"U-MIA needs {needed} samples per side; {split} has {size}", hint)


def _splits(attack: Settings, size: int, rng: np.random.Generator) -> Iterator[Split]:
    from sklearn.model_selection import StratifiedKFold, StratifiedShuffleSplit

    splitter: Any = (
        StratifiedKFold(attack.folds, shuffle=True, random_state=int(rng.integers(2**32)))
        if attack.cv == "kfold"
        else StratifiedShuffleSplit(SHUFFLE_SPLITS, random_state=SHUFFLE_SEED, test_size=SHUFFLE_SHARE)
    )
    splits: Iterator[Split] = splitter.split(np.zeros(2 * size), _sides(size))
    return splits


def _scored(outputs: Outputs, split: str, feature: str) -> Part:
    if split not in outputs:
        raise UsageFailure(f"the run has no outputs for the {split} split", f"it has: {', '.join(outputs)}")
    part = outputs[split]
    score = feature_of(feature, part, split)
    rows = np.arange(len(score))
    unknown = np.full(len(score), -1)
    return {"index": part.get("index", rows), "label": part.get("labels", unknown), "score": score}


def _drawn(part: Part, rows: NDArray[np.intp]) -> Part:
    return {name: array[rows] for name, array in part.items()}


def _sides(size: int) -> NDArray[np.int64]:
    """The attack's labels, 1 = member: `size` members, then as many others."""
    return np.repeat(np.array([1, 0]), size)


def _cross_validated(forget: Part, other: Part, splits: Iterator[Split]) -> dict[str, float]:
    """Accuracy over the splits; writes each sample's `guess` into its part."""
    size = len(forget["score"])
    samples, sides = np.concatenate([forget["score"], other["score"]])[:, None], _sides(size)
    accuracies, said, held = [], np.zeros(2 * size), np.zeros(2 * size)
    for train, test in splits:
        predicted = _predict(samples[train], sides[train], samples[test])
        accuracies.append((predicted == sides[test]).mean())
        said[test] += predicted
        held[test] += 1
    with np.errstate(invalid="ignore"):
        guesses = said / held
    forget["guess"], other["guess"] = guesses[:size], guesses[size:]
    right = np.where(sides == 1, said, held - said).sum()
    return _accuracy(np.array(accuracies), float(right / held.sum()), int((held > 0).sum()) // PAIRED)


def _accuracy(accuracies: Floats, pooled: float, n: int) -> dict[str, float]:
    mean = float(accuracies.mean())
    low, high = intervals.wilson(pooled * n, n)
    return {
        "accuracy": mean,
        "accuracy_sd": float(accuracies.std(ddof=1)),
        "accuracy_low": low,
        "accuracy_high": high,
        "accuracy_n": n,
        "indiscernibility": metrics.indiscernibility(mean),
    }


def _predict(train: Floats, sides: NDArray[np.int64], test: Floats) -> NDArray[np.int64]:
    from sklearn import config_context
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings(), config_context(skip_parameter_validation=True):  # of its own defaults
        # raw losses may be badly scaled; defaults stay for parity with the paper, also when lbfgs stops early
        warnings.simplefilter("ignore")
        predicted: NDArray[np.int64] = LogisticRegression().fit(train, sides).predict(test)
    return predicted


def _ranked(forget: Part, other: Part) -> dict[str, float | None]:
    members, others = forget["score"], other["score"]
    area = intervals.auc(members, others)
    low, high = intervals.auc_interval(area, len(members), len(others))
    found: dict[str, float | None] = {"auc": area, "auc_low": low, "auc_high": high}
    for name, rate in FPRS.items():
        ends = intervals.tpr_interval(members, others, rate) or (None, None)
        found |= {name: intervals.tpr_at(members, others, rate)}
        found |= {f"{name}_low": ends[0], f"{name}_high": ends[1]}
    return found


def difference(metric: str, ours: Outputs, theirs: Outputs) -> intervals.Estimate:
    """Accuracy or AUC of one attack less that of another on the same samples, with its standard error.

    The samples of both are paired, so that what is hard about a sample itself cancels. `theirs` must hold
    the samples of `ours`, which equal seeds, forget sets and datasets give.

    Raises:
        UsageFailure: they are not of the same samples.
    """
    for part in ("forget", "against"):
        if not np.array_equal(ours[part]["index"], theirs[part]["index"]):
            raise UsageFailure("the attack and its control saw other samples", "attack both with one --seed")
    if metric == "auc":
        areas = [(attack["forget"]["score"], attack["against"]["score"]) for attack in (ours, theirs)]
        return intervals.auc_difference(areas[0], areas[1])
    return _shared(intervals.mean(_right(ours) - _right(theirs)))


def advantage(metric: str, ours: Outputs) -> intervals.Estimate:
    """Accuracy or AUC less 0.5, with its standard error: for want of a control."""
    if metric == "accuracy":
        own = _shared(intervals.mean(_right(ours)))
    else:
        sides = ours["forget"]["score"], ours["against"]["score"]
        constant = tuple(np.zeros(len(side)) for side in sides)
        return intervals.auc_difference(sides, (constant[0], constant[1]))
    return intervals.Estimate(own.value - 0.5, own.error, own.df)


def _shared(independent: intervals.Estimate) -> intervals.Estimate:
    """The estimate with the error of predictions that share their classifiers."""
    return replace(independent, error=math.sqrt(PAIRED) * independent.error)


def _right(attack: Outputs) -> Floats:
    """Share of held-out predictions that were right, of every sample that was held out."""
    both = np.concatenate([attack["forget"]["guess"], 1 - attack["against"]["guess"]])
    held: Floats = both[np.isfinite(both)]
    return held
