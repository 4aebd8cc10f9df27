"""How well two Gaussians can be told apart: the exact trade between epsilon, delta and their distance mu.

N(0, 1) and N(mu, 1) are the hardest pair of every mechanism here ("mu-GDP": Dong, Roth and Su 2022, *Gaussian
differential privacy*). Whoever tests one against the other is right at most so often that

    delta(epsilon) = Phi(-epsilon / mu + mu / 2) - e^epsilon Phi(-epsilon / mu - mu / 2)

(Balle and Wang 2018, arXiv 1805.06530, theorem 8; Dong et al., corollary 2.13), which is both necessary and
enough: there is no slack as in sigma = sqrt(2 ln(1.25 / delta)) / epsilon, and no limit on epsilon.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from deepunlearn_cli.core.errors import UsageFailure

FRACTION_FROM = 10.0  # where the continued fraction of Mills' ratio is exact to rounding with `TERMS`
TERMS = 60
HALVINGS = 200  # of an interval: more than a float can tell apart


def delta_of(epsilon: float, mu: float) -> float:
    """The smallest delta for which N(mu, 1) and N(0, 1) are (epsilon, delta)-close, for finite epsilon >= 0.

    With a, b = -epsilon / mu +- mu / 2, e^epsilon equals phi(a) / phi(b); so the second term is phi(a) times
    Mills' ratio at -b, and nothing overflows however large epsilon is.
    """
    if mu <= 0:
        return 0.0
    a, b = -epsilon / mu + mu / 2, -epsilon / mu - mu / 2
    density = math.exp(-a * a / 2) / math.sqrt(2 * math.pi)
    if a <= 0:
        return max(0.0, density * (_mills(-a) - _mills(-b)))
    return max(0.0, math.erfc(-a / math.sqrt(2)) / 2 - density * _mills(-b))


def mu_of(epsilon: float, delta: float) -> float:
    """The largest mu whose Gaussians are (epsilon, delta)-close; rounded down.

    Raises:
        UsageFailure: epsilon is negative, or delta is not between 0 and 1: no mu > 0 is that close.
    """
    if epsilon < 0 or not 0 < delta < 1:
        raise UsageFailure(
            f"no Gaussian noise gives epsilon={epsilon:g} with delta={delta:g}",
            "epsilon from 0 up, and delta between 0 and 1",
        )
    high = 1.0
    while delta_of(epsilon, high) <= delta:
        high *= 2
    return _last(lambda mu: delta_of(epsilon, mu) <= delta, 0.0, high)


def epsilon_of(mu: float, delta: float) -> float:
    """The smallest epsilon >= 0 for which Gaussians mu apart are (epsilon, delta)-close; rounded up."""
    if delta_of(0.0, mu) <= delta:
        return 0.0
    high = 1.0
    while delta_of(high, mu) > delta:
        high *= 2
    return -_last(lambda negative: delta_of(-negative, mu) <= delta, -high, 0.0)


def _last(holds: Callable[[float], bool], low: float, high: float) -> float:
    """The largest number between `low`, where something holds, and `high`, where it does not (bisection)."""
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def _mills(t: float) -> float:
    """Phi(-t) / phi(t) for t >= 0 (Laplace's continued fraction for large t)."""
    if t < FRACTION_FROM:
        return math.sqrt(math.pi / 2) * math.exp(t * t / 2) * math.erfc(t / math.sqrt(2))
    tail = t
    for term in range(TERMS, 0, -1):
        tail = t + term / tail
    return 1 / tail
