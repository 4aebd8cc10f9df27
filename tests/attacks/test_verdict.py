"""What a verdict on an attack goes by, from what models said to the answer."""

from __future__ import annotations

import math

import numpy as np
import pytest
from outputs_kit import outputs, split

from deepunlearn_cli.attacks import Gap, Rule, check_limit, check_tolerance
from deepunlearn_cli.attacks.ulira import ULiRA
from deepunlearn_cli.attacks.umia import UMIA
from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.evaluation.features import log_odds
from deepunlearn_cli.evaluation.intervals import Estimate
from deepunlearn_cli.studies.audit import Answer, Beside, judge

EVERY = Rule(UMIA.metrics())


def judged(ours, control=None, nothing=None, rule: Rule = EVERY, **params) -> Answer:
    attack = UMIA(**params)
    read = [attack.evidence(one) if one else None for one in (ours, control, nothing)]
    return judge(rule, attack, read[0], Beside(*read[1:]))


def saturating(seed: int, forget: float, spread: float, n: int = 2500, few: int = 40) -> dict:
    """A few hard samples dominate the losses of a model that is sure of all others."""
    rng = np.random.default_rng(seed)
    sides = {"forget": rng.normal(forget, spread, n), "test": rng.normal(9, 1.5, n)}
    for name in ("test",) if forget > 9 else ("test", "forget"):
        sides[name][:few] = rng.uniform(2, 5, few)
    return {name: split(margins) for name, margins in sides.items()}


@pytest.mark.parametrize("feature", ["loss", "confidence", "margin", "log-odds"])
def test_a_leak_that_saturates_the_loss_is_seen(feature):
    ours, control = saturating(0, 18, 1), saturating(1, 9, 1.5)
    assert UMIA().run({"target": lambda: ours}, 0).scores["accuracy"] < 0.6, (
        "the paper's attack is blind to it"
    )
    assert judged(ours, control, feature=feature).decision.verdict == "FAIL"
    assert judged(ours, feature=feature).decision.verdict == "FAIL"


def test_saved_values_are_those_of_the_feature():
    """Losses: the smaller is the member."""
    rng = np.random.default_rng(0)
    low = {"forget": {"values": rng.exponential(0.2, 300)}, "test": {"values": rng.exponential(1, 300)}}
    assert UMIA().evidence(low).about()["auc"] > 0.7
    assert UMIA(feature="confidence").evidence(low).about()["auc"] < 0.3


def test_the_verdict_looks_at_log_odds():
    data = outputs()
    scores = UMIA().evidence(data).sides.forget
    assert scores == pytest.approx(log_odds(data["forget"]["logits"], data["forget"]["labels"]))


def test_fewer_than_thirty_samples_are_inconclusive_whatever_they_show():
    for n in (10, 20, 29):
        answer = judged(outputs(lead=9, forget=n, test=n), outputs(forget=n, test=n))
        assert (answer.decision.verdict, answer.decision.few) == ("INCONCLUSIVE", True)
    assert judged(outputs(lead=9, forget=30, test=30), outputs(forget=30, test=30)).decision.verdict == "FAIL"


def test_doing_nothing_bounds_what_a_pass_says():
    same = outputs(forget=1000, test=1000)
    assert judged(same, same, same).uninformative
    assert not judged(same, same, outputs(lead=2, forget=1000, test=1000)).uninformative
    unknown = judged(same, same)
    assert (unknown.decision.verdict, unknown.bound, unknown.uninformative) == ("PASS", None, False)
    assert not judged(outputs(lead=2), same and outputs(), outputs()).uninformative, "FAIL says something"


def test_a_limit_compares_with_guessing():
    rule = Rule(("auc",), fail_above=0.6)
    leaky, clean = outputs(lead=1, forget=900, test=900), outputs(forget=900, test=900)
    assert judged(clean, leaky, rule=rule).decision.verdict == "PASS"
    answer = judged(leaky, leaky, rule=rule)
    assert (answer.decision.verdict, answer.reference) == ("FAIL", "guessing")
    away = outputs(lead=-1, forget=900, test=900)
    assert judged(away, rule=rule).decision.verdict == "FAIL", "far below guessing leaks too"


def test_ulira_is_judged_by_both_figures():
    cells = {name: np.tile([0.1, -0.1], 8) / 100 for name in ("accuracy", "auc")}
    cells |= {"split": np.repeat(np.arange(8), 2), "sample": np.tile(np.arange(2), 8)}
    ours = type("F", (), {"parts": {"cells": cells}, "scores": {"accuracy": 0.5, "auc": 0.9, "samples": 400}})
    control = type(
        "F", (), {"parts": {"cells": cells}, "scores": {"accuracy": 0.5, "auc": 0.5, "samples": 400}}
    )
    assert ULiRA.metrics() == ("accuracy", "auc")
    found = ULiRA().gaps(ULiRA.metrics(), ours, control)
    assert [gap.errors[0] for gap in found] == [1 / 400] * 2, "no certainty from models alike"
    assert Rule(ULiRA.metrics()).decide(found, 400).verdict == "FAIL"
    assert Rule(("accuracy",)).decide(found[:1], 400).verdict == "PASS"
    assert ULiRA().gaps(("auc",), ours, None)[0].values[0] == pytest.approx(0.4)


@pytest.mark.parametrize("limit", [0.4, 1.1, math.nan])
def test_senseless_limits(limit):
    with pytest.raises(UsageFailure, match="--fail-above"):
        check_limit(limit)


@pytest.mark.parametrize("tolerance", [0.0, 0.5, -0.1, math.nan])
def test_senseless_tolerances(tolerance):
    with pytest.raises(UsageFailure, match="--tolerance"):
        check_tolerance(tolerance)


def test_the_default_tolerance_is_five_points():
    assert EVERY.limit == 0.05
    assert Rule(("auc",), fail_above=0.55).limit == pytest.approx(0.05)
    assert EVERY.decide([Gap.of("auc", Estimate(0.0, 0.01))], 100).verdict == "PASS"
