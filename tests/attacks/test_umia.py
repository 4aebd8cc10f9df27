from __future__ import annotations

import numpy as np
import pytest
from outputs_kit import outputs, split

from deepunlearn_cli.attacks import ATTACKS
from deepunlearn_cli.attacks._features import FEATURES, feature_of
from deepunlearn_cli.attacks._umia import SHUFFLE_SEED
from deepunlearn_cli.attacks.umia import UMIA
from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.core.recipe import stream_seed
from deepunlearn_cli.evaluation import intervals
from deepunlearn_cli.evaluation.features import log_odds
from deepunlearn_cli.evaluation.metrics import cross_entropy


def attacked(data, seed: int = 0, **params):
    return UMIA(**params).run({"target": lambda: data}, seed)


def scores_of(data, seed: int = 0, **params):
    return attacked(data, seed, **params).scores


@pytest.mark.parametrize("cv", ["kfold", "shuffle"])
@pytest.mark.parametrize("against", ["test", "val"])
def test_identical_distributions_cannot_be_told_apart(cv, against):
    scores = scores_of(outputs(), 0, cv=cv, against=against)
    assert scores["accuracy_low"] <= 0.5 <= scores["accuracy_high"]
    assert scores["auc_low"] <= 0.5 <= scores["auc_high"]
    assert scores["indiscernibility"] > 0.85


@pytest.mark.parametrize("cv", ["kfold", "shuffle"])
def test_a_planted_memoriser_is_caught(cv):
    scores = scores_of(outputs(lead=4), 0, cv=cv)
    assert scores["accuracy"] > 0.9
    assert scores["auc"] > 0.95
    assert scores["accuracy_low"] > 0.6


def test_kfold_agrees_with_scikit_learn():
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_score

    data = outputs(lead=1, forget=100, test=130)
    rng = np.random.default_rng(stream_seed(3, "umia"))
    losses = [cross_entropy(data[name]["logits"], data[name]["labels"]) for name in ("forget", "test")]
    kept = np.concatenate([rng.permutation(side)[:100] for side in losses])[:, None]
    folds = StratifiedKFold(10, shuffle=True, random_state=int(rng.integers(2**32)))
    expected = cross_val_score(LogisticRegression(), kept, np.repeat([1, 0], 100), cv=folds)
    scores = scores_of(data, 3)
    assert scores["accuracy"] == pytest.approx(expected.mean())
    assert scores["accuracy_sd"] == pytest.approx(expected.std(ddof=1))
    assert (scores["n"], scores["accuracy_n"]) == (100, 100)


def test_shuffle_agrees_with_the_benchmark():
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedShuffleSplit, cross_val_score

    data = outputs(lead=1)
    rng = np.random.default_rng(stream_seed(0, "umia"))
    losses = [cross_entropy(data[name]["logits"], data[name]["labels"]) for name in ("forget", "test")]
    kept = np.concatenate([rng.permutation(side) for side in losses])[:, None]
    splits = StratifiedShuffleSplit(10, random_state=SHUFFLE_SEED)
    expected = cross_val_score(LogisticRegression(), kept, np.repeat([1, 0], 400), cv=splits)
    scores = scores_of(data, 0, cv="shuffle")
    assert scores["accuracy"] == pytest.approx(expected.mean())
    assert 200 < scores["accuracy_n"] < 400  # half of the distinct samples among ten tests of 80


def test_swapping_the_sides_mirrors_the_attack():
    data = outputs(lead=1)
    one = scores_of(data, 0)
    other = scores_of({"forget": data["test"], "test": data["forget"]}, 0)
    assert other["accuracy"] == pytest.approx(one["accuracy"], abs=0.02)
    assert other["auc"] == pytest.approx(1 - one["auc"])


@pytest.mark.parametrize(("forget", "test"), [(50, 300), (300, 50)])
def test_the_larger_side_is_cut(forget, test):
    data = outputs(forget=forget, test=test)
    assert scores_of(data, 0)["n"] == 50
    assert scores_of(data, 0) == scores_of(data, 0)
    assert scores_of(data, 0)["auc"] != scores_of(data, 1)["auc"]


def test_badly_scaled_losses_warn_nobody(recwarn):
    rng = np.random.default_rng(0)
    data = {name: split(rng.normal(0, 1e6, 200)) for name in ("forget", "test")}
    scores_of(data, 0)
    assert not recwarn.list


@pytest.mark.parametrize(("forget", "test", "name"), [(0, 50, "forget"), (50, 0, "test"), (9, 50, "forget")])
@pytest.mark.parametrize("cv", ["kfold", "shuffle"])
def test_too_few_samples_are_refused_by_name(forget, test, name, cv):
    with pytest.raises(UsageFailure, match=f"{name} has {min(forget, test)}"):
        scores_of(outputs(forget=forget, test=test), 0, cv=cv)


def test_ten_samples_are_enough():
    for cv in ("kfold", "shuffle"):
        assert scores_of(outputs(forget=10, test=10), 0, cv=cv)["n"] == 10


def test_the_room_knows_it():
    assert "umia" in ATTACKS.names()
    assert ATTACKS.get("umia") is UMIA
    assert UMIA.build({"folds": "5"}).folds == 5
    with pytest.raises(UsageFailure):
        UMIA(folds=1)


def test_intervals_hold_a_half_for_identical_distributions():
    inside = {"accuracy": 0, "auc": 0}
    for repetition in range(100):
        scores = scores_of(outputs(forget=150, test=150, seed=repetition), repetition)
        for name in inside:
            inside[name] += scores[f"{name}_low"] <= 0.5 <= scores[f"{name}_high"]
    assert min(inside.values()) >= 93


def test_features_that_are_offered_are_those_there_are():
    assert tuple(FEATURES) == UMIA.domains()["feature"].choices


@pytest.mark.parametrize("feature", FEATURES)
def test_every_feature_sees_a_memoriser_and_nothing_else(feature):
    assert scores_of(outputs(), feature=feature)["auc"] == pytest.approx(0.5, abs=0.06)
    assert scores_of(outputs(lead=4), feature=feature)["auc"] > 0.9


def test_features_by_hand():
    logits = np.log(np.array([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3]]))
    part = {"logits": logits, "labels": np.array([0, 2])}
    found = {name: feature_of(name, part, "here") for name in FEATURES}
    assert found["loss"] == pytest.approx(np.log([0.7, 0.3]))
    assert found["confidence"] == pytest.approx([0.7, 0.3])
    assert found["entropy"][0] == pytest.approx(0.7 * np.log(0.7) + 0.2 * np.log(0.2) + 0.1 * np.log(0.1))
    first = 0.3 * np.log(0.7) + 0.2 * np.log(0.8) + 0.1 * np.log(0.9)
    assert found["modified-entropy"][0] == pytest.approx(first)
    assert found["margin"] == pytest.approx(np.log([0.7 / 0.2, 0.3 / 0.6]))
    assert log_odds(logits, part["labels"]) == pytest.approx(np.log([0.7 / 0.3, 0.3 / 0.7]))


def test_features_of_extreme_logits_are_finite():
    part = {"logits": np.array([[1e4, -1e4, 0.0], [-1e4, 1e4, 0.0]]), "labels": np.array([0, 0])}
    for name in FEATURES:
        assert np.isfinite(feature_of(name, part, "here")).all(), name
    assert np.isfinite(log_odds(part["logits"], part["labels"])).all()


def test_low_false_positive_rates_need_samples():
    few, many = scores_of(outputs(forget=99, test=99)), scores_of(outputs(forget=1000, test=1000))
    assert (few["tpr_1"], few["tpr_1_low"], few["tpr_01"]) == (None, None, None)
    assert many["tpr_1_low"] <= 0.01 <= many["tpr_1_high"]
    assert many["tpr_01_low"] <= 0.001 <= many["tpr_01_high"]


def test_what_it_says_of_each_sample():
    data = outputs(lead=2, forget=60, test=90)
    data["forget"]["index"] = np.arange(1000, 1060)
    found = attacked(data)
    forget, against = found.parts["forget"], found.parts["against"]
    assert sorted(forget["index"]) == list(range(1000, 1060))
    assert len(np.unique(against["index"])) == 60
    right = np.concatenate([forget["guess"], 1 - against["guess"]])
    assert right.mean() == pytest.approx(found.scores["accuracy"], abs=0.02)
    assert intervals.auc(forget["score"], against["score"]) == found.scores["auc"]
