"""Every interval covers as often as it says, and agrees with published values."""

from __future__ import annotations

import math

import numpy as np
import pytest

from deepunlearn_cli.evaluation import intervals


def test_wilson_against_published_values():
    assert intervals.wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)  # Newcombe 1998, table I
    assert intervals.wilson(0, 20) == pytest.approx((0, 0.1611), abs=1e-4)
    assert intervals.wilson(0, 0) == (0, 1)


def test_auc_equals_sklearn_with_ties():
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(1)
    members, others = rng.integers(0, 6, 80) + 1.0, rng.integers(0, 6, 50) * 1.0
    truth = np.repeat([1, 0], [80, 50])
    assert intervals.auc(members, others) == pytest.approx(
        roc_auc_score(truth, np.concatenate([members, others]))
    )
    assert intervals.auc(members, others) == pytest.approx(1 - intervals.auc(others, members))
    assert math.isnan(intervals.auc(members, others[:0]))


def test_auc_interval_covers_as_often_as_it_says():
    rng = np.random.default_rng(2)
    truth = 0.7602  # P(N(1,1) > N(0,1)) = Phi(1/sqrt 2)
    hits = 0
    for _ in range(300):
        area = intervals.auc(rng.normal(1, 1, 60), rng.normal(0, 1, 60))
        low, high = intervals.auc_interval(area, 60, 60)
        hits += low <= truth <= high
    assert 0.92 < hits / 300 < 0.99


@pytest.mark.parametrize("size", [3, 30, 2000])
def test_auc_interval_of_perfect_separation_has_a_width(size):
    low, high = intervals.auc_interval(1.0, size, size)
    assert (0 < low < 1, high) == (True, pytest.approx(1.0))
    assert intervals.auc_interval(0.0, size, size) == pytest.approx((0.0, 1 - low))


def test_auc_interval_of_newcombes_own_kind():
    """The ends are areas whose normal interval just reaches what was seen."""
    low, high = intervals.auc_interval(0.8, 40, 60)
    for end in (low, high):
        error = math.sqrt(end * (1 - end) * (1 + 49 * (1 - end) / (2 - end) + 49 * end / (1 + end)) / 2400)
        assert abs(0.8 - end) == pytest.approx(intervals.quantile(0.975) * error)
    assert intervals.auc_interval(math.nan, 0, 5) == (0, 1)


def test_clopper_pearson_against_scipy_and_at_the_ends():
    from scipy.stats import binomtest

    expected = binomtest(7, 30).proportion_ci(0.95, "exact")
    assert intervals.clopper_pearson(7, 30) == pytest.approx((expected.low, expected.high))
    assert intervals.clopper_pearson(0, 10)[0] == 0
    assert intervals.clopper_pearson(10, 10)[1] == 1


def test_the_mean_of_few_values_has_students_interval():
    from scipy.stats import t

    values = np.random.default_rng(0).normal(3, 2, 7)
    expected = t.interval(0.95, 6, loc=values.mean(), scale=values.std(ddof=1) / math.sqrt(7))
    assert intervals.mean(values).interval() == pytest.approx(expected)
    assert math.isinf(intervals.mean(values[:1]).error)


def test_tpr_at_a_false_positive_rate_by_hand():
    others = np.arange(100.0)  # one may be exceeded at 1 %: the threshold is 98
    members = np.array([97.0, 98.0, 98.5, 200.0])
    assert intervals.tpr_at(members, others, 0.01) == 0.5
    assert intervals.tpr_at(members, others[:99], 0.01) is None
    assert intervals.tpr_interval(members, others[:99], 0.01) is None
    assert intervals.tpr_at(members, np.zeros(100), 0.01) == 1.0


@pytest.mark.parametrize(("shift", "rate"), [(0.0, 0.01), (1.0, 0.01), (2.0, 0.05)])
def test_tpr_interval_covers_at_least_as_often_as_it_says(shift, rate):
    from statistics import NormalDist

    truth = 1 - NormalDist(shift).cdf(NormalDist().inv_cdf(1 - rate))
    rng, hits = np.random.default_rng(5), 0
    for _ in range(200):
        low, high = intervals.tpr_interval(rng.normal(shift, 1, 300), rng.normal(0, 1, 300), rate)
        hits += low <= truth <= high
    assert hits / 200 >= 0.95
