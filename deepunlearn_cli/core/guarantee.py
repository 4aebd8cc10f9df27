"""What a method proves of the models it makes, and the accountant of noisy descent."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deepunlearn_cli.core.gaussian import mu_of

FACT = "guarantee"  # among a run's facts: its numbers; beside it what is covered, and what is not
COVERED, OPEN = "guarantee_covers", "guarantee_leaves_open"


@dataclass(frozen=True)
class Guarantee:
    """(epsilon, delta)-unlearning: a proof about the random choices that made a model.

    A method U gives it if for every training set D, every forget set F within it and every set O of models

        P[U(A(D), D less F) in O] <= e^epsilon P[Q in O] + delta,    and the same with both sides exchanged,

    where A is whatever trained the original and Q some random model that is made without F (definition 2.1 of
    Koloskova et al. 2025, arXiv 2506.06985). Neighbours are "trained with F" and "without F": all forgotten
    pictures together, not one of them, so that epsilon does not grow with their number. Q need not be what
    plain retraining gives: accuracy, say, may differ from the retrained model's by any amount.

    Attributes:
        epsilon, delta: of the definition.
        figures: what it follows from, by name: noise, say.
        covers: what of a model it speaks of.
        leaves_open: what it does not speak of, and what it takes for granted.
    """

    epsilon: float
    delta: float
    figures: tuple[tuple[str, float], ...] = ()
    covers: tuple[str, ...] = ()
    leaves_open: tuple[str, ...] = ()

    def facts(self) -> dict[str, dict[str, float] | list[str]]:
        """As facts of a run: plain data."""
        numbers = {"epsilon": self.epsilon, "delta": self.delta, **dict(self.figures)}
        return {FACT: numbers, COVERED: list(self.covers), OPEN: list(self.leaves_open)}

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Guarantee | None:
        """From the facts of a run; None where its method proves nothing."""
        if FACT not in facts:
            return None
        numbers = dict(facts[FACT])
        epsilon, delta = numbers.pop("epsilon"), numbers.pop("delta")
        return cls(
            epsilon, delta, tuple(numbers.items()), tuple(facts.get(COVERED, ())), tuple(facts.get(OPEN, ()))
        )

    def said(self) -> str:
        """In a line, for listings."""
        return (
            f"guarantee: (epsilon={self.epsilon:g}, delta={self.delta:g})-unlearning of "
            f"{', '.join(self.covers)}; left open: {'; '.join(self.leaves_open)}"
        )


@dataclass(frozen=True)
class NoisyDescent:
    """What T steps of noisy descent with bounded gradients leave of where they began.

    Let x_0 lie in a ball of radius R, and x_t = r x_{t-1} - g_t + z_t with |g_t| <= G, whatever g_t is a
    function of, and independent z_t from N(0, sigma^2 I). Then x_T from one start and x'_T from another, both
    on the same data, are at most as far apart as N(0, 1) and N(mu, 1) with

        mu = S / (sigma sqrt(V)),
        S = 2 R r^T + 2 G (1 + r + ... + r^{T-1}),   V = 1 + r^2 + ... + r^{2(T-1)}.

    Proof (by shifted interpolation: Bok, Su and Altschuler 2024, arXiv 2403.00278). Follow both with the same
    noise z, and beside them y, which starts at x'_0 and takes the steps y_t = r y_{t-1} - g_t(y) + v_t + z_t,
    where v_t leads towards x_t and has a length of at most a_t. Without v_t the distance d_t = |x_t - y_t|
    becomes at most r d_{t-1} + 2 G, so with it d_t <= r d_{t-1} + 2 G - a_t. Choose a_t = S r^{T-t} / V: then
    d_T = 0, that is y_T = x_T. (No d_t is negative on the way: 2 G - a_t falls with t, so a distance that
    fell below 0 would stay there.) Now y is the same function of the noises w_t = v_t + z_t as x' is of z_t,
    and v_t is a function of w_1 .. w_{t-1}: w is what T Gaussian mechanisms of sensitivities a_t give one
    after the other. They compose to one with mu^2 = sum of a_t^2 / sigma^2 = S^2 / (V sigma^2) (Dong et al.
    2022, corollary 3.3), and neither the function nor y_T = x_T adds to it. By Cauchy and Schwarz no other
    choice of a_t gives less.

    It is the last x alone that is covered: nothing that was kept along the way (momentum, running statistics,
    losses that were logged) may be given out. What is made from x_T and the retained pictures alone may be.

    The same S^2 / (2 V sigma^2), times the order, is the Renyi divergence that Koloskova et al. (2025) take
    from Feldman et al. (2018, arXiv 1808.06651). Their way from there to (epsilon, delta) is looser: theorem
    4.1, as others quote it (r = 1: sigma^2 = 9 ln(1/delta) / (epsilon^2 T) (R + G T)^2), asks for 1.9 times
    our variance at epsilon = 1 and delta = 1e-5, and for less than it takes from epsilon = 11 up. Their
    released accountant leaves the order out of that divergence, and divides by 4 in place of 2 where r = 1:
    what it calls epsilon = 1 (delta = 1e-5) is 10.0 in truth, and 6.6 where r < 1.

    Attributes:
        radius: R, of the ball that the start lies in.
        move: G, the longest way a gradient can take a step.
        steps: T.
        keep: r, what a step keeps of each weight; from 0 to 1.
    """

    radius: float
    move: float
    steps: int
    keep: float = 1.0

    @property
    def reach(self) -> float:
        """S: how far apart two ends can be that differ in their start and in every gradient."""
        way = math.fsum(self.keep**step for step in range(self.steps))
        return 2 * self.radius * self.keep**self.steps + 2 * self.move * way

    @property
    def gain(self) -> float:
        """sqrt(V): the deviation of the noise at the end, as a multiple of that of one step."""
        return math.sqrt(math.fsum(self.keep ** (2 * step) for step in range(self.steps)))

    def mu(self, noise: float) -> float:
        """Of noise with this standard deviation in every step."""
        return self.reach / (noise * self.gain)

    def noise(self, epsilon: float, delta: float) -> float:
        """The smallest standard deviation that a step takes for (epsilon, delta)."""
        return self.reach / (mu_of(epsilon, delta) * self.gain)
