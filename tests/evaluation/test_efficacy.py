from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.svm import SVC

from deepunlearn_cli.evaluation.efficacy import mia_efficacy

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


def test_broken_models_and_empty_parts():
    broken = outputs([0.9] * 10, [0.5] * 10, [0.9] * 10)
    broken["forget"]["logits"][:] = np.nan
    assert mia_efficacy(broken) == 1
    assert math.isnan(mia_efficacy(outputs([0.9], [0.5], [])))
