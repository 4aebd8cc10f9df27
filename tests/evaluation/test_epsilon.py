"""The lower bound of epsilon: how often it is wrong, and what it sees."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest

from deepunlearn_cli.core.guarantee import Guarantee
from deepunlearn_cli.evaluation import epsilon as bound

ONE = Guarantee(1.0, 1e-5)
TIMES, FORGET, UNSEEN = 500, 40, 60


def log_p(rng: np.random.Generator, *, lead: float = 0.0, classes: int = 1, ties: bool = False) -> float:
    """Of a model that tells forgotten pictures by `lead`; classes differ in difficulty and in number."""
    labels = [rng.integers(0, classes, n) for n in (FORGET, UNSEEN)]
    labels[0] = np.minimum(labels[0], rng.integers(0, classes, FORGET))  # other mixes on both sides
    scores = [rng.normal(2.0 * side, 1) for side in labels]
    forget, unseen = (np.round(side) if ties else side for side in scores)
    return bound.log_p_value(forget + lead, labels[0], unseen, labels[1])


@cache
def by_chance(classes: int, ties: bool) -> list[float]:
    rng = np.random.default_rng(0)
    return [log_p(rng, classes=classes, ties=ties) for _ in range(TIMES)]


@pytest.mark.parametrize(("classes", "ties"), [(1, False), (1, True), (3, False)])
def test_models_that_never_saw_the_pictures_have_a_valid_p_value(classes: int, ties: bool) -> None:
    ps = np.exp(by_chance(classes, ties))
    for t in (0.01, 0.05, 0.2):
        assert (ps <= t).mean() <= t + 3 * math.sqrt(t / TIMES)


@pytest.mark.parametrize("epsilon", [0.5, 1.0, 2.0])
def test_the_bound_is_wrong_as_seldom_as_it_says_of_the_worst_method_with_the_guarantee(
    epsilon: float,
) -> None:
    """It makes the models on which the p-value is small e^epsilon times as often as chance does, and no oftener."""
    rng, beta, delta = np.random.default_rng(1), 0.1, 0.01
    wrong = np.array([bound.least_epsilon(one, delta, beta) > epsilon for one in by_chance(1, False)])
    worst = min(1.0, math.exp(epsilon) * wrong.mean() + delta)
    assert worst <= beta + 3 * math.exp(epsilon) * math.sqrt(0.04 / TIMES)
    exact = rng.random(200_000)  # p-values that are as small as they may be
    wrong = np.log(beta - delta) - np.log(exact) > epsilon
    assert math.exp(epsilon) * wrong.mean() + delta == pytest.approx(beta, abs=0.01), "nothing is given away"


@pytest.mark.parametrize("lead", [2.0, -2.0])
def test_a_leak_is_seen_whichever_way_it_goes(lead: float) -> None:
    rng = np.random.default_rng(2)
    assert bound.least_epsilon(log_p(rng, lead=lead), 1e-5) > 5


def test_a_few_exposed_pictures_are_seen() -> None:
    rng = np.random.default_rng(3)
    forget, unseen = rng.normal(size=400), rng.normal(size=600)
    forget[:20] = 9.0
    zeros = [np.zeros(len(side), int) for side in (forget, unseen)]
    assert bound.least_epsilon(bound.log_p_value(forget, zeros[0], unseen, zeros[1]), 1e-5) > 5


def test_the_classes_of_forgotten_pictures_are_no_leak() -> None:
    """All forgotten ones are of the easy class: against all unseen ones they stand out, within it they do not."""
    rng = np.random.default_rng(4)
    easy = np.r_[np.ones(200, int), np.zeros(200, int)]
    forget, unseen = rng.normal(4, 1, 200), rng.normal(4 * easy, 1)
    held = bound.held_against(ONE, (forget, np.ones(200, int)), (unseen, easy), "val")
    assert not held.broken
    blind = bound.held_against(ONE, (forget, np.zeros(200, int)), (unseen, 0 * easy), "val")
    assert blind.broken
    assert (held.epsilon, held.forget, held.unseen, held.against) == (1.0, 200, 400, "val")


def test_the_tails_are_those_of_fisher() -> None:
    from scipy.stats import hypergeom

    above, below = (math.exp(tail) for tail in bound._tails(7, [(30, 12, 10)]))
    assert above == pytest.approx(hypergeom.sf(6, 30, 12, 10))
    assert below == pytest.approx(hypergeom.cdf(7, 30, 12, 10))
    two = [math.exp(tail) for tail in bound._tails(3, [(8, 3, 4), (6, 2, 3)])]
    joint = np.convolve(hypergeom.pmf(range(4), 8, 3, 4), hypergeom.pmf(range(3), 6, 2, 3))
    assert two == pytest.approx([joint[3:].sum(), joint[:4].sum()])


def test_a_delta_that_allows_everything_is_never_broken() -> None:
    assert bound.least_epsilon(-600.0, 0.2) == 0
