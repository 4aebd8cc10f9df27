"""How far two answers lie apart: bits, names, shapes, the largest difference."""

from __future__ import annotations

import math

import numpy as np
import pytest

from deepunlearn_cli.evaluation.agreement import distances, of_arrays, of_figures


def test_equal_is_every_bit() -> None:
    ours = {"w": np.array([1.0, np.nan, -0.0], np.float32)}
    assert of_arrays(ours, {"w": ours["w"].copy()}).equal
    other = of_arrays(ours, {"w": np.array([1.0, np.nan, 0.0], np.float32)})
    assert (other.equal, other.largest, other.where) == (False, 0.0, "w")


@pytest.mark.parametrize(
    "theirs",
    [
        {},
        {"v": np.zeros(2)},
        {"w": np.zeros(3)},
        {"w": np.zeros(2, np.float32)},
        {"w": np.array([0, np.nan])},
    ],
)
def test_another_kind_of_thing_is_infinitely_far(theirs) -> None:
    found = of_arrays({"w": np.zeros(2)}, theirs)
    assert not found.equal
    assert math.isinf(found.largest)


def test_the_largest_difference_has_a_name() -> None:
    ours, theirs = {"a": np.zeros(3), "b": np.zeros(3)}, {"a": np.full(3, 0.1), "b": np.array([0, 0, -0.5])}
    found = of_arrays(ours, theirs)
    assert (found.largest, found.where) == (0.5, "b")


def test_a_decision_that_tips_over_is_one_of_many() -> None:
    ours = {"forget.guess": np.zeros(100)}
    theirs = {"forget.guess": np.eye(100)[0]}
    assert of_arrays(ours, theirs).largest == pytest.approx(0.01)


def test_figures_in_lists_and_mappings() -> None:
    ours = {"RA": 0.5, "n": 3, "of": {"x": [1.0, None]}}
    assert of_figures(ours, {"RA": 0.5, "n": 3, "of": {"x": [1.0, None]}}).equal
    assert distances(ours, {"RA": 0.25, "n": 3, "of": {"x": [1.0, 2.0]}}) == {
        "RA": 0.25,
        "n": 0.0,
        "of.x[0]": 0.0,
        "of.x[1]": math.inf,
    }
