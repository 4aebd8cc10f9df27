"""U-MIA: can the loss of a sample tell that it was forgotten, rather than never seen?

Deep Unlearn (arXiv 2410.01276), section 2; `cv=shuffle` is the released benchmark's way of splitting.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepunlearn_cli import metrics
from deepunlearn_cli.attacks._attack import Attack, Outputs
from deepunlearn_cli.errors import RunFailed, UsageFailure
from deepunlearn_cli.fields import choice, whole
from deepunlearn_cli.recipe import stream_seed

SHUFFLE_SPLITS, SHUFFLE_SEED, SHUFFLE_SHARE = 10, 123, 0.1  # the benchmark's StratifiedShuffleSplit

Losses = NDArray[np.float64]
Split = tuple[NDArray[np.intp], NDArray[np.intp]]  # indices to train on, indices to test on


@dataclass(frozen=True)
class UMIA(Attack):
    """Logistic regression on the loss: forget samples against as many samples never trained on.

    Members are the forget set, the others `against`. The larger side is cut to the size of the smaller by
    a seeded random draw.
    """

    title = "U-MIA"
    summary = "logistic regression on the loss, forget set against unseen samples, cross-validated"
    against: str = choice("test", ("test", "val"), help="where the unseen samples come from", search=False)
    cv: str = choice("kfold", ("kfold", "shuffle"), help="shuffle: the benchmark's ten splits", search=False)
    folds: int = whole(10, 2, 100, help="folds of cv=kfold", search=False)

    def run(self, outputs: Outputs, rng_seed: int) -> dict[str, Any]:
        """Scores of one model; `n` is the number of samples per side.

        `accuracy` is the mean over the splits and `accuracy_sd` their deviation. `accuracy_low` and
        `accuracy_high` are Wilson's interval with n = `accuracy_n`: for `kfold` all out-of-fold
        predictions, for `shuffle` the distinct samples that were tested (a sample tested twice counts once).
        `auc` ranks members by a lower loss, with Hanley and McNeil's interval.
        """
        rng = np.random.default_rng(stream_seed(rng_seed, "umia"))
        sides = [_losses(outputs, "forget"), _losses(outputs, self.against)]
        size = min(map(len, sides))
        self._check_size(size, min(zip(map(len, sides), ("forget", self.against), strict=True))[1])
        forget, other = (rng.permutation(side)[:size] for side in sides)
        return _cross_validated(forget, other, self._splits(size, rng)) | _area(forget, other) | {"n": size}

    def _check_size(self, size: int, split: str) -> None:
        needed = self.folds if self.cv == "kfold" else SHUFFLE_SPLITS
        if size < needed:
            hint = (
                f"-p folds={size}" if size > 1 and self.cv == "kfold" else "use a larger forget set or split"
            )
            raise UsageFailure(f"U-MIA needs {needed} samples per side; {split} has {size}", hint)

    def _splits(self, size: int, rng: np.random.Generator) -> Iterator[Split]:
        from sklearn.model_selection import StratifiedKFold, StratifiedShuffleSplit

        splitter: Any = (
            StratifiedKFold(self.folds, shuffle=True, random_state=int(rng.integers(2**32)))
            if self.cv == "kfold"
            else StratifiedShuffleSplit(SHUFFLE_SPLITS, random_state=SHUFFLE_SEED, test_size=SHUFFLE_SHARE)
        )
        splits: Iterator[Split] = splitter.split(np.zeros(2 * size), _sides(size))
        return splits


def _losses(outputs: Outputs, split: str) -> Losses:
    if split not in outputs:
        raise UsageFailure(f"the run has no outputs for the {split} split", f"it has: {', '.join(outputs)}")
    losses = metrics.cross_entropy(outputs[split]["logits"], outputs[split]["labels"])
    bad = int((~np.isfinite(losses)).sum())
    if bad:
        hint = "the model has diverged; try a smaller learning rate (-p lr=...)"
        raise RunFailed(f"U-MIA: {bad} of {len(losses)} losses on {split} are not finite", hint)
    return losses


def _sides(size: int) -> NDArray[np.int64]:
    """The attack's labels, 1 = member: `size` members, then as many others."""
    return np.repeat(np.array([1, 0]), size)


def _cross_validated(forget: Losses, other: Losses, splits: Iterator[Split]) -> dict[str, float]:
    samples, sides = np.concatenate([forget, other])[:, None], _sides(len(forget))
    accuracies, tested, hits = [], [], 0
    for train, test in splits:
        right = _predict(samples[train], sides[train], samples[test]) == sides[test]
        accuracies.append(right.mean())
        tested.append(test)
        hits += int(right.sum())
    drawn = np.concatenate(tested)
    return _scores(np.array(accuracies), hits / len(drawn), len(np.unique(drawn)))


def _scores(accuracies: Losses, pooled: float, n: int) -> dict[str, float]:
    mean = float(accuracies.mean())
    low, high = metrics.wilson(pooled * n, n)
    return {
        "accuracy": mean,
        "accuracy_sd": float(accuracies.std(ddof=1)),
        "accuracy_low": low,
        "accuracy_high": high,
        "accuracy_n": n,
        "indiscernibility": metrics.indiscernibility(mean),
    }


def _predict(train: Losses, sides: NDArray[np.int64], test: Losses) -> NDArray[np.int64]:
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        # raw losses may be badly scaled; defaults stay for parity with the paper, also when lbfgs stops early
        warnings.simplefilter("ignore")
        predicted: NDArray[np.int64] = LogisticRegression().fit(train, sides).predict(test)
    return predicted


def _area(forget: Losses, other: Losses) -> dict[str, float]:
    area = metrics.auc(-forget, -other)
    low, high = metrics.auc_interval(area, len(forget), len(other))
    return {"auc": area, "auc_low": low, "auc_high": high}
