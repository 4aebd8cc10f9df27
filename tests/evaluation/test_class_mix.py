from __future__ import annotations

import numpy as np
import pytest

from deepunlearn_cli.evaluation.class_mix import match


def test_mixes_alike_are_left_alone():
    rng = np.random.default_rng(0)
    found = match(rng.integers(0, 10, 200), rng.integers(0, 10, 1000))
    assert not found.matched
    assert found.kept.all()
    assert set(found.weights) == {1.0}


def test_chance_is_taken_for_a_difference_about_as_often_as_it_says():
    rng = np.random.default_rng(1)
    matched = sum(match(rng.integers(0, 10, 100), rng.integers(0, 10, 400)).matched for _ in range(500))
    assert matched <= 15


def test_weights_give_the_forgotten_mix():
    forget, unseen = np.repeat([0, 1, 2], [80, 15, 5]), np.repeat([0, 1, 2], [50, 50, 100])
    found = match(forget, unseen)
    assert found.matched
    shares = np.bincount(unseen, found.weights) / found.weights.sum()
    assert shares == pytest.approx([0.8, 0.15, 0.05])


def test_a_class_that_is_forgotten_alone_leaves_its_own_unseen_samples():
    found = match(np.full(60, 3), np.repeat(np.arange(10), 30))
    assert found.matched
    assert (found.weights > 0).sum() == 30


def test_classes_without_unseen_samples_are_left_out():
    found = match(np.repeat([0, 1], 50), np.zeros(100, int))
    assert found.matched
    assert found.kept.sum() == 50
    nobody = match(np.zeros(50, int), np.ones(50, int))
    assert not nobody.kept.any()


@pytest.mark.parametrize(("forget", "unseen"), [(0, 5), (5, 0), (0, 0)])
def test_nothing_to_match(forget, unseen):
    assert not match(np.zeros(forget, int), np.ones(unseen, int)).matched


def test_unknown_labels_are_one_class():
    assert not match(np.full(50, -1), np.full(80, -1)).matched
