from __future__ import annotations

import math

import numpy as np
import pytest

from deepunlearn_cli.evaluation.equivalence import LEAST, Gap, decide, equivalent, samples_needed
from deepunlearn_cli.evaluation.intervals import Estimate


def gap(value: float, error: float = 0.01, name: str = "auc") -> Gap:
    return Gap.of(name, Estimate(value, error))


@pytest.mark.parametrize(
    ("value", "error", "expected"),
    [
        (0.0, 0.01, "PASS"),
        (0.03, 0.01, "PASS"),
        (0.04, 0.01, "INCONCLUSIVE"),
        (0.0, 0.04, "INCONCLUSIVE"),
        (0.1, 0.01, "FAIL"),
        (-0.1, 0.01, "FAIL"),
        (-0.03, 0.01, "PASS"),
        (0.0, 0.0, "INCONCLUSIVE"),  # no spread at all is no certainty
        (0.4, 0.0, "INCONCLUSIVE"),
        (0.0, math.inf, "INCONCLUSIVE"),
        (math.nan, 0.01, "INCONCLUSIVE"),
        (0.0, math.nan, "INCONCLUSIVE"),
    ],
)
def test_two_one_sided_tests(value, error, expected):
    assert equivalent(Estimate(value, error), 0.05) == expected


def test_all_must_pass_and_one_may_fail():
    assert decide([gap(0), gap(0.03)], 0.05).verdict == "PASS"
    assert decide([gap(0), gap(0.04)], 0.05).verdict == "INCONCLUSIVE"
    found = decide([gap(0, name="one"), gap(0.1, name="two"), gap(0.04, name="three")], 0.05)
    assert (found.verdict, found.decided.metric) == ("FAIL", "two")
    assert [one.verdict for one in found.tested] == ["PASS", "FAIL", "INCONCLUSIVE"]


def test_the_figure_nearest_to_its_limit_decides():
    assert decide([gap(0.02, name="one"), gap(-0.03, name="two")], 0.05).decided.metric == "two"


def test_a_failure_pays_for_the_number_of_figures():
    near = gap(0.05 + 0.01 * 1.8)  # beyond at 5 %, not at a quarter of that
    assert decide([near], 0.05).verdict == "FAIL"
    assert decide([near, gap(0), gap(0), gap(0)], 0.05).verdict == "INCONCLUSIVE"


def test_every_threshold_must_pass_and_some_are_tested_for_failure():
    values, errors = np.zeros(20), np.full(20, 0.01)
    values[14] = 0.1
    assert decide([Gap("accuracy", values, errors)], 0.05).verdict == "FAIL"
    one_in_ten = Gap("accuracy", values, errors, stride=10)
    assert decide([one_in_ten], 0.05).verdict == "INCONCLUSIVE"
    assert decide([one_in_ten], 0.05).decided.gap.value == 0.1


def test_a_share_of_the_tolerance():
    values, errors = np.array([0.03]), np.array([0.005])
    assert decide([Gap("tail", values, errors)], 0.05).verdict == "PASS"
    tight = decide([Gap("tail", values, errors, share=0.5)], 0.05)
    assert (tight.verdict, tight.decided.limit) == ("INCONCLUSIVE", 0.025)


@pytest.mark.parametrize("samples", [0, 12, LEAST - 1, math.nan])
def test_few_samples_show_nothing(samples):
    for value in (0.0, 0.4):
        found = decide([gap(value)], 0.05, samples)
        assert (found.verdict, found.few) == ("INCONCLUSIVE", True)
    assert not decide([gap(0.0)], 0.05, LEAST).few


def test_equivalence_is_claimed_wrongly_at_most_as_often_as_it_says():
    rng, wrong = np.random.default_rng(0), 0
    for _ in range(2000):  # the truth lies on the limit
        wrong += equivalent(Estimate(rng.normal(0.05, 0.01), 0.01), 0.05) == "PASS"
    assert wrong / 2000 < 0.065


def test_the_samples_that_are_said_to_settle_it_do():
    spread, here = 0.6, 100  # deviation of a sample's difference; samples at hand
    needed = samples_needed(Estimate(0.0, spread / math.sqrt(here)), here, 0.05)
    rng, error = np.random.default_rng(1), spread / math.sqrt(needed)
    settled = sum(equivalent(Estimate(rng.normal(0, error), error), 0.05) == "PASS" for _ in range(2000))
    assert 0.77 < settled / 2000 < 0.83
    assert samples_needed(Estimate(0.0, math.inf), 100, 0.05) is None
