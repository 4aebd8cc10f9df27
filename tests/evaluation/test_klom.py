"""KLoM against a histogram and an entropy of scipy per picture, and where the answer is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from deepunlearn_cli.evaluation.klom import LEAST_MODELS, Margins, divergences, klom


def margins(rows) -> Margins:
    picture, split, margin = zip(*rows, strict=True)
    return Margins(np.array(picture), np.array(split), np.array(margin, np.float32))


def drawn(seed: int, models: int, pictures: int, shift: float = 0.0, scale: float = 1.0, first: int = 0):
    """`models` splits that each say something of every picture."""
    rng = np.random.default_rng(seed)
    said = rng.normal(shift, scale, (models, pictures)) + 3 * np.sin(np.arange(pictures))
    split, picture = np.divmod(np.arange(models * pictures), pictures)
    return Margins(picture, split + first, said.reshape(-1))


def by_hand(ours: Margins, reference: Margins, picture: int) -> float:
    p, q = (np.clip(one.margin[one.picture == picture].astype(float), -100, 100) for one in (ours, reference))
    low, high = min(p.min(), q.min()), max(p.max(), q.max())
    shares = [np.histogram(one, 20, (low, high))[0] / len(one) for one in (p, q)]
    filled = np.where(shares[0] > 0, np.maximum(shares[1], 1e-5), shares[1])
    return float(stats.entropy(shares[0], filled))


def test_every_picture_agrees_with_scipy():
    ours, reference = drawn(0, 23, 40, 0.7), drawn(1, 31, 40)
    wild = Margins(ours.picture, ours.split, ours.margin * np.where(ours.picture % 7 == 0, 80, 1))
    found = divergences(wild, reference, 40)
    assert found == pytest.approx([by_hand(wild, reference, i) for i in range(40)], abs=1e-9)
    assert (found > 0).all()


def test_the_same_margins_are_0_and_others_are_known():
    same = margins([(0, s, m) for s, m in enumerate([1.0, 2, 3, 4])])
    assert divergences(same, same, 1) == pytest.approx([0.0])
    apart = divergences(margins([(0, s, 5.0) for s in range(4)]), margins([(0, 0, 0.0)]), 1)
    assert apart == pytest.approx([math.log(1 / 1e-5 * (1 + 1e-5))])
    half = divergences(margins([(0, 0, 0.0), (0, 1, 1.0)]), margins([(0, 0, 0.0)]), 1)
    assert half == pytest.approx([math.log(0.5) + 0.5 * math.log(1 / 1e-5) + math.log(1 + 1e-5)], abs=1e-6)
    constant = margins([(0, s, 2.5) for s in range(4)])
    assert divergences(constant, constant, 1) == pytest.approx([0.0])


def test_a_picture_without_margins_has_none():
    one = margins([(1, 0, 0.0)])
    assert np.isnan(divergences(one, one, 3)[[0, 2]]).all()


def test_the_floor_of_64_models_is_as_published():
    """0.65 nats between two draws of one distribution, 64 models a side."""
    floor = np.nanmean(divergences(drawn(0, 64, 4000), drawn(1, 64, 4000), 4000))
    assert floor == pytest.approx(0.65, abs=0.05)


def test_retrained_models_are_their_own_floor():
    retrained, reference = drawn(0, 20, 50), drawn(1, 20, 50)
    found = klom(retrained, retrained, reference)
    assert found.value == found.floor
    assert (found.excess.value, found.excess.error) == (0, 0)
    assert found.value.value == pytest.approx(np.mean([by_hand(retrained, reference, i) for i in range(50)]))
    assert (found.pictures, found.models) == (50, 20)


def test_errors_are_those_of_a_jackknife_by_hand():
    ours, retrained, reference = drawn(0, 32, 30, 1.0), drawn(1, 32, 30), drawn(2, 32, 30)

    def figure(side: Margins, left: set) -> float:
        sides = [one.where(~np.isin(one.split, list(left))) for one in (side, reference)]
        return float(np.mean([by_hand(*sides, i) for i in range(30)]))

    without = [figure(ours, {s, s + 1}) - figure(retrained, {s, s + 1}) for s in range(0, 32, 2)]
    error = math.sqrt(15 / 16 * sum((one - np.mean(without)) ** 2 for one in without))
    found = klom(ours, retrained, reference)
    assert found.excess.value == pytest.approx(figure(ours, set()) - figure(retrained, set()))
    assert found.excess.error == pytest.approx(error)
    assert found.excess.df == 15


def test_pictures_with_few_models_are_left_out():
    few, many = drawn(0, LEAST_MODELS - 1, 5), drawn(1, 40, 5)
    assert klom(few, few, many) is None
    assert klom(many, many, few) is None
    extra = Margins(np.array([3]), np.array([LEAST_MODELS]), np.array([0.0]))
    enough = Margins(*(np.concatenate([getattr(few, n), getattr(extra, n)]) for n in vars(few)))
    assert klom(enough, enough, many).pictures == 1


def design(seed: int, shift: float, scale: float = 1.0, splits: int = 64):
    """Random halves of 300 pictures, a part of each forgotten: unlearned, retrained and reference margins."""
    rng, rows = np.random.default_rng(seed), ([], [], [])
    for split in range(splits):
        half, never = np.split(rng.permutation(300), 2)
        forget, luck = half[:66], rng.normal(0, 0.3, 2)
        rows[0].extend((i, split, shift + luck[0] + rng.normal(0, scale)) for i in forget)
        rows[1].extend((i, split, luck[1] + rng.normal()) for i in forget)
        rows[2].extend((i, split, luck[1] + rng.normal()) for i in never)
    return [margins(side) for side in rows]


def test_margins_that_vary_too_little_lie_below_the_floor():
    """A few models say less of a narrow distribution by chance: below the floor is a difference too."""
    found = klom(*design(0, 0.0, 0.0))
    assert found.excess.value < -0.3


@pytest.mark.slow
def test_identical_models_stay_at_the_floor_and_a_shift_of_a_deviation_leaves_it():
    null = [klom(*design(seed, 0.0)).excess.interval() for seed in range(100)]
    assert np.mean([low <= 0 <= high for low, high in null]) >= 0.95
    moved = [klom(*design(seed, 1.0)).excess.interval() for seed in range(40)]
    assert np.mean([low > 0 for low, _ in moved]) >= 0.95
