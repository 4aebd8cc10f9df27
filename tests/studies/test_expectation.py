"""What methods are likely to cost and to give: from runs that are there, and never from nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from deepunlearn_cli import data
from deepunlearn_cli.core.recipe import Recipe
from deepunlearn_cli.data._forget import forget_by_index
from deepunlearn_cli.evaluation.conformal import Forecast
from deepunlearn_cli.execution import recipes
from deepunlearn_cli.methods import METHODS
from deepunlearn_cli.methods._method import Sizes
from deepunlearn_cli.store import Store
from deepunlearn_cli.studies.advice import (
    OPEN,
    RETRAIN_COSTS,
    RETRAIN_EXPOSED,
    RETRAIN_OFF,
    UNKNOWN,
    WORTH,
    advice,
    better,
)
from deepunlearn_cli.studies.difficulty import difficulty
from deepunlearn_cli.studies.expectation import Expected, Request, expected, held_out
from deepunlearn_cli.studies.past import GAP, Past

TRAINING, CLASSES = 400, 4
SIZES = Sizes(360, 40, 50, CLASSES)
DEVICE = "A machine x1"
TRAIN = recipes.TRAINER.build({"epochs": 10}).params()
FT = METHODS.needed("ft").build({"epochs": 2}).params()


def outputs(seed: int):
    rng = np.random.default_rng(seed)
    index, labels = np.arange(TRAINING), np.arange(TRAINING) % CLASSES
    logits = 4.0 * np.eye(CLASSES)[labels] + rng.normal(0, 1, (TRAINING, CLASSES))
    part = {"logits": logits, "labels": labels, "index": index}
    val = {
        "logits": rng.normal(0, 1, (50, CLASSES)) + 2.0 * np.eye(CLASSES)[labels[:50]],
        "labels": labels[:50],
    }
    return {"retain": part, "val": val | {"index": np.arange(50)}}


class Scene:
    """A store with requests that were carried out, without the carrying out."""

    def __init__(self, root: Path) -> None:
        self.store, self.rng = Store.open(root, create=True), np.random.default_rng(0)

    def original(self, seed: int) -> Recipe:
        made = Recipe("train", "original", 2, TRAIN, seed, {"fingerprint": "f", "augment": True}, model="cnn")
        return replace(made, labels={"dataset": "d"})

    def begin(self, seed: int) -> None:
        self.put(self.original(seed), {"RA": 1.0, "VA": 0.9, "TA": 0.9}, 10.0, outputs=outputs(seed))

    def forget(self, indices) -> data.ForgetSet:
        made = forget_by_index("indices:x", np.asarray(indices))
        data.save_forget(made, self.store.data)
        return made

    def put(self, recipe: Recipe, scores, work: float, **more) -> None:
        facts = {"status": "done", "created": 1.0, "device": DEVICE, "shared": False, "classes": CLASSES}
        seconds = work * float(np.exp(self.rng.normal(0, 0.1)))
        self.store.put(recipe, scores=scores, facts=facts | {"seconds": seconds, "work": work}, **more)

    def carried_out(self, forget: data.ForgetSet, seed: int, params=FT) -> None:
        start, luck = self.original(seed), self.rng.normal(0, 0.01, 3)
        retrained, ft = recipes.retrained(start, forget), self.ft(seed, forget, params)
        self.put(retrained, {"RA": 1.0, "FA": 0.8, "VA": 0.9, "TA": 0.9}, 9.0)
        self.put(ft, {"RA": 1.0, "FA": 0.9 + luck[0], "VA": 0.9, "TA": 0.9 + luck[1]}, 1.8)
        for target, accuracy in ((retrained, 0.5), (ft, 0.6 + luck[2])):
            scores = {"accuracy": float(accuracy), "accuracy_low": 0.4, "accuracy_high": 0.7}
            self.store.put(
                recipes.attack(target, "umia"), scores=scores, facts={"status": "done", "created": 1.0}
            )

    def ft(self, seed: int, forget: data.ForgetSet, params=FT) -> Recipe:
        return replace(recipes.unlearned(self.original(seed), "ft", forget), params=params)

    def request(self, forget: data.ForgetSet, seed: int = 0, device: str = DEVICE) -> Request:
        hard = difficulty(outputs(seed), forget)
        return Request(self.original(seed).setting, forget.sha256, hard, SIZES, device)

    def past(self) -> Past:
        return Past(self.store, self.original(0).setting)

    def asked(self, forget: data.ForgetSet, **how) -> Expected:
        return expected(self.past(), self.request(forget, **how), self.ft(0, forget))


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    made = Scene(tmp_path / "store")
    for seed in range(2):
        made.begin(seed)
    return made


def random_set(scene: Scene, size: int = 40) -> data.ForgetSet:
    return scene.forget(scene.rng.choice(TRAINING, size, replace=False))


def filled(scene: Scene, sets: int) -> Scene:
    for _ in range(sets):
        forget = random_set(scene)
        for seed in range(2):
            scene.carried_out(forget, seed)
    return scene


def test_with_nothing_to_go_by_nothing_is_said(scene: Scene) -> None:
    found = scene.asked(random_set(scene))
    assert (found.runs, found.sets, found.alike) == (0, 0, 0)
    assert set(found.figures.values()) == {None}
    assert found.work == pytest.approx(2 * 360 / 400), "work is known beforehand"


def test_two_forget_sets_are_too_few(scene: Scene) -> None:
    found = filled(scene, 2).asked(random_set(scene))
    assert (found.runs, found.sets) == (4, 2)
    assert set(found.figures.values()) == {None}


def test_what_is_expected_is_what_there_was(scene: Scene) -> None:
    found = filled(scene, 10).asked(random_set(scene))
    assert (found.runs, found.sets, found.others) == (20, 10, False)
    assert found.alike == 10
    for name, value in (("RetDev", 0.125), ("UMIA", 0.6), (GAP, 0.1), ("TA", 0.9), ("seconds", 1.8)):
        one = found.figures[name]
        assert one
        assert one.level == 0.9
        assert one.low < value < one.high
        assert one.middle == pytest.approx(value, rel=0.2)
    assert found.figures["UMIA"].high - found.figures["UMIA"].low < 0.1


def test_held_out_runs_are_held_as_often_as_promised(scene: Scene) -> None:
    past = filled(scene, 15).past()
    found = list(held_out(past, {case.forget: SIZES for case in past.cases}))
    assert {one.name for one in found} >= {"RetDev", "UMIA", GAP, "TA", "seconds"}
    told = [one for one in found if one.found.low < one.found.high]
    assert 0.85 < np.mean([one.holds for one in told]) < 0.995


def test_a_whole_class_is_like_no_random_draw(scene: Scene) -> None:
    filled(scene, 4)
    found = scene.asked(scene.forget(np.arange(0, TRAINING, CLASSES)))
    assert found.alike == 0
    assert scene.request(scene.forget(np.arange(0, TRAINING, CLASSES))).difficulty.mixed == 1


def test_other_hyperparameters_count_for_want_of_the_same(scene: Scene) -> None:
    for _ in range(3):
        scene.carried_out(random_set(scene), 0, FT | {"lr": 0.05})
    found = scene.asked(random_set(scene))
    assert (found.runs, found.others) == (3, True)
    assert not filled(scene, 3).asked(random_set(scene)).others


def test_seconds_of_another_machine_do_not_count(scene: Scene) -> None:
    forget = random_set(filled(scene, 4))
    assert scene.asked(forget).figures["seconds"]
    assert scene.asked(forget, device="Another x1").figures["seconds"] is None


def test_without_its_original_a_request_is_of_unknown_difficulty(scene: Scene) -> None:
    forget = random_set(filled(scene, 4))
    request = replace(scene.request(forget), difficulty=None)
    found = expected(scene.past(), request, scene.ft(0, forget))
    assert found.figures["UMIA"] is None
    assert found.figures["seconds"]


def test_a_memory_of_pictures_is_seen(scene: Scene) -> None:
    hard = difficulty(outputs(0), random_set(scene))
    assert hard.known > 0.7
    assert hard.share == pytest.approx(-1)
    assert hard.mixed < 0.3


def likely(method: str = "ft", work: float = 1.0, **figures) -> Expected:
    told = {name: one and Forecast((one[0] + one[1]) / 2, *one, 0.9) for name, one in figures.items()}
    return Expected(method, 10, 5, False, 0, work, told)


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (likely(work=9.0), RETRAIN_COSTS),
        (likely(seconds=(8, 30)), RETRAIN_COSTS),
        (likely(), UNKNOWN),
        (likely(RetDev=(0.06, 0.2)), RETRAIN_OFF),
        (likely(RetDev=(0.0, 0.2), UMIA_gap=(0.2, 0.3)), RETRAIN_EXPOSED),
        (likely(RetDev=(0.0, 0.2), UMIA_gap=(-0.1, 0.3)), OPEN),
        (likely(RetDev=(0.0, 0.04), UMIA_gap=(-0.1, 0.01)), WORTH),
        (likely("retrain", 9.0), ""),
    ],
)
def test_when_retraining_is_the_better_answer(one: Expected, said: str) -> None:
    retrained = likely("retrain", 9.0, seconds=(8, 12), RetDev=(0, 0))
    assert advice(one, retrained, 0.05) == said


def test_retraining_is_better_only_than_all() -> None:
    assert better(["", RETRAIN_COSTS, RETRAIN_OFF])
    assert not better(["", RETRAIN_COSTS, OPEN])
    assert not better([""])
