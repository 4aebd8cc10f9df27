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
from deepunlearn_cli.data import Canary, ForgetSet
from deepunlearn_cli.execution import recipes, studied, trials
from deepunlearn_cli.execution.makers import MAKERS
from deepunlearn_cli.methods import METHODS
from deepunlearn_cli.methods.retrain import Retrain

FORGET = ForgetSet("random:0.1", np.arange(8), "1" * 64)
SECOND = ForgetSet("class:3", np.arange(8, 12), "3" * 64)
SCENE = recipes.Scene(dataset(), "cnn", 0.15, 123)
PLAIN = {"momentum": 0, "weight_decay": 0}
OTHERWISE = {"epochs": 3, "lr": 0.01, "loss": "sd", "gamma": 0.5, "schedule": "constant"}

ORIGINAL = recipes.original(SCENE, {}, 0)
TRACKED = recipes.original(replace(SCENE, augment=False), PLAIN, 1, FORGET)
CANARY = Canary("1" * 64)
PLANTED = recipes.original(SCENE, {}, 0, canary=CANARY)
HALF = studied.half_original(SCENE, {}, 2)


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
        "retrain of the unlearned": recipes.retrained(ft, SECOND),
        "attack an earlier request": recipes.attack(recipes.unlearned(ft, "ga", SECOND), "ks", forget=FORGET),
        "trial": trials.trial(ft, ft.params, 7),
        "shadow original": HALF,
        "shadow retrain": studied.shadow(HALF, "retrain", FORGET),
        "shadow unlearned": studied.shadow(HALF, "ft", FORGET),
        "lockstep": studied.lockstep(SCENE, PLAIN, 0, FORGET),
        "lockstep after pretraining": studied.lockstep(SCENE, PLAIN, 0, FORGET, {**PLAIN, "epochs": 2}),
        "attack umia": recipes.attack(ft, "umia"),
        "attack umia with settings": recipes.attack(ft, "umia", {"against": "val", "cv": "shuffle"}, 3),
        "attack ulira": studied.ulira({"0/0": studied.shadow(HALF, "ft", FORGET)}, "ft"),
        "attack ks": recipes.attack(ft, "ks"),
        "train original with canaries": PLANTED,
        "train retrain of canaries": recipes.retrained(PLANTED, FORGET),
        "attack canary": recipes.attack(recipes.unlearned(PLANTED, "ft", FORGET), "canary"),
        "attack relearn": recipes.attack(ft, "relearn"),
    }


KEYS = {
    "train original": "302a6607034c4394",
    "train original otherwise": "88ea56cf5cca8633",
    "train retrain": "90aee963664b61d1",
    "train retrain otherwise": "abf2775892f7fcf0",
    "train tracked original": "b3452069e57c5678",
    "train tracked retrain": "0afb9570e5a9008f",
    "checkpoint": "97dba5f9b1d7a642",
    "train retrain of a checkpoint": "90aee963664b61d1",
    "unlearn a checkpoint": "8e77d62c7b88e801",
    "unlearn with settings": "3520c75933ed366a",
    "unlearn from an earlier checkpoint": "605159511823ed27",
    "unlearn the unlearned": "fc2ac669bdee1186",
    "retrain of the unlearned": "c4f242a514764494",
    "attack an earlier request": "1cd6e8fd3e6ad355",
    "trial": "884bb51d8434b7d3",
    "shadow original": "be3be56c029f859b",
    "shadow retrain": "95366295abe7c2fa",
    "shadow unlearned": "a874e0a1823202c5",
    "lockstep": "e3f29c0ddec1cded",
    "lockstep after pretraining": "69f2d078718fc6d8",
    "attack umia": "53571c74c4bec6fa",
    "attack umia with settings": "ecd62b4f87dc73d1",
    "attack ulira": "63b0d387ff4f08d5",
    "attack ks": "fcd7a07af4b4f6fc",
    "train original with canaries": "561aea8cb55a0855",
    "train retrain of canaries": "629869f30d3d7798",
    "attack canary": "619d0432776effe8",
    "attack relearn": "09fccd2251f63f22",
}
OF_METHODS = {
    "amnesiac": "417a65ea84da33fc",
    "amun": "47b1458dd3416143",
    "bt": "ba624aec41fc5220",
    "cfk": "437e0e70235e330c",
    "cfw": "299d0cbb1a16b905",
    "ct": "aebdf91fa3d800cd",
    "delete": "3bae5d418552ac30",
    "do-nothing": "1a22892701ab0e28",
    "euk": "8b3d6af3749ffa46",
    "fcs": "fb9e826fa4fe3bee",
    "ff": "cab7202090e67d8d",
    "ft": "96d144ff77edd8b0",
    "ga": "8689d51a043770d2",
    "iu": "0491d723e0db6c83",
    "kde": "1a255ef81177372e",
    "l1sparse": "188dcb9eb2dfe161",
    "msg": "6dbc1a5c7bd6943b",
    "munba": "8bdf7afeca2ed819",
    "nablatau": "00b26fdba0d3dc2c",
    "natmu": "863804b787db9744",
    "nft": "21fe5598060be993",
    "ngplus": "e708e44e7e613432",
    "prmq": "acaf7ec9c2d91796",
    "retrain": "90aee963664b61d1",
    "rni": "0356bd01e5b78d2e",
    "salun": "4b97b967e5e4b023",
    "scrub": "edf5a109f718e588",
    "sfron": "d5ccd38fa3e5503e",
    "singlegradient": "dfc244dbf0dace7a",
    "srl": "f5d91f0c250f6351",
    "ssd": "f5c9f20b0f5e519b",
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
