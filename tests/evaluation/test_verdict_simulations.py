"""How often verdicts are wrong, and how often right, on made-up models whose truth is known.

The figures of the guide's page on attacks are printed by `pytest -m slow -s` on this file.
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from audit_kit import NOISE, SHAPES, drawn, exposed, narrowed, nothing, pair, shift_for, shifted, verdicts

from deepunlearn_cli.evaluation.power import forget_needed
from deepunlearn_cli.evaluation.sides import FIGURES, TAIL, Sides

TOLERANCE, ALPHA = 0.05, 0.05
SIZES = [(30, 30), (100, 100), (500, 500), (2000, 2000)]
UNEQUAL = [(30, 300), (300, 30), (100, 2000), (2000, 300)]
LEAKS = {
    "a tenth exposed": exposed(0.1, 60),
    "a tenth exposed from below": exposed(0.1, -60),
    "a twentieth exposed from below": exposed(0.05, -60),
    "narrowed confidences": narrowed(0.5),
}


def times(n: int, m: int) -> int:
    return 200 if n + m <= 600 else 100 if n + m <= 1000 else 40


def chance(share: float, draws: int) -> float:
    """What a true share may look like in so many draws, but for one in a thousand."""
    return share + 3.1 * (share * (1 - share) / draws) ** 0.5


def told(name: str, sizes: tuple[int, int], found: dict[str, float]) -> None:
    shares = "  ".join(f"{word} {share:.1%}" for word, share in found.items())
    print(f"{name:<44} {sizes[0]:>5} {sizes[1]:>5}  {shares}")


def null(shape: str, sizes: tuple[int, int], skew: bool, draws: int, guessing: bool) -> float:
    found = verdicts(drawn(*sizes, shape, skew=skew), draws, guessing=guessing)
    told(f"retrained, {shape}{', skewed' * skew}{', no control' * guessing}", sizes, found)
    return found["FAIL"]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_retrained_model_does_not_fail(shape):
    for sizes in ((30, 30), (60, 300)):
        assert null(shape, sizes, False, 40, False) <= ALPHA
        assert null(shape, sizes, True, 40, True) <= ALPHA


@pytest.mark.slow
@pytest.mark.parametrize("skew", [False, True])
@pytest.mark.parametrize("sizes", SIZES + UNEQUAL)
def test_a_retrained_model_hardly_ever_fails(sizes, skew):
    for shape in SHAPES:
        for guessing in (False, True):
            assert null(shape, sizes, skew, times(*sizes), guessing) <= ALPHA


def on_the_limit(shape: str, metric: str, sizes: tuple[int, int], skew: bool, draws: int) -> float:
    gap = TOLERANCE * (TAIL if metric.startswith("tpr") else 1)
    leak = shifted(shift_for(shape, metric, gap, skew))
    found = verdicts(drawn(*sizes, shape, leak, skew), draws, [metric])
    told(f"{metric} at its limit, {shape}{', skewed' * skew}", sizes, found)
    whole = verdicts(drawn(*sizes, shape, leak, skew), draws // 2)
    assert whole["PASS"] <= ALPHA
    return found["PASS"]


def test_a_gap_as_large_as_the_tolerance_does_not_pass():
    shift = (2 * (1 + NOISE**2)) ** 0.5 * NormalDist().inv_cdf(0.5 + TOLERANCE)
    found = verdicts(drawn(300, 300, leak=shifted(shift)), 100, ["auc"])
    assert found["PASS"] <= chance(ALPHA, 100)
    found = verdicts(drawn(200, 200, leak=exposed(0.0253, 60)), 100, ["tpr_1"])
    assert found["PASS"] <= chance(ALPHA, 100)


@pytest.mark.slow
@pytest.mark.parametrize("skew", [False, True])
@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape != "constant"])
@pytest.mark.parametrize("metric", ["auc", "accuracy"])
def test_a_gap_as_large_as_the_tolerance_hardly_ever_passes(metric, shape, skew):
    for sizes in [*SIZES, (100, 1000)]:
        draws = 2 * times(*sizes)
        assert on_the_limit(shape, metric, sizes, skew, draws) <= chance(ALPHA, draws)


@pytest.mark.slow
@pytest.mark.parametrize(("metric", "place"), [("tpr_1", 60), ("tpr_1_below", -60)])
def test_a_tail_on_its_limit_hardly_ever_passes(metric, place):
    for sizes in [*SIZES, (100, 1000)]:
        draws = 2 * times(*sizes)
        found = verdicts(drawn(*sizes, leak=exposed(0.0253, place)), draws, [metric])
        told(f"{metric} at its limit", sizes, found)
        assert found["PASS"] <= chance(ALPHA, draws)


@pytest.mark.parametrize("name", LEAKS)
def test_leaks_that_one_figure_misses_never_pass(name):
    for sizes in ((500, 500), (300, 1500)):
        found = verdicts(drawn(*sizes, leak=LEAKS[name]), 12)
        told(name, sizes, found)
        assert found["PASS"] == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", LEAKS)
@pytest.mark.parametrize("guessing", [False, True])
def test_leaks_that_one_figure_misses_never_pass_in_many_draws(name, guessing):
    for sizes in ((200, 200), (1000, 1000), (2000, 2000), (300, 3000)):
        found = verdicts(drawn(*sizes, leak=LEAKS[name]), times(*sizes), guessing=guessing)
        told(f"{name}{', no control' * guessing}", sizes, found)
        assert found["PASS"] == 0
        assert found["FAIL"] >= (0.8 if sizes[0] >= 2000 else 0)


def test_ten_samples_are_never_enough():
    for size in (3, 10, 20, 29):
        for leak in (nothing, shifted(3)):
            found = verdicts(drawn(size, size, leak=leak), 30)
            assert found["INCONCLUSIVE"] == 1


def test_a_class_of_its_own_does_not_fail_a_retrained_model():
    """Half of one class is forgotten, and the unseen are of all classes: no control, AUC alone."""

    def draw(rng: np.random.Generator) -> tuple[Sides, Sides]:
        from deepunlearn_cli.evaluation.class_mix import match

        hard = rng.normal(0, 1.5, 10)
        labels = np.full(65, 8), rng.integers(0, 10, 360)
        mix = match(*labels)
        scores = [hard[of] + rng.normal(size=len(of)) for of in labels]
        sides = Sides.of(scores[0], scores[1], mix.weights)
        return sides, sides

    for metrics in (["auc"], FIGURES):
        assert verdicts(draw, 40, metrics, guessing=True)["FAIL"] == 0


LEAK = 0.79  # of samples that vary by 1 and models by 0.5: AUC 0.69


def test_a_leak_of_seventy_points_is_found():
    found = verdicts(drawn(100, 100, leak=shifted(LEAK)), 50)
    told("AUC 0.69", (100, 100), found)
    assert found["FAIL"] >= 0.8


def test_equal_models_pass():
    found = verdicts(drawn(1000, 1000), 30)
    told("equal", (1000, 1000), found)
    assert found["PASS"] >= 0.8


@pytest.mark.slow
def test_power():
    for size in (100, 200, 500, 1000, 2000):
        for metrics in (FIGURES, ["auc"], ["accuracy"]):
            draws = times(size, size)
            found = verdicts(drawn(size, size), draws, metrics)
            told(f"equal, by {' '.join(metrics)}", (size, size), found)
            if size >= 1000 or (metrics == ["auc"] and size == 500):
                assert found["PASS"] >= 0.8
    for guessing in (False, True):
        found = verdicts(drawn(100, 100, leak=shifted(LEAK)), 200, guessing=guessing)
        told(f"AUC 0.69{', no control' * guessing}", (100, 100), found)
        assert found["FAIL"] >= 0.8


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shape", "metrics"),
    [("normal", FIGURES), ("normal", ["auc"]), ("normal", ["accuracy"]), ("tied", FIGURES)],
)
def test_the_samples_that_are_said_to_settle_it_do(shape, metrics):
    """As planned from 500 samples a side: the middle one of nine plans."""
    rng = np.random.default_rng(1)
    plans = [forget_needed(*pair(rng, 500, 500, shape), TOLERANCE, metrics) for _ in range(9)]
    needed = sorted(plans)[4]
    found = verdicts(drawn(needed, needed, shape), 300, metrics)
    told(f"80 % promised, {shape}, by {' '.join(metrics)}", (needed, needed), found)
    assert 0.75 <= found["PASS"] <= 0.85
