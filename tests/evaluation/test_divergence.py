from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from deepunlearn_cli.evaluation.divergence import jensen_shannon, on_forget


def answers(logits, index=None):
    logits = np.asarray(logits, dtype=np.float32)
    return on_forget(
        {"forget": {"logits": logits, "index": np.arange(len(logits)) if index is None else index}}
    )


def test_it_is_scipys_squared_distance_in_bits():
    draw = np.random.default_rng(0)
    one, other = answers(draw.normal(0, 3, (50, 7))), answers(draw.normal(0, 3, (50, 7)))
    theirs = jensenshannon(one[1], other[1], base=2, axis=1) ** 2
    assert jensen_shannon(one, other) == pytest.approx(theirs.mean())
    assert jensen_shannon(one, other) == jensen_shannon(other, one)


def test_equal_answers_are_0_and_disjoint_ones_1():
    one = answers([[1.0, 2.0], [3.0, -1.0]])
    assert jensen_shannon(one, one) == 0
    sure, opposite = answers([[2000.0, 0.0]]), answers([[0.0, 2000.0]])  # probabilities of exactly 0
    assert jensen_shannon(sure, opposite) == 1


def test_nan_logits_and_other_pictures_have_no_divergence():
    one, other = answers([[1.0, 2.0]]), answers([[1.0, 2.0]], index=np.array([7]))
    assert math.isnan(jensen_shannon(one, other))
    assert math.isnan(jensen_shannon(one, answers([[np.nan, 0.0]])))
