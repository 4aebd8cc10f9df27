"""The order of outputs: found where a model has another, and never made up for a weak or broken one."""

from __future__ import annotations

import numpy as np
import pytest

from deepunlearn_cli.evaluation.permutation import best_order

RNG = np.random.default_rng(0)


def said(labels: np.ndarray, classes: int, accuracy: float) -> np.ndarray:
    """Logits of a model that is right so often, and else says anything."""
    answers = np.where(RNG.random(len(labels)) < accuracy, labels, RNG.integers(0, classes, len(labels)))
    return np.eye(classes)[answers]


@pytest.mark.parametrize(("classes", "accuracy"), [(2, 0.8), (3, 0.9), (10, 0.6), (100, 0.3), (100, 1.0)])
def test_another_order_is_found(classes, accuracy):
    labels = np.arange(40 * classes) % classes
    order = np.roll(np.arange(classes), 1)
    found = best_order(said(order[labels], classes, accuracy), labels)
    assert found.another
    assert np.array_equal(found.outputs, order)
    assert found.fits > 3 * found.as_is


@pytest.mark.parametrize("classes", [12, 100])
def test_two_classes_exchanged_among_many(classes):
    labels = np.arange(40 * classes) % classes
    order = np.arange(classes)
    order[[3, 7]] = order[[7, 3]]
    found = best_order(said(order[labels], classes, 0.9), labels)
    assert np.array_equal(found.outputs, order)


@pytest.mark.parametrize("classes", [2, 3, 10, 100])
@pytest.mark.parametrize("accuracy", [0.0, 0.2, 0.5, 1.0])
def test_the_order_of_the_classes_stays(classes, accuracy):
    labels = np.arange(40 * classes) % classes
    assert not best_order(said(labels, classes, accuracy), labels).another


def test_a_removed_class_and_a_constant_answer_are_no_other_order():
    labels = np.arange(400) % 10
    removed = np.where(labels == 3, 9, labels)
    assert not best_order(np.eye(10)[removed], labels).another
    assert not best_order(np.eye(10)[np.zeros(400, int)], labels).another


def test_untrained_networks_are_no_other_order():
    labels = np.arange(1000) % 10
    for seed in range(20):
        rng = np.random.default_rng(seed)
        pictures = rng.normal(size=(10, 64))[labels] + rng.normal(size=(1000, 64))
        assert not best_order(pictures @ rng.normal(size=(64, 10)), labels).another, seed
