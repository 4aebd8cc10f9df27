"""The accountant against other ways to the same numbers, and against adversaries who do their worst."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import log_ndtr, ndtr, ndtri

from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.core.gaussian import delta_of, epsilon_of, mu_of
from deepunlearn_cli.core.guarantee import Guarantee, NoisyDescent

EPSILONS = (0.0, 0.01, 1.0, 8.0, 50.0, 1e3, 1e6)
DELTAS = (1e-9, 1e-5, 0.1)


def direct(epsilon: float, mu: float) -> float:
    """Balle and Wang's formula by scipy's logarithms of Phi."""
    a, b = -epsilon / mu + mu / 2, -epsilon / mu - mu / 2
    return float(np.exp(log_ndtr(a)) - np.exp(epsilon + log_ndtr(b)))


@pytest.mark.parametrize("mu", [0.05, 0.5, 1.0, 3.0, 9.0, 30.0])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 1.0, 1.3])
def test_delta_is_the_formula(mu: float, share: float) -> None:
    epsilon = share * (mu * mu / 2 + 2 * mu)
    assert delta_of(epsilon, mu) == pytest.approx(direct(epsilon, mu), rel=1e-8, abs=1e-14)


def test_published_values() -> None:
    """Sigma of the analytic Gaussian mechanism at (1, 1e-5); at epsilon 0 delta is the total variation."""
    assert 1 / mu_of(1, 1e-5) == pytest.approx(3.7306, abs=1e-4)
    assert delta_of(0, 1) == pytest.approx(2 * ndtr(0.5) - 1)


@pytest.mark.parametrize("epsilon", EPSILONS)
@pytest.mark.parametrize("delta", DELTAS)
def test_there_and_back_and_never_too_little_noise(epsilon: float, delta: float) -> None:
    mu = mu_of(epsilon, delta)
    assert delta_of(epsilon, mu) <= delta < delta_of(epsilon, mu * (1 + 1e-9) + 1e-15)
    assert epsilon_of(mu, delta) == pytest.approx(epsilon, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(("epsilon", "delta"), [(-1, 0.1), (1, 0), (1, 1)])
def test_what_no_noise_gives_is_refused(epsilon: float, delta: float) -> None:
    with pytest.raises(UsageFailure, match="no Gaussian noise"):
        mu_of(epsilon, delta)


def test_one_step_without_a_gradient_is_the_gaussian_mechanism() -> None:
    assert NoisyDescent(radius=3, move=0, steps=1).mu(noise=2) == 2 * 3 / 2
    assert NoisyDescent(radius=3, move=0, steps=9).mu(noise=2) == pytest.approx(2 * 3 / (2 * 3))


def test_the_noise_is_what_epsilon_takes() -> None:
    steps = NoisyDescent(radius=1, move=0.1, steps=20, keep=0.9)
    noise = steps.noise(2, 1e-6)
    assert epsilon_of(steps.mu(noise), 1e-6) == pytest.approx(2)
    assert noise < NoisyDescent(radius=1, move=0.1, steps=20).noise(2, 1e-6), "shrinking forgets the start"


@pytest.mark.parametrize("epsilon", [0.1, 1, 5, 10])
def test_less_noise_than_the_papers_theorem_asks_for(epsilon: float) -> None:
    radius, move, steps, delta = 0.7, 0.03, 12, 1e-5
    theirs = 9 * math.log(1 / delta) / (epsilon**2 * steps) * (radius + move * steps) ** 2
    ours = NoisyDescent(radius, move, steps).noise(epsilon, delta) ** 2
    assert ours < theirs < 3 * ours


@pytest.mark.parametrize("keep", [1.0, 0.9, 0.3])
@pytest.mark.parametrize(("radius", "move"), [(1.0, 0.1), (0.0, 1.0), (5.0, 0.0)])
def test_the_proofs_shifts_close_the_gap_and_cost_what_it_says(
    keep: float, radius: float, move: float
) -> None:
    """d_t = r d_{t-1} + 2 G - a_t is never negative, ends at 0, and sum a_t^2 = S^2 / V; no other choice is less."""
    descent = NoisyDescent(radius, move, 15, keep)
    back = keep ** np.arange(14, -1, -1)
    shifts, gap = descent.reach * back / descent.gain**2, 2 * radius
    for shift in shifts:
        gap = keep * gap + 2 * move - shift
        assert gap > -1e-12
    assert gap == pytest.approx(0, abs=1e-12)
    assert (shifts**2).sum() == pytest.approx(descent.mu(1.0) ** 2)
    other = shifts + np.random.default_rng(0).normal(size=15)
    other *= descent.reach / (back @ other)
    assert (other**2).sum() > (shifts**2).sum()


def ends(start: float, descent: NoisyDescent, noise: float, *, memory: bool, count: int) -> np.ndarray:
    """Where a weight ends whose gradients push it as far as they may: from where it is, or from where it began."""
    rng, x = np.random.default_rng(int(start > 0)), np.full(count, start)
    for _ in range(descent.steps):
        push = np.sign(start if memory else x)
        x = descent.keep * x + descent.move * push + rng.normal(0, noise, count)
    return x


@pytest.mark.parametrize("memory", [True, False])
@pytest.mark.parametrize("keep", [1.0, 0.8])
@pytest.mark.parametrize("steps", [1, 5, 20])
def test_no_adversary_tells_two_starts_better_apart(steps: int, keep: float, memory: bool) -> None:
    """Every threshold's TPR is at most Phi(Phi^-1(FPR) + mu), and gradients that remember reach it."""
    descent, count = NoisyDescent(radius=1, move=0.05, steps=steps, keep=keep), 200_000
    noise = descent.noise(2, 1e-3)
    mu = descent.mu(noise)
    low, high = (np.sort(ends(at, descent, noise, memory=memory, count=count)) for at in (-1.0, 1.0))
    thresholds = np.quantile(low, np.linspace(0.02, 0.98, 49))
    fpr, tpr = (1 - np.searchsorted(side, thresholds) / count for side in (low, high))
    assert (tpr <= ndtr(ndtri(fpr) + mu) + 5 * np.sqrt(0.5 / count)).all()
    if memory:
        assert (ndtri(tpr) - ndtri(fpr)).mean() == pytest.approx(mu, abs=0.02)


def test_a_guarantee_survives_as_facts() -> None:
    one = Guarantee(1.0, 1e-5, (("noise", 0.5),), ("weights",), ("the rest",))
    assert Guarantee.of({**one.facts(), "seconds": 1.0}) == one
    assert Guarantee.of({"seconds": 1.0}) is None
