"""What a model and its retrained control might say of the same samples, made up, and the verdicts on many draws."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np

from deepunlearn_cli.evaluation import class_mix
from deepunlearn_cli.evaluation.equivalence import Verdict, decide
from deepunlearn_cli.evaluation.sides import FIGURES, Sides, gaps

CLASSES, APART, NOISE = (
    5,
    0.7,
    0.5,
)  # APART: of the means of classes; NOISE: of one training, samples vary by 1
SHAPES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "normal": lambda z: z,
    "saturated": lambda z: np.minimum(z, 1.5),
    "heavy": lambda z: z,  # see `_noise`
    "tied": np.round,
    "constant": np.zeros_like,
}
Leak = Callable[[np.random.Generator, np.ndarray], np.ndarray]  # of what a model says of the forgotten
Pair = tuple[Sides, Sides]
Draw = Callable[[np.random.Generator], Pair]


def nothing(rng: np.random.Generator, forget: np.ndarray) -> np.ndarray:
    return forget


def shifted(by: float) -> Leak:
    return lambda rng, forget: forget + by


def exposed(share: float, place: float) -> Leak:
    """A share of the forgotten, drawn one by one, lies at `place`, beyond all others."""
    return lambda rng, forget: np.where(rng.random(len(forget)) < share, place, forget)


def narrowed(by: float) -> Leak:
    """The forgotten lie closer together, about the same middle."""
    return lambda rng, forget: (forget - np.median(forget)) * by + np.median(forget)


def pair(
    rng: np.random.Generator, n: int, m: int, shape: str = "normal", leak: Leak = nothing, skew: bool = False
) -> Pair:
    """A model that leaks so and its control, on the same samples; skewed classes are matched."""
    labels = [rng.choice(CLASSES, n, p=_mix(skew)), rng.choice(CLASSES, m, p=_mix(False))]
    easy = [
        _noise(rng, shape, size) + APART * skew * label for size, label in zip((n, m), labels, strict=True)
    ]
    (forget, unseen), control = (
        [one + NOISE * _noise(rng, shape, len(one)) for one in easy] for _ in range(2)
    )
    mix = class_mix.match(*labels)
    form = SHAPES[shape]
    said = (form(leak(rng, forget)), form(unseen)), tuple(map(form, control))
    return tuple(Sides.of(side[mix.kept], other, mix.weights) for side, other in said)


def drawn(n: int, m: int, shape: str = "normal", leak: Leak = nothing, skew: bool = False) -> Draw:
    """Such pairs."""
    return lambda rng: pair(rng, n, m, shape, leak, skew)


def _mix(skew: bool) -> np.ndarray:
    return np.array([0.6, 0.1, 0.1, 0.1, 0.1]) if skew else np.full(CLASSES, 1 / CLASSES)


def _noise(rng: np.random.Generator, shape: str, size: int) -> np.ndarray:
    return rng.standard_t(2, size) if shape == "heavy" else rng.normal(size=size)


def verdicts(
    draw: Draw,
    times: int,
    metrics: Sequence[str] = FIGURES,
    *,
    tolerance: float = 0.05,
    guessing: bool = False,
    seed: int = 0,
) -> dict[Verdict, float]:
    """Shares of so many draws; beside guessing, or beside the control."""
    rng, counts = np.random.default_rng(seed), Counter()
    for _ in range(times):
        ours, control = draw(rng)
        found = gaps(ours, None if guessing else control, metrics)
        counts[decide(found, tolerance, min(ours.sizes)).verdict] += 1
    return {word: counts[word] / times for word in ("PASS", "FAIL", "INCONCLUSIVE")}


@cache
def shift_for(shape: str, metric: str, gap: float, skew: bool = False) -> float:
    """How far all forgotten samples must move for a figure to differ from the control's by so much."""
    size = 200_000 if metric == "auc" else 60_000
    low, high = 0.0, 2.0
    for _ in range(12):
        middle = (low + high) / 2
        ours, control = pair(np.random.default_rng(7), size, size, shape, shifted(middle), skew)
        found = gaps(ours, control, [metric])[0]
        low, high = (middle, high) if abs(found.values).max() < gap else (low, middle)
    return middle
