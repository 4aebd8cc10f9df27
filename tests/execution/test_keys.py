"""Keys are for good: what a store holds must be found by every later version.

A frozen key that has changed means that every run of the kind, in every store, would be made anew. Why it did,
and what to do:

- a new field: declare it `added=True` (core/fields.py says how), and the key is as it was;
- another result for the same hyperparameters: raise `revision` of what gives it, and take the new key;
- a new method or attack: take its key;
- anything else: undo it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from split_kit import dataset

from deepunlearn_cli.attacks import ATTACKS
from deepunlearn_cli.core.fields import choice, flag, real, whole
from deepunlearn_cli.core.recipe import Recipe
from deepunlearn_cli.data import ForgetSet
from deepunlearn_cli.execution import recipes
from deepunlearn_cli.execution.makers import MAKERS
from deepunlearn_cli.methods import METHODS
from deepunlearn_cli.methods.retrain import Retrain

FORGET = ForgetSet("random:0.1", np.arange(8), "1" * 64)
SCENE = recipes.Scene(dataset(), "cnn", 0.15, 123)
PLAIN = {"momentum": 0, "weight_decay": 0}
OTHERWISE = {"epochs": 3, "lr": 0.01, "loss": "sd", "gamma": 0.5, "schedule": "constant"}

ORIGINAL = recipes.original(SCENE, {}, 0)
TRACKED = recipes.original(replace(SCENE, augment=False), PLAIN, 1, FORGET)
HALF = recipes.half_original(SCENE, {}, 2)


def checkpoint() -> Recipe:
    """As a file from elsewhere becomes one."""
    params = {"sha256": "2" * 64, "training": Retrain().params()}
    return replace(ORIGINAL, kind="checkpoint", name="checkpoint", revision=1, params=params)


def unlearned(method: str) -> Recipe:
    """A method at its defaults, on an original that it can start from."""
    return recipes.unlearned(TRACKED if METHODS.get(method).tracked else ORIGINAL, method, FORGET)


def compositions() -> dict[str, Recipe]:
    """A recipe of every kind and role, methods and attacks aside."""
    ft = recipes.unlearned(ORIGINAL, "ft", FORGET)
    return {
        "train original": ORIGINAL,
        "train original otherwise": recipes.original(SCENE, OTHERWISE, 0),
        "train retrain": recipes.retrained(ORIGINAL, FORGET),
        "train retrain otherwise": recipes.retrained(ORIGINAL, FORGET, OTHERWISE),
        "train tracked original": TRACKED,
        "train tracked retrain": recipes.retrained(TRACKED, FORGET),
        "checkpoint": checkpoint(),
        "train retrain of a checkpoint": recipes.retrained(checkpoint(), FORGET),
        "unlearn a checkpoint": recipes.unlearned(checkpoint(), "ft", FORGET),
        "unlearn with settings": recipes.unlearned(ORIGINAL, "ft", FORGET, {"lr": 0.02}, augment=False),
        "unlearn from an earlier checkpoint": recipes.unlearned(
            ORIGINAL, "singlegradient", FORGET, earlier=checkpoint()
        ),
        "unlearn the unlearned": recipes.unlearned(ft, "ga", FORGET),
        "trial": recipes.trial(ft, ft.params, 7),
        "shadow original": HALF,
        "shadow retrain": recipes.shadow(HALF, "retrain", FORGET),
        "shadow unlearned": recipes.shadow(HALF, "ft", FORGET),
        "lockstep": recipes.lockstep(SCENE, PLAIN, 0, FORGET),
        "lockstep after pretraining": recipes.lockstep(SCENE, PLAIN, 0, FORGET, {**PLAIN, "epochs": 2}),
        "attack umia": recipes.attack(ft, "umia"),
        "attack umia with settings": recipes.attack(ft, "umia", {"against": "val", "cv": "shuffle"}, 3),
        "attack ulira": recipes.ulira({"0/0": recipes.shadow(HALF, "ft", FORGET)}, "ft"),
        "attack ks": recipes.attack(ft, "ks"),
    }


KEYS = {
    "train original": "863823a34f901a26",
    "train original otherwise": "089f64e647386b8a",
    "train retrain": "8baa5b08d5c843aa",
    "train retrain otherwise": "84268ca0b6620f14",
    "train tracked original": "5053b855a2c8de0f",
    "train tracked retrain": "98ea1ede4f40eeec",
    "checkpoint": "97dba5f9b1d7a642",
    "train retrain of a checkpoint": "8baa5b08d5c843aa",
    "unlearn a checkpoint": "5f3e7606a9c642a7",
    "unlearn with settings": "b3acf511c9c9c725",
    "unlearn from an earlier checkpoint": "c8de57313d64f17c",
    "unlearn the unlearned": "dbd42b4c09d320ec",
    "trial": "b532ae96631026cb",
    "shadow original": "9340fed3e5a22d3b",
    "shadow retrain": "e5cdaf9fab855828",
    "shadow unlearned": "6a39605499a3650d",
    "lockstep": "72ed1ad7061b6d75",
    "lockstep after pretraining": "6ae9593e29c8e6ac",
    "attack umia": "d7ef71e03346e806",
    "attack umia with settings": "7d8806b6648a45ce",
    "attack ulira": "efd0e945921b03f8",
    "attack ks": "3dadd8c6101d5824",
}
OF_METHODS = {
    "amnesiac": "4c12d0bd5e39c28d",
    "bt": "22a13b99325eea3d",
    "cfk": "05096767a3b432bf",
    "cfw": "cb6095f408929627",
    "ct": "73e0575dd1926d61",
    "do-nothing": "56d6123c3ec7eee1",
    "euk": "2f61a79108446dcb",
    "fcs": "86b7d4aba425ac3b",
    "ff": "f36581ec9edf0ec1",
    "ft": "e4fcdfe016315112",
    "ga": "4d489b8ade0e8167",
    "iu": "60815a7096b5228a",
    "kde": "ac7967d4f75e0b0e",
    "l1sparse": "3e1132977d0d0cb4",
    "msg": "b05991f236ee7439",
    "nablatau": "6265e5c1e93f0c12",
    "ngplus": "8e6c361eb3a634f0",
    "prmq": "16324add8d4b4882",
    "retrain": "8baa5b08d5c843aa",
    "rni": "a52e112aaef62cd0",
    "salun": "8dc7ac2ab87a1fb8",
    "scrub": "e0fa4579c7aadd46",
    "singlegradient": "688f05c20df497e8",
    "srl": "92e5bbab13e6d76a",
    "ssd": "d860a068840574a1",
}
LEFT_OUT = {"retrain": {"optimizer": "sgd"}}  # `added` fields of methods and attacks: defaults are final


def explained(found: dict[str, str], frozen: dict[str, str]) -> str:
    """What changed, and what to do."""
    changed = {name: key for name, key in found.items() if frozen.get(name) != key}
    return f"{changed} (lost: {sorted(set(frozen) - set(found))})\n{__doc__}"


def test_keys_of_every_kind_of_run_are_frozen():
    found = {name: recipe.key for name, recipe in compositions().items()}
    assert found == KEYS, explained(found, KEYS)


def test_keys_of_every_method_are_frozen():
    found = {name: unlearned(name).key for name in METHODS.names()}
    assert found == OF_METHODS, explained(found, OF_METHODS)


def test_every_kind_and_every_attack_is_among_them():
    every = compositions().values()
    assert {recipe.kind for recipe in every} == set(MAKERS)
    assert {recipe.name for recipe in every if recipe.kind == "attack"} == set(ATTACKS.names())


def test_defaults_that_keys_leave_out_are_final():
    rooms = (METHODS, ATTACKS)
    found = {name: added for room in rooms for name in room.names() if (added := room.get(name).added())}
    assert found == LEFT_OUT, (
        "keys do not hold these defaults: raise `revision` where one changes\n" + __doc__
    )


@dataclass(frozen=True)
class Grown(Retrain):
    """Training with a field of every type that was added later."""

    smoothing: float = real(0.0, 0.0, 1.0, help="of labels", added=True)
    warmup: int = whole(0, 0, 10, help="epochs", added=True)
    order: str = choice("drawn", ("drawn", "fixed"), help="of batches", added=True)
    nesterov: bool = flag(False, help="momentum", added=True)


@pytest.fixture
def grown(monkeypatch):
    monkeypatch.setattr(recipes, "TRAINER", Grown)


@pytest.mark.usefixtures("grown")
def test_added_fields_leave_every_key_as_it_was():
    assert {name: recipe.key for name, recipe in compositions().items()} == KEYS
    assert recipes.original(SCENE, Grown().values(), 0) == ORIGINAL
    assert recipes.hyperparameters(ORIGINAL) == Grown().values()


@pytest.mark.usefixtures("grown")
@pytest.mark.parametrize(
    "given", [{"smoothing": 0.1}, {"warmup": 1}, {"order": "fixed"}, {"nesterov": True}], ids=str
)
def test_an_added_field_that_is_set_is_in_the_key(given):
    start = recipes.original(SCENE, given, 0)
    assert dict(start.params) == Retrain().params() | given
    assert start.key != ORIGINAL.key
    assert start.setting != ORIGINAL.setting
    assert recipes.retrained(start, FORGET).params == start.params
    assert recipes.retrained(start, FORGET, Grown().added()).key == KEYS["train retrain"]
    assert recipes.hyperparameters(start) == Grown().values() | given


def test_hyperparameters_of_code_that_is_gone_are_those_of_the_recipe():
    gone = replace(unlearned("ft"), name="gone", params={"lr": 1.0})
    assert recipes.hyperparameters(gone) == {"lr": 1.0}
    assert recipes.hyperparameters(checkpoint()) == checkpoint().params
    assert recipes.hyperparameters(unlearned("ft")) == METHODS.get("ft")().values()
