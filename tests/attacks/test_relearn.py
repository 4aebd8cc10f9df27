"""Relearn: what a model is surer of than its control, on made-up readings."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest, mannwhitneyu

from deepunlearn_cli.attacks import ATTACKS, Findings
from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.evaluation import matched

ATTACK = ATTACKS.get("relearn")()
METRICS = list(ATTACK.metrics())


def side(sure: np.ndarray, right: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    rights = {f"{route}_right": right.astype(float) for route in ("retain", "few")}
    return {
        "index": np.arange(len(sure)),
        "label": labels,
        "before": right.astype(float),
        "retain_sure": sure,
        "few_sure": sure,
        **rights,
    }


def reading(lead: float, accuracy: float = 0.9, seed: int = 0, n: int = 200, m: int = 300) -> Findings:
    """A model of its own; what is hard about a picture is the same for all."""
    hard, own = np.random.default_rng(99), np.random.default_rng(seed)
    sides = {}
    for name, size, ahead in (("forget", n, lead), ("unseen", m, 0.0)):
        labels = hard.integers(0, 4, size)
        sure = hard.normal(0, 3, size) + labels + own.normal(ahead, 1, size)
        sides[name] = side(sure, own.random(size) < (accuracy if name == "forget" else 0.9), labels)
    curves = {f"{route}_{name}": np.array([0.9, 0.9]) for route in ("retain", "few") for name in sides}
    return ATTACK.run({"target": lambda: {**sides, "readings": curves}}, 0)


def verdict(ours: Findings, control: Findings | None, tolerance: float = 0.05) -> str:
    return ATTACK.judge(METRICS, ours, control, tolerance).verdict


def test_a_model_that_knows_more_is_found_and_equals_are_not():
    control = reading(0, seed=1)
    judged = ATTACK.judge(METRICS, reading(0.7, seed=2), control, 0.05)
    assert (judged.verdict, judged.reference) == ("FAIL", "retrained")
    assert judged.decided.metric in ("auc", "few_auc")
    assert judged.decided.gap.value > 0.1
    assert verdict(reading(-0.7, seed=2), control) == "FAIL", "knowing less tells them apart, too"
    said = [verdict(reading(0, seed=2 * k), reading(0, seed=2 * k + 1)) for k in range(60)]
    assert said.count("FAIL") <= 7


def test_accuracy_that_came_back_is_found():
    judged = ATTACK.judge(["regained"], reading(0, 1.0, seed=2), reading(0, 0.5, seed=1), 0.05)
    assert (judged.verdict, judged.decided.metric) == ("FAIL", "regained")
    assert judged.decided.gap.value == pytest.approx(0.5, abs=0.1)


def test_equal_models_pass_where_there_are_enough_pictures():
    many = {"n": 4000, "m": 4000}
    assert verdict(reading(0, seed=1, **many), reading(0, seed=2, **many)) == "PASS"
    assert verdict(reading(0, seed=1, n=20), reading(0, seed=2, n=20)) == "INCONCLUSIVE"


def test_without_a_control_unseen_pictures_stand_in():
    judged = ATTACK.judge(METRICS, reading(0, 1.0), None, 0.05)
    assert judged.reference == "holdout"
    assert ATTACK.judge(["regained"], reading(0, 1.0), None, 0.02).verdict == "FAIL"


def test_other_pictures_are_refused():
    other = reading(0)
    other.parts["forget"]["index"] = other.parts["forget"]["index"] + 1
    with pytest.raises(UsageFailure, match="other pictures"):
        verdict(reading(0), other)


def test_classes_alone_tell_nothing_within_classes():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], [180, 20]), np.repeat([0, 1], [20, 180])
    scores = [5.0 * one + rng.normal(size=200) for one in labels]
    assert matched.differ(*labels)
    assert matched.compare(*scores, *labels).p_value > 0.01
    blind = [np.zeros(200, int)] * 2
    assert matched.compare(*scores, *blind).p_value < 1e-10
    assert not matched.differ(labels[0], labels[0])


def test_one_class_is_the_rank_test_of_everybody():
    rng = np.random.default_rng(0)
    ours, theirs = rng.integers(0, 9, 50).astype(float), rng.integers(1, 10, 70).astype(float)
    same = np.zeros(50, int), np.zeros(70, int)
    found, known = matched.compare(ours, theirs, *same), mannwhitneyu(ours, theirs, use_continuity=False)
    assert found.p_value == pytest.approx(known.pvalue)
    assert found.area.value == pytest.approx(known.statistic / 3500)


def test_p_values_within_classes_are_uniform():
    rng = np.random.default_rng(0)
    p = []
    for _ in range(1000):
        labels = rng.integers(0, 5, 60), rng.integers(0, 3, 90)
        scores = [3.0 * one + rng.normal(size=len(one)) for one in labels]
        p.append(matched.compare(*scores, *labels).p_value)
    assert kstest(p, "uniform").pvalue > 0.01


def test_no_class_in_common_says_nothing():
    one = matched.compare(np.ones(3), np.ones(3), np.zeros(3, int), np.ones(3, int))
    assert (one.p_value, one.sizes) == (1.0, (0, 0))
    assert not np.isfinite(one.area.error)
