"""Moderated variances: the prior is found again, and the attack gains where samples vary differently."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import polygamma, psi
from test_ulira import hard, scores_of, world

from deepunlearn_cli.attacks import _likelihood
from deepunlearn_cli.attacks._variances import LEAST_FREE, MOST_FREE, Prior, pooled, prior, trigamma_inverse


def drawn(free: float, scale: float, samples: int, sizes: np.ndarray, seed: int = 0):
    """Sums of squares of samples whose variances are scaled inverse chi-square, and their degrees of freedom."""
    rng = np.random.default_rng(seed)
    variances = free * scale / rng.chisquare(free, samples)
    return variances * rng.chisquare(sizes), sizes.astype(float)


@pytest.mark.parametrize("value", [1e-8, 1e-3, 0.3, 1.0, 40.0, 1e8])
def test_trigamma_is_inverted(value):
    theirs = brentq(lambda log: polygamma(1, math.exp(log)) - value, -40, 40)
    assert trigamma_inverse(value) == pytest.approx(math.exp(theirs), rel=1e-6)


@pytest.mark.parametrize(("free", "scale"), [(3.0, 1.0), (8.0, 0.2), (30.0, 5.0)])
def test_a_prior_is_found_again(free, scale):
    sizes = np.random.default_rng(1).integers(1, 12, 40_000)
    found = prior(*drawn(free, scale, 40_000, sizes))
    assert found.free == pytest.approx(free, rel=0.1)
    assert found.scale == pytest.approx(scale, rel=0.03)


def test_it_is_smyths_by_hand():
    """Section 6.2: e = log s^2 - psi(d/2) + log(d/2); trigamma(d0/2) = var(e) - mean trigamma(d/2)."""
    spread, free = drawn(4.0, 2.0, 50, np.full(50, 3))
    e = [math.log(ss / d) - psi(d / 2) + math.log(d / 2) for ss, d in zip(spread, free, strict=True)]
    mean = sum(e) / 50
    excess = sum((one - mean) ** 2 for one in e) / 49 - polygamma(1, 1.5)
    half = brentq(lambda x: polygamma(1, x) - excess, 1e-3, 1e6)
    found = prior(spread, free)
    assert found.free == pytest.approx(2 * half, rel=1e-6)
    assert found.scale == pytest.approx(math.exp(mean + psi(half) - math.log(half)), rel=1e-6)
    moderated = (2 * half * found.scale + spread[0]) / (2 * half + 3)
    assert found.moderated(spread, free)[0] == pytest.approx(moderated)


def test_equal_variances_are_pooled():
    rng = np.random.default_rng(0)
    sizes = np.full(300, 20.0)
    spread = np.linspace(0.95, 1.05, 300) * sizes * rng.permutation(300).clip(1, 1)
    assert prior(spread, sizes) == Prior(MOST_FREE, pooled(spread, sizes))


@pytest.mark.parametrize("spread", [np.zeros(9), np.full(9, 1e-20), np.eye(9)[0]])
def test_constants_tell_no_prior_of_their_own(spread):
    found = prior(spread, np.full(9, 3.0))
    assert found == Prior(LEAST_FREE, pooled(spread, np.full(9, 3.0)))
    assert np.isfinite(found.moderated(spread, np.full(9, 3.0))).all()


def uneven(spread: float, shift: float):
    """Samples differ in how much models vary about them: a shift of so many of their own deviations."""

    def draw(rng, index, forgotten):
        sd = np.exp(spread * np.sin(index * 78.233 + 1))
        return hard(index) + sd * (shift * forgotten + rng.normal(size=len(index)))

    return draw


def areas(spread: float, shift: float, repetitions: int) -> float:
    found = [scores_of(world(uneven(spread, shift), seed=s, samples=300))["auc"] for s in range(repetitions)]
    return float(np.mean(found))


@pytest.mark.slow
@pytest.mark.parametrize(("spread", "gain"), [(0.0, 0.0), (0.7, -0.002), (1.4, 0.02)])
def test_the_attack_gains_where_samples_vary_differently(monkeypatch, spread, gain):
    """Against the pooled variance that counts for two samples, whatever the samples say."""
    moderated = areas(spread, 1.0, 20)
    monkeypatch.setattr(_likelihood, "prior", lambda ss, free: Prior(2.0, pooled(ss, free)))
    assert moderated >= areas(spread, 1.0, 20) + gain


@pytest.mark.slow
@pytest.mark.parametrize("spread", [0.0, 0.7, 1.4])
def test_uneven_samples_without_a_leak_are_a_coin_toss_in_the_interval(spread):
    names = ("accuracy", "auc", "auc_online", "auc_offline", "auc_rmia")
    inside = dict.fromkeys(names, 0)
    for seed in range(100):
        found = scores_of(world(uneven(spread, 0.0), seed=seed))
        for name in names:
            inside[name] += found[f"{name}_low"] <= 0.5 <= found[f"{name}_high"]
    assert min(inside.values()) >= 91, inside
