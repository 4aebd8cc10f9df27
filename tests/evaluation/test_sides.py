"""The figures of a verdict by hand and against references; `test_verdict_simulations` has their errors."""

from __future__ import annotations

import math

import numpy as np
import pytest
from audit_kit import pair, shifted

from deepunlearn_cli.evaluation import intervals
from deepunlearn_cli.evaluation.equivalence import decide
from deepunlearn_cli.evaluation.power import forget_needed
from deepunlearn_cli.evaluation.sides import FIGURES, RATE, Sides, area, gaps, guesses, tail_interval

RNG = np.random.default_rng(0)
FORGET, UNSEEN = RNG.normal(0.5, 1, 300), RNG.normal(0, 1, 500)
SIDES = Sides.of(FORGET, UNSEEN)


def of(metric: str, ours: Sides, control: Sides | None = None):
    return gaps(ours, control, [metric])[0]


def test_as_many_are_called_as_asked():
    for sides in (SIDES, Sides.of(np.round(FORGET), np.round(UNSEEN)), SIDES.blind):
        mass = np.concatenate(sides.masses) / 2
        for share in (0.005, 0.3, 0.995):
            assert guesses(sides.among_all, share) @ mass == pytest.approx(share)
            assert guesses(sides.from_above, share)[300:] @ sides.weights == pytest.approx(share)


def test_against_references():
    from scipy.stats import ks_2samp
    from sklearn.metrics import roc_auc_score

    truth = np.repeat([1, 0], [300, 500])
    assert of("auc", SIDES).ours == area(SIDES) == pytest.approx(roc_auc_score(truth, SIDES.scores))
    best = (1 + ks_2samp(FORGET, UNSEEN).statistic) / 2
    assert of("accuracy", SIDES).ours == pytest.approx(best, abs=0.005)
    assert of("tpr_1", SIDES).ours == intervals.tpr_at(FORGET, UNSEEN, RATE)
    assert of("tpr_1_below", SIDES).ours == intervals.tpr_at(-FORGET, -UNSEEN, RATE)
    assert tail_interval(SIDES, RATE)[1:] == intervals.tpr_interval(FORGET, UNSEEN, RATE)


def test_delong_by_hand():
    """Variance of an AUC against 0.5: that of the placements on either side, and what is added."""
    above = (FORGET[:, None] > UNSEEN).mean(axis=1), (FORGET[:, None] > UNSEEN).mean(axis=0)
    variance = above[0].var(ddof=1) / 300 + above[1].var(ddof=1) / 500 + 1 / 300**2 + 1 / 500**2
    assert of("auc", SIDES).errors[0] == pytest.approx(math.sqrt(variance))


def test_guessing_has_the_figures_of_guessing():
    found = {gap.metric: gap for gap in gaps(SIDES, None)}
    assert {name: gap.theirs for name, gap in found.items()} == pytest.approx(
        {"accuracy": 0.5, "auc": 0.5, "tpr_1": RATE, "tpr_1_below": RATE}
    )


def test_any_monotone_feature_gives_the_same():
    other = Sides.of(np.exp(3 * FORGET), np.exp(3 * UNSEEN))
    for one, two in zip(gaps(SIDES, None), gaps(other, None), strict=True):
        assert (one.values == two.values).all()
        assert (one.errors == two.errors).all()


def test_turned_scores_turn_the_tails():
    turned = Sides.of(-FORGET, -UNSEEN)
    assert of("auc", turned).values[0] == pytest.approx(-of("auc", SIDES).values[0])
    assert of("tpr_1", turned).values[0] == of("tpr_1_below", SIDES).values[0]
    assert of("accuracy", turned).ours == pytest.approx(of("accuracy", SIDES).ours)


def test_ties_at_the_top_are_shared_out():
    """Half of the forgotten and 2 % of the unseen are at the top: at 1 %, a quarter of the forgotten is called."""
    capped = Sides.of(np.repeat([9.0, 0.0], [50, 50]), np.repeat([9.0, 0.0], [2, 98]))
    assert of("tpr_1", capped).ours == pytest.approx(0.25)


def test_a_sample_counts_as_its_weight_says():
    weights = np.repeat([2.0, 0.0], [200, 300])
    kept = Sides.of(FORGET, UNSEEN[:200])
    for metric in FIGURES:
        one, two = of(metric, Sides.of(FORGET, UNSEEN, weights)), of(metric, kept)
        assert one.values == pytest.approx(two.values)
        assert one.errors == pytest.approx(two.errors)
    assert Sides.of(FORGET, UNSEEN, weights).sizes == pytest.approx((300, 200))


def test_equal_models_have_an_error_and_no_gap():
    for n in (30, 300):
        sides = Sides.of(FORGET[:n], UNSEEN[:n])
        for gap in gaps(sides, sides):
            assert not gap.values.any()
            assert (gap.errors >= 0.5 / n).all()


def test_no_side_is_no_verdict():
    for sides in (Sides.of(FORGET[:0], UNSEEN), Sides.of(FORGET, UNSEEN[:0], np.zeros(0))):
        assert decide(gaps(sides, None), 0.05, min(sides.sizes)).verdict == "INCONCLUSIVE"
        assert forget_needed(sides, None, 0.05) is None


def test_pairing_narrows_the_gap():
    rng = np.random.default_rng(3)
    ours, control = pair(rng, 400, 400)
    other = pair(rng, 400, 400)[1]
    for metric in ("accuracy", "auc"):
        assert of(metric, ours, control).errors.max() < 0.75 * of(metric, ours, other).errors.max()


def test_more_samples_are_needed_for_less_tolerance():
    ours, control = pair(np.random.default_rng(4), 300, 300)
    needed = [forget_needed(ours, control, tolerance) for tolerance in (0.1, 0.05, 0.025)]
    assert needed == sorted(needed)
    assert needed[2] / needed[1] == pytest.approx(4, rel=0.3)
    assert forget_needed(ours, control, 0.0) is None
    assert forget_needed(ours, control, 0.05, ["auc"]) < needed[1], "all figures take more than one"
    assert forget_needed(ours, control, 0.05) == needed[1], "the same every time"


def test_a_leak_is_no_reason_to_plan_for_more():
    """The plan is for a model equal to its control: a shift leaves it about where it was."""
    plans = [
        forget_needed(*pair(np.random.default_rng(5), 400, 400, leak=shifted(by)), 0.05, ["auc"])
        for by in (0, 0.5)
    ]
    assert plans[1] == pytest.approx(plans[0], rel=0.4)


def test_a_tail_takes_a_hundred_unseen_samples():
    ours, control = pair(np.random.default_rng(6), 900, 99)
    few = {gap.metric: gap for gap in gaps(ours, control)}
    assert [math.isinf(few[name].errors[0]) for name in FIGURES[1:]] == [False, True, True]
    assert decide(list(few.values()), 0.4, 99).verdict == "INCONCLUSIVE"
    assert decide([few["auc"], few["accuracy"]], 0.4, 99).verdict == "PASS"
    assert forget_needed(ours, control, 0.4) >= 900 * 100 / 99
