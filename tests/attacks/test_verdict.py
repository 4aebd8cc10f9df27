from __future__ import annotations

import math

import pytest

from deepunlearn_cli.attacks import TOLERANCE, equivalent, samples_needed, within
from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.evaluation.intervals import Estimate


@pytest.mark.parametrize(
    ("gap", "error", "expected"),
    [
        (0.0, 0.01, "PASS"),
        (0.03, 0.01, "PASS"),
        (0.04, 0.01, "INCONCLUSIVE"),
        (0.0, 0.04, "INCONCLUSIVE"),
        (0.1, 0.01, "FAIL"),
        (-0.1, 0.01, "FAIL"),
        (-0.03, 0.01, "PASS"),
        (0.0, 0.0, "PASS"),
    ],
)
def test_two_one_sided_tests(gap, error, expected):
    assert equivalent(Estimate(gap, error), 0.05) == expected


def test_an_unknown_error_is_inconclusive():
    assert equivalent(Estimate(0.0, math.inf), 0.05) == "INCONCLUSIVE"
    assert samples_needed(Estimate(0.0, math.inf), 100, 0.05) is None


def test_equivalence_is_claimed_wrongly_at_most_as_often_as_it_says():
    import numpy as np

    rng, wrong = np.random.default_rng(0), 0
    for _ in range(2000):  # the truth lies on the limit
        wrong += equivalent(Estimate(rng.normal(0.05, 0.01), 0.01), 0.05) == "PASS"
    assert wrong / 2000 < 0.065


def test_the_samples_that_are_said_to_settle_it_do():
    import numpy as np

    spread, here = 0.6, 100  # deviation of a sample's difference; samples at hand
    needed = samples_needed(Estimate(0.0, spread / math.sqrt(here)), here, 0.05)
    rng, error = np.random.default_rng(1), spread / math.sqrt(needed)
    settled = sum(equivalent(Estimate(rng.normal(0, error), error), 0.05) == "PASS" for _ in range(2000))
    assert 0.77 < settled / 2000 < 0.83


@pytest.mark.parametrize(
    ("interval", "limit", "expected"),
    [
        ((0.51, 0.56), 0.6, "PASS"),
        ((0.62, 0.7), 0.6, "FAIL"),
        ((0.5, 0.7), 0.6, "INCONCLUSIVE"),
        ((0.3, 0.35), 0.6, "FAIL"),  # far below guessing leaks too
        ((0.41, 0.5), 0.6, "PASS"),
        ((0.3, 0.7), 0.55, "INCONCLUSIVE"),
        ((0.2, 0.9), 1.0, "PASS"),
    ],
)
def test_limits_are_two_sided(interval, limit, expected):
    assert within(interval, limit) == expected


@pytest.mark.parametrize("limit", [0.4, 1.1, math.nan])
def test_senseless_limits(limit):
    with pytest.raises(UsageFailure, match="--fail-above"):
        within((0.5, 0.6), limit)


@pytest.mark.parametrize("tolerance", [0.0, 0.5, -0.1, math.nan])
def test_senseless_tolerances(tolerance):
    with pytest.raises(UsageFailure, match="--tolerance"):
        equivalent(Estimate(0, 0.1), tolerance)


def test_the_default_tolerance_is_five_points():
    assert TOLERANCE == 0.05
