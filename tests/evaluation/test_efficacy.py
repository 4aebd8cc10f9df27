from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from deepunlearn_cli.evaluation.efficacy import FEATURES, interval, left_out, mia_efficacy

rng = np.random.default_rng(0)


def part(confidences):
    """Two-class outputs with these confidences in the true class, 0."""
    p = np.asarray(confidences, dtype=np.float64)
    return {"logits": np.stack([np.log(p), np.log1p(-p)], axis=1), "labels": np.zeros(len(p), dtype=np.int32)}


def outputs(retain, test, forget):
    return {"retain": part(retain), "test": part(test), "forget": part(forget)}


def test_forgotten_pictures_like_unseen_ones_are_1_and_like_seen_ones_0():
    seen, unseen = rng.uniform(0.9, 0.99, 300), rng.uniform(0.3, 0.7, 100)
    assert mia_efficacy(outputs(seen, unseen, rng.uniform(0.3, 0.7, 50))) == 1
    assert mia_efficacy(outputs(seen, unseen, rng.uniform(0.95, 0.99, 50))) == 0
    half = np.concatenate([rng.uniform(0.3, 0.7, 30), rng.uniform(0.95, 0.99, 10)])
    assert mia_efficacy(outputs(seen, unseen, half)) == 0.75


@pytest.mark.parametrize("shapes", [((9, 2), (4, 2), (6, 2)), ((50, 0.1), (8, 0.2), (30, 0.15))])
def test_it_agrees_with_the_papers_support_vector_machine(shapes):
    seen, unseen, forget = (rng.beta(*shape, 1500).clip(1e-6, 1 - 1e-6) for shape in shapes)
    machine = SVC(C=3, gamma="auto", kernel="rbf")
    machine.fit(np.concatenate([seen, unseen])[:, None], [1] * len(seen) + [0] * len(unseen))
    theirs = 1 - machine.predict(forget[:, None]).mean()
    assert mia_efficacy(outputs(seen, unseen, forget)) == pytest.approx(theirs, abs=0.12)


def test_retain_is_drawn_from_all_of_its_classes():
    """Pictures in the order of their classes: the first ones are no sample of all."""
    seen = np.concatenate([np.full(500, 0.2), np.full(500, 0.99)])
    assert mia_efficacy(outputs(seen, np.full(100, 0.5), [0.2, 0.99])) == 0.5


def naive(feature: str, logits: np.ndarray, label: int) -> float:
    """A feature of one picture, term by term."""
    p = [math.exp(z) for z in logits]
    p = [one / sum(p) for one in p]
    if feature == "confidence":
        return p[label]
    if feature == "correctness":
        return float(max(range(len(p)), key=p.__getitem__) == label)
    if feature == "entropy":
        return math.fsum(one * math.log(one) for one in p)
    others = [p[c] * math.log(1 - p[c]) for c in range(len(p)) if c != label]
    return (1 - p[label]) * math.log(p[label]) + math.fsum(others)


def three_classes(seed: int, sizes=(300, 120, 61)) -> dict:
    draw, parts = np.random.default_rng(seed), {}
    for name, size, sure in zip(("retain", "test", "forget"), sizes, (4.0, 1.0, 2.0), strict=True):
        logits, labels = draw.normal(0, 1, (size, 3)), draw.integers(0, 3, size)
        logits[np.arange(size), labels] += sure
        parts[name] = {"logits": logits, "labels": labels}
    return parts


def recomputed(feature: str, parts: dict) -> float:
    """The share by scikit-learn's regression on features that are made picture by picture."""
    values = {
        name: np.array([naive(feature, *one) for one in zip(part["logits"], part["labels"], strict=True)])
        for name, part in parts.items()
    }
    count = min(len(values["retain"]), len(values["test"]))
    chosen = [values[n][np.linspace(0, len(values[n]) - 1, count).astype(int)] for n in ("retain", "test")]
    attack = LogisticRegression(tol=1e-10).fit(np.concatenate(chosen)[:, None], [1] * count + [0] * count)
    return 1 - attack.predict(values["forget"][:, None]).mean()


@pytest.mark.parametrize("feature", FEATURES)
def test_every_feature_agrees_with_a_naive_recomputation(feature):
    for seed in range(3):
        parts = three_classes(seed)
        assert mia_efficacy(parts, feature) == pytest.approx(recomputed(feature, parts), abs=1e-12)


def test_correctness_is_the_share_of_wrong_answers_where_the_retained_are_right():
    """Hand-made: 10 of 10 retained right, 6 of 10 unseen, 3 of 4 forgotten: one is called unseen."""
    found = mia_efficacy(outputs([0.9] * 10, [0.9] * 6 + [0.1] * 4, [0.8, 0.8, 0.6, 0.2]), "correctness")
    assert found == 0.25


def test_where_there_is_nothing_to_learn_there_is_no_figure():
    """All right everywhere: an attack on correctness calls all the same, whatever was forgotten."""
    sure = outputs([0.9] * 50, [0.9] * 50, [0.9] * 20)
    assert math.isnan(mia_efficacy(sure, "correctness"))
    assert interval(left_out(sure, "correctness")) is None


@pytest.mark.parametrize("feature", FEATURES)
def test_the_error_is_that_of_the_jackknife_by_hand(feature):
    parts = three_classes(1)
    found = left_out(parts, feature)
    without = []
    for group in range(20):
        kept = {
            name: {key: np.delete(array, np.s_[group::20], axis=0) for key, array in part.items()}
            for name, part in parts.items()
        }
        without.append(recomputed(feature, kept))
    assert found.without == pytest.approx(without, abs=1e-12)
    error = math.sqrt(19 / 20 * sum((one - np.mean(without)) ** 2 for one in without))
    low, high = interval(found)
    assert low <= max(0, found.value - 2.093 * error) + 1e-4  # Student's 97.5 % point of 19 degrees
    assert high >= min(1, found.value + 2.093 * error) - 1e-4
    assert 0 <= low < found.value < high <= 1


def test_all_forgotten_called_unseen_is_not_certain():
    """Wilson's interval of 30 of 30 begins at 0.886; the jackknife alone has no spread to show."""
    found = left_out(outputs(rng.uniform(0.9, 0.99, 100), rng.uniform(0.3, 0.5, 100), [0.4] * 30))
    assert found.value == 1
    assert set(found.without) == {1.0}
    assert interval(found) == pytest.approx((0.886, 1), abs=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("feature", FEATURES)
def test_intervals_cover_what_is_true(feature):
    """The mean of many draws of the same size: a regression on fewer pictures is another attack."""
    found = [left_out(three_classes(seed, (1200, 400, 200)), feature) for seed in range(200)]
    true = np.mean([one.value for one in found])
    ends = [interval(one) for one in found]
    assert np.mean([low <= true <= high for low, high in ends]) >= 0.92


def test_broken_models_and_empty_parts():
    broken = outputs([0.9] * 10, [0.5] * 10, [0.9] * 10)
    broken["forget"]["logits"][:] = np.nan
    assert mia_efficacy(broken) == 1
    assert math.isnan(mia_efficacy(outputs([0.9], [0.5], [])))
