from __future__ import annotations

import numpy as np
import pytest

from deepunlearn_cli.attacks import ATTACKS, verdict
from deepunlearn_cli.attacks.umia import SHUFFLE_SEED, UMIA
from deepunlearn_cli.errors import RunFailed, UsageFailure
from deepunlearn_cli.metrics import cross_entropy
from deepunlearn_cli.recipe import stream_seed


def split(margins: np.ndarray) -> dict[str, np.ndarray]:
    """Two-class outputs whose true class 0 leads by `margins`."""
    logits = np.stack([margins, np.zeros_like(margins)], axis=1).astype(np.float32)
    return {"logits": logits, "labels": np.zeros(len(margins), int)}


def outputs(lead: float = 0.0, forget: int = 400, test: int = 400, seed: int = 0):
    rng = np.random.default_rng(seed)
    return {
        "forget": split(rng.normal(1 + lead, 1, forget)),
        "test": split(rng.normal(1, 1, test)),
        "val": split(rng.normal(1, 1, test)),
    }


@pytest.mark.parametrize("cv", ["kfold", "shuffle"])
@pytest.mark.parametrize("against", ["test", "val"])
def test_identical_distributions_cannot_be_told_apart(cv, against):
    scores = UMIA(cv=cv, against=against).run(outputs(), 0)
    assert scores["accuracy_low"] <= 0.5 <= scores["accuracy_high"]
    assert scores["auc_low"] <= 0.5 <= scores["auc_high"]
    assert scores["indiscernibility"] > 0.85


@pytest.mark.parametrize("cv", ["kfold", "shuffle"])
def test_a_planted_memoriser_is_caught(cv):
    scores = UMIA(cv=cv).run(outputs(lead=4), 0)
    assert scores["accuracy"] > 0.9
    assert scores["auc"] > 0.95
    assert verdict(scores, 0.6) == "FAIL"


def test_kfold_agrees_with_scikit_learn():
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_score

    data = outputs(lead=1, forget=100, test=130)
    rng = np.random.default_rng(stream_seed(3, "umia"))
    losses = [cross_entropy(data[name]["logits"], data[name]["labels"]) for name in ("forget", "test")]
    kept = np.concatenate([rng.permutation(side)[:100] for side in losses])[:, None]
    folds = StratifiedKFold(10, shuffle=True, random_state=int(rng.integers(2**32)))
    expected = cross_val_score(LogisticRegression(), kept, np.repeat([1, 0], 100), cv=folds)
    scores = UMIA().run(data, 3)
    assert scores["accuracy"] == pytest.approx(expected.mean())
    assert scores["accuracy_sd"] == pytest.approx(expected.std(ddof=1))
    assert (scores["n"], scores["accuracy_n"]) == (100, 200)


def test_shuffle_agrees_with_the_benchmark():
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedShuffleSplit, cross_val_score

    data = outputs(lead=1)
    rng = np.random.default_rng(stream_seed(0, "umia"))
    losses = [cross_entropy(data[name]["logits"], data[name]["labels"]) for name in ("forget", "test")]
    kept = np.concatenate([rng.permutation(side) for side in losses])[:, None]
    splits = StratifiedShuffleSplit(10, random_state=SHUFFLE_SEED)
    expected = cross_val_score(LogisticRegression(), kept, np.repeat([1, 0], 400), cv=splits)
    scores = UMIA(cv="shuffle").run(data, 0)
    assert scores["accuracy"] == pytest.approx(expected.mean())
    assert 400 < scores["accuracy_n"] < 800  # distinct samples among ten tests of 80


def test_swapping_the_sides_mirrors_the_attack():
    data = outputs(lead=1)
    one = UMIA().run(data, 0)
    other = UMIA().run({"forget": data["test"], "test": data["forget"]}, 0)
    assert other["accuracy"] == pytest.approx(one["accuracy"], abs=0.02)
    assert other["auc"] == pytest.approx(1 - one["auc"])


@pytest.mark.parametrize(("forget", "test"), [(50, 300), (300, 50)])
def test_the_larger_side_is_cut(forget, test):
    data = outputs(forget=forget, test=test)
    assert UMIA().run(data, 0)["n"] == 50
    assert UMIA().run(data, 0) == UMIA().run(data, 0)
    assert UMIA().run(data, 0)["auc"] != UMIA().run(data, 1)["auc"]


def test_badly_scaled_losses_warn_nobody(recwarn):
    rng = np.random.default_rng(0)
    data = {name: split(rng.normal(0, 1e6, 200)) for name in ("forget", "test")}
    UMIA().run(data, 0)
    assert not recwarn.list


def test_constant_losses_are_a_coin_toss():
    data = {name: split(np.ones(100)) for name in ("forget", "test")}
    scores = UMIA().run(data, 0)
    assert (scores["accuracy"], scores["auc"]) == (0.5, 0.5)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_losses_that_are_not_finite_are_refused(bad):
    data = outputs()
    data["forget"]["logits"][3] = bad
    with pytest.raises(RunFailed, match="1 of 400 losses on forget are not finite"):
        UMIA().run(data, 0)


@pytest.mark.parametrize(("forget", "test", "name"), [(0, 50, "forget"), (50, 0, "test"), (9, 50, "forget")])
@pytest.mark.parametrize("cv", ["kfold", "shuffle"])
def test_too_few_samples_are_refused_by_name(forget, test, name, cv):
    with pytest.raises(UsageFailure, match=f"{name} has {min(forget, test)}"):
        UMIA(cv=cv).run(outputs(forget=forget, test=test), 0)


def test_ten_samples_are_enough():
    for cv in ("kfold", "shuffle"):
        assert UMIA(cv=cv).run(outputs(forget=10, test=10), 0)["n"] == 10


def test_a_missing_split_is_named():
    with pytest.raises(UsageFailure, match="no outputs for the val split"):
        UMIA(against="val").run({"forget": split(np.ones(20))}, 0)


def test_the_room_knows_it():
    assert "umia" in ATTACKS.names()
    assert ATTACKS.get("umia") is UMIA
    assert UMIA.build({"folds": "5"}).folds == 5
    with pytest.raises(UsageFailure):
        UMIA(folds=1)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.49, 0.53, "PASS"),
        (0.40, 0.43, "FAIL"),
        (0.57, 0.60, "FAIL"),
        (0.52, 0.57, "INCONCLUSIVE"),
        (0.40, 0.60, "INCONCLUSIVE"),
        (0.45, 0.55, "PASS"),
        (float("nan"), float("nan"), "INCONCLUSIVE"),
    ],
)
def test_verdict_is_two_sided(low, high, expected):
    assert verdict({"accuracy_low": low, "accuracy_high": high}, 0.55) == expected


@pytest.mark.parametrize("limit", [0.49, 1.1, float("nan")])
def test_a_limit_outside_its_range_is_refused(limit):
    with pytest.raises(UsageFailure, match="limit"):
        verdict({"accuracy_low": 0.5, "accuracy_high": 0.5}, limit)
