"""What U-MIA computes: a logistic regression on one feature, cross-validated."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from deepunlearn_cli.evaluation import intervals, metrics
from deepunlearn_cli.evaluation.features import Floats

# Held-out predictions share their classifiers: where there is little to see, the accuracy of identical sides
# varies up to 1.34 times as much as independent samples would, measured for 50 to 1,000 a side. So a pair of
# samples counts as one.
PAIRED = 2
SHUFFLE_SEED, SHUFFLE_SHARE = 123, 0.1  # the benchmark's StratifiedShuffleSplit

Split = tuple[NDArray[np.intp], NDArray[np.intp]]  # indices to train on, indices to test on


def folds(size: int, count: int, rng: np.random.Generator) -> Iterator[Split]:
    """Stratified folds of `size` members and as many others, drawn from `rng`."""
    from sklearn.model_selection import StratifiedKFold

    splitter = StratifiedKFold(count, shuffle=True, random_state=int(rng.integers(2**32)))
    splits: Iterator[Split] = splitter.split(np.zeros(2 * size), _sides(size))
    return splits


def shuffles(size: int, count: int) -> Iterator[Split]:
    """The benchmark's random splits of `size` members and as many others, always the same."""
    from sklearn.model_selection import StratifiedShuffleSplit

    splitter = StratifiedShuffleSplit(count, random_state=SHUFFLE_SEED, test_size=SHUFFLE_SHARE)
    splits: Iterator[Split] = splitter.split(np.zeros(2 * size), _sides(size))
    return splits


def cross_validated(
    forget: Floats, unseen: Floats, splits: Iterator[Split]
) -> tuple[dict[str, float], Floats]:
    """Accuracy over the splits, and the share of held-out predictions (2n,) that said "member"."""
    size = len(forget)
    samples, sides = np.concatenate([forget, unseen])[:, None], _sides(size)
    accuracies, member, times = [], np.zeros(2 * size), np.zeros(2 * size)
    for train, test in splits:
        predicted = _predict(samples[train], sides[train], samples[test])
        accuracies.append((predicted == sides[test]).mean())
        member[test] += predicted
        times[test] += 1
    with np.errstate(invalid="ignore"):
        guesses = member / times
    right = float(np.where(sides == 1, member, times - member).sum() / times.sum())
    return _accuracy(np.array(accuracies), right, int((times > 0).sum()) // PAIRED), guesses


def _sides(size: int) -> NDArray[np.int64]:
    """The attack's labels, 1 = member: `size` members, then as many others."""
    return np.repeat(np.array([1, 0]), size)


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
