"""The Kolmogorov-Smirnov attack: the figures of the test, an interval that holds, differences that cover."""

from __future__ import annotations

import math

import numpy as np
import pytest
from outputs_kit import outputs, split

from deepunlearn_cli.attacks.ks import KS
from deepunlearn_cli.core.errors import UsageFailure


def findings(data, seed: int = 0):
    return KS().run({"target": lambda: data}, seed)


def test_agrees_with_scipy_and_with_its_own_guesses():
    from scipy.stats import ks_2samp

    found = findings(outputs(lead=1))
    forget, against = (found.parts[side] for side in ("forget", "against"))
    test = ks_2samp(forget["score"], against["score"])
    assert (found.scores["statistic"], found.scores["p_value"]) == (test.statistic, test.pvalue)
    right = np.concatenate([forget["guess"], 1 - against["guess"]])
    assert right.mean() == pytest.approx((1 + test.statistic) / 2) == pytest.approx(found.scores["accuracy"])


def test_by_hand():
    data = {"forget": split(np.array([1.0, 2, 3, 6])), "test": split(np.array([0.0, 4, 5, 7]))}
    scores = findings(data).scores  # three of four members, and one of four others, lie at or below 3
    assert (scores["statistic"], scores["accuracy"], scores["n"]) == (0.5, 0.75, 4)


def test_members_may_be_on_either_side_of_the_threshold():
    rng = np.random.default_rng(0)
    wide, narrow = split(rng.normal(2, 3, 300)), split(rng.normal(2, 0.3, 300))
    above = findings({"forget": split(rng.normal(5, 1, 300)), "test": narrow}).scores
    below = findings({"forget": narrow, "test": split(rng.normal(5, 1, 300))}).scores
    assert min(above["accuracy"], below["accuracy"]) > 0.9
    assert findings({"forget": narrow, "test": wide}).scores["p_value"] < 1e-6  # equal means, unlike shapes


@pytest.mark.parametrize("shift", [0.0, 0.5, 2.0])
def test_the_interval_holds_what_it_should(shift):
    """Of normal scores a distance `shift` apart, D is 2 Phi(shift / 2) - 1."""
    truth = (1 + math.erf(shift / 2 / math.sqrt(2))) / 2
    for size in (10, 100):
        hits = 0
        for repetition in range(200):
            rng = np.random.default_rng(repetition)
            scores, _ = KS().tell_apart(rng.normal(shift, 1, size), rng.normal(0, 1, size), rng)
            hits += scores["accuracy_low"] <= truth <= scores["accuracy_high"]
        assert hits >= 190


def test_two_samples_per_side_are_the_least():
    assert findings(outputs(forget=2, test=2)).scores["n"] == 2
    with pytest.raises(UsageFailure, match="KS needs 2 samples per side; forget has 1"):
        findings(outputs(forget=1))
