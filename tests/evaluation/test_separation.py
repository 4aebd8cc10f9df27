"""Which methods can be told apart: how often it is wrong, and what it sees."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from deepunlearn_cli.evaluation.separation import FALSE_SPLITS, LEAST_SEEDS, apart

Draw = Callable[[np.random.Generator, tuple[int, int]], np.ndarray]

FIGURES: dict[str, Draw] = {
    "normal": lambda rng, size: rng.normal(size=size),
    "sums of absolute values": lambda rng, size: np.abs(rng.normal(size=(3, *size))).sum(0),
    "heavy tails": lambda rng, size: rng.standard_t(2, size),
    "skewed": lambda rng, size: rng.lognormal(0, 1.5, size),
    "a seed in ten goes wrong": lambda rng, size: np.where(rng.random(size) < 0.1, 20, 1) * rng.normal(size=size),
    "spreads that differ": lambda rng, size: rng.normal(size=size) * 4.0 ** np.arange(size[1]),
    "two values": lambda rng, size: rng.integers(0, 2, size).astype(float),
    "four values": lambda rng, size: rng.binomial(3, 0.5, size).astype(float),
    "seeds that differ": lambda rng, size: rng.normal(size=size) + 30 * rng.normal(size=(size[0], 1)),
    "failures": lambda rng, size: np.where(rng.random(size) < 0.2, np.inf, rng.normal(size=size)),
}  # fmt: skip


def split_share(draw: Draw, seeds: int, methods: int, tables: int) -> float:
    """Share of tables of equal methods in which some are told apart."""
    rng = np.random.default_rng(seeds)
    return sum(apart([draw(rng, (seeds, methods))]).any() for _ in range(tables)) / tables


def found_shares(seeds: int, methods: int, shift: float, tables: int) -> tuple[float, float]:
    """Of a method that is worse: from which share of the others it is told, and how often from all."""
    rng, worse = np.random.default_rng(seeds), np.arange(methods) == 0
    found = [apart([rng.normal(size=(seeds, methods)) + shift * worse])[0, 1:] for _ in range(tables)]
    return float(np.mean(found)), float(np.mean([one.all() for one in found]))


@pytest.mark.parametrize("seeds", [5, 10, 20])
def test_equal_methods_are_rarely_told_apart(seeds):
    assert split_share(FIGURES["normal"], seeds, 5, 400) <= 0.1


def test_a_difference_of_three_deviations_is_found_with_ten_seeds():
    assert found_shares(10, 5, 3, 100)[1] >= 0.8


@pytest.mark.slow
@pytest.mark.parametrize("figures", FIGURES)
@pytest.mark.parametrize(("methods", "tables"), [(2, 2000), (5, 2000), (20, 200)])
@pytest.mark.parametrize("seeds", [5, 10, 20])
def test_equal_methods_are_told_apart_no_more_often_than_said(figures, methods, seeds, tables):
    """Up to chance: four standard errors of so many tables."""
    share = split_share(FIGURES[figures], seeds, methods, tables)
    print(f"{figures}: {methods} methods, {seeds} seeds: {share:.1%} of {tables} tables")
    assert share <= FALSE_SPLITS + 4 * math.sqrt(FALSE_SPLITS * (1 - FALSE_SPLITS) / tables)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seeds", "methods", "each", "every"),
    [(5, 5, 0.4, 0.1), (10, 5, 0.95, 0.8), (10, 10, 0.9, 0.6), (10, 20, 0.7, 0.05), (12, 20, 0.9, 0.4)],
)
def test_what_is_found(seeds, methods, each, every):
    found = found_shares(seeds, methods, 3, 300)
    print(
        f"3 deviations, {methods} methods, {seeds} seeds: told from {found[0]:.1%} of the others, "
        f"in {found[1]:.1%} of tables from all"
    )
    assert found[0] >= each
    assert found[1] >= every


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [5, 10, 20])
def test_equal_methods_beside_others_stay_together(seeds):
    """Some methods do differ, and the others are still equal: the error holds for these."""
    rng, splits = np.random.default_rng(seeds), 0
    for _ in range(2000):
        figures = rng.normal(size=(seeds, 8)) + np.array([0, 0, 0, 0, 3, 6, 50, 100])
        splits += apart([figures])[:4, :4].any()
    assert splits / 2000 <= 0.085


def test_every_pattern_of_five_signs_by_hand():
    """All differences of one sign: 2 of 32 patterns are as clear, and that is what five seeds can reach."""
    ours = np.array([[0.0], [0.0], [0.0], [0.0], [0.0]])
    theirs = np.array([[1.0], [2.0], [3.0], [2.0], [1.0]])
    assert FALSE_SPLITS == 2 / 32
    assert apart([np.hstack([ours, theirs])]).tolist() == [[False, True], [True, False]]
    theirs[0] = -0.1
    assert not apart([np.hstack([ours, theirs])]).any()
    assert not apart([np.hstack([ours, np.abs(theirs)])[: LEAST_SEEDS - 1]]).any()


def test_a_difference_that_never_varies_is_no_more_certain_than_its_sign():
    """Nine pairs of methods a hundredth apart on every seed, and one pair far apart with a spread."""
    constant = np.repeat(np.arange(5) / 100, 5).reshape(5, 5).T
    assert apart([constant])[0, 1]
    assert not apart([constant[:4]]).any()


def test_equal_figures_and_rounding_are_no_difference():
    figures = np.full((10, 3), 0.1 + 0.2)
    figures[:, 1] = 0.3
    assert not apart([figures]).any()


def test_a_failed_seed_is_worse_than_any_figure():
    rng = np.random.default_rng(0)
    figures = rng.normal(size=(10, 3))
    figures[:, 0] = np.inf
    assert apart([figures])[0].tolist() == [False, True, True]
    figures[:, 1] = np.inf
    assert not apart([figures])[0, 1]


def test_settings_count_alike_whatever_their_size():
    """One large difference in a setting does not outweigh small ones the other way in two settings."""
    large, small = np.tile([0.0, 100.0], (5, 1)), np.tile([1.0, 0.0], (5, 1))
    assert apart([small, small])[0, 1]
    assert not apart([large, small])[0, 1]
    once = np.array([[0, 3], [0, 2], [1, 0], [0, 2], [0, 3]])
    assert not apart([once])[0, 1]
    assert apart([once, 1000 * once])[0, 1]


def test_methods_that_never_met_are_not_told_apart():
    one, other = np.full((5, 3), np.nan), np.full((5, 3), np.nan)
    one[:, 0], other[:, 1], one[:, 2], other[:, 2] = 0, 9, 5, 5
    split = apart([one, other])
    assert not split[0, 1]


@pytest.mark.parametrize("methods", [0, 1])
def test_there_is_nothing_to_tell_apart(methods):
    assert apart([np.zeros((5, methods))]).shape == (methods, methods)


def test_the_order_of_methods_does_not_matter():
    figures = np.random.default_rng(1).normal(size=(20, 6)) + np.arange(6)
    turned = apart([figures[:, ::-1]])
    assert (apart([figures]) == turned[::-1, ::-1]).all()
    assert 0 < turned.sum() < turned.size
