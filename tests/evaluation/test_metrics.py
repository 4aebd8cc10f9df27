from __future__ import annotations

import math

import numpy as np
import pytest

from deepunlearn_cli.evaluation import metrics


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


def test_what_is_at_chance():
    assert metrics.at_chance(0.1, 10)
    assert not metrics.at_chance(0.13, 10)
