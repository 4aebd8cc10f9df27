from __future__ import annotations

import math

import numpy as np
import pytest

from deepunlearn_cli import metrics
from deepunlearn_cli.errors import UsageFailure


def test_accuracy_counts_correct_rows():
    logits = np.array([[2.0, 1.0], [0.0, 3.0], [5.0, 1.0]])
    assert metrics.accuracy(logits, np.array([0, 1, 1])) == pytest.approx(2 / 3)


def test_accuracy_of_nothing_is_unknown():
    assert math.isnan(metrics.accuracy(np.zeros((0, 3)), np.zeros(0, int)))


def test_a_nan_row_is_wrong_whatever_its_label():
    logits = np.array([[np.nan, 1.0], [1.0, np.nan]])
    assert metrics.accuracy(logits, np.array([0, 1])) == 0


def test_cross_entropy_equals_sklearn():
    from sklearn.metrics import log_loss

    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(50, 4)), rng.integers(0, 4, 50)
    softmax = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    losses = metrics.cross_entropy(logits, labels)
    assert losses.mean() == pytest.approx(log_loss(labels, softmax, labels=range(4)))


@pytest.mark.parametrize("size", [1e4, 1e30])
def test_cross_entropy_is_stable_for_huge_float32_logits(size):
    logits = np.array([[size, 0.0], [0.0, size]], np.float32)
    losses = metrics.cross_entropy(logits, np.array([0, 0]))
    assert losses.dtype == np.float64
    assert losses == pytest.approx([0, float(np.float32(size))])


def test_cross_entropy_of_broken_logits_is_not_finite_and_silent(recwarn):
    logits = np.array([[np.nan, 1.0], [np.inf, np.inf]])
    assert not np.isfinite(metrics.cross_entropy(logits, np.array([0, 1]))).any()
    assert metrics.cross_entropy(np.zeros((0, 3)), np.zeros(0, int)).shape == (0,)
    assert not recwarn.list


def test_retention_deviation_is_zero_for_the_reference_itself():
    row = {"RA": 0.9, "FA": 0.5, "TA": 0.7}
    assert metrics.retention_deviation(row, row) == 0
    assert metrics.retention_deviation({"RA": 0.45, "FA": 1.0, "TA": 0.7}, row) == pytest.approx(1.5)


@pytest.mark.parametrize("row", [{"RA": None, "FA": 0.5, "TA": 0.5}, {"RA": math.nan, "FA": 0.5, "TA": 0.5}])
def test_retention_deviation_of_unknown_is_unknown(row):
    assert math.isnan(metrics.retention_deviation(row, {"RA": 0.5, "FA": 0.5, "TA": 0.5}))
    assert math.isnan(metrics.retention(0.5, 0.0))


@pytest.mark.parametrize(("accuracy", "expected"), [(0.5, 1), (0.6, 0.8), (0.4, 0.8), (1, 0), (0, 0)])
def test_indiscernibility(accuracy, expected):
    assert metrics.indiscernibility(accuracy) == pytest.approx(expected)


def test_wilson_against_published_values():
    assert metrics.wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)  # Newcombe 1998, table I
    assert metrics.wilson(0, 20) == pytest.approx((0, 0.1611), abs=1e-4)
    assert metrics.wilson(0, 0) == (0, 1)


def test_auc_equals_sklearn_with_ties():
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(1)
    members, others = rng.integers(0, 6, 80) + 1.0, rng.integers(0, 6, 50) * 1.0
    truth = np.repeat([1, 0], [80, 50])
    assert metrics.auc(members, others) == pytest.approx(
        roc_auc_score(truth, np.concatenate([members, others]))
    )
    assert metrics.auc(members, others) == pytest.approx(1 - metrics.auc(others, members))
    assert math.isnan(metrics.auc(members, others[:0]))


def test_auc_interval_covers_as_often_as_it_says():
    rng = np.random.default_rng(2)
    truth = 0.7602  # P(N(1,1) > N(0,1)) = Phi(1/sqrt 2)
    hits = 0
    for _ in range(300):
        area = metrics.auc(rng.normal(1, 1, 60), rng.normal(0, 1, 60))
        low, high = metrics.auc_interval(area, 60, 60)
        hits += low <= truth <= high
    assert 0.90 < hits / 300 < 0.99


def test_auc_interval_of_perfect_separation_stays_inside():
    assert metrics.auc_interval(1.0, 10, 10) == (1.0, 1.0)


def test_distance():
    a = {"w": np.zeros((2, 2), np.float32), "b": np.zeros(1)}
    b = {"w": np.full((2, 2), 2.0, np.float32), "b": np.full(1, 3.0)}
    assert metrics.distance(a, b) == metrics.distance(b, a) == 5
    assert metrics.distance(a, a) == 0


@pytest.mark.parametrize("other", [{"w": np.zeros(3)}, {"v": np.zeros(2)}, {}])
def test_distance_of_two_architectures_is_refused(other):
    with pytest.raises(UsageFailure, match="differ in"):
        metrics.distance({"w": np.zeros(2)}, other)
