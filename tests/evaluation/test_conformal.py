"""Intervals of forecasts hold what they promise, of groups that were not seen."""

from __future__ import annotations

import numpy as np
import pytest

from deepunlearn_cli.evaluation.conformal import FEWEST, forecast


def cases(rng, groups: int, each: int = 3):
    """Values that depend on a feature, and on a luck that a group shares."""
    at = np.repeat(rng.uniform(0, 2, groups), each)[:, None]
    luck = np.repeat(rng.normal(0, 0.3, groups), each)
    return (
        at,
        np.sin(2 * at[:, 0]) + luck + rng.normal(0, 0.1, groups * each),
        np.repeat(np.arange(groups), each),
    )


@pytest.mark.parametrize("groups", [4, 9, 30])
def test_nine_of_ten_are_held(groups: int) -> None:
    rng, held, level = np.random.default_rng(groups), [], 0.0
    for _ in range(400):
        features, values, names = cases(rng, groups + 1)
        old = names < groups
        found = forecast(features[old], values[old], names[old], features[-1])
        assert found
        level = found.level
        held.append(found.low <= values[-1] <= found.high)
    assert level == pytest.approx(min(0.9, groups / (groups + 1)))
    assert np.mean(held) > level - 0.04
    assert groups < 30 or np.mean(held) < 0.99, "an interval that holds everything says nothing"


def test_a_feature_that_matters_narrows_the_interval() -> None:
    features, values, names = cases(np.random.default_rng(0), 30)
    plain = forecast(np.zeros_like(features), values, names, np.zeros(1))
    found = forecast(features, values, names, features[0])
    assert plain
    assert found
    assert found.high - found.low < 0.9 * (plain.high - plain.low)


def test_too_few_groups_say_nothing() -> None:
    features, values, names = cases(np.random.default_rng(0), FEWEST - 1, each=50)
    assert forecast(features, values, names, features[0]) is None


def test_it_never_leaves_what_was_seen() -> None:
    features, values, names = cases(np.random.default_rng(0), 10)
    found = forecast(features, values, names, np.array([100.0]))
    assert found
    assert values.min() <= found.middle <= values.max()
