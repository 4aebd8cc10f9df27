"""Recipes, keys and streams."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deepunlearn_cli.core.recipe import TRAINING, Recipe, canonical, stream_seed

START = Recipe("train", "original", 1, {"epochs": 2, "lr": 0.1}, 3, {"fingerprint": "f"}, None, "cnn", "fp32")
CHANGES = {
    "kind": "checkpoint", "name": "retrain", "revision": 2, "params": {"epochs": 3}, "seed": 4,
    "data": {"fingerprint": "g"}, "forget": "a", "model": "vit", "precision": "bf16", "attempt": 1,
}  # fmt: skip


def child(**changes):
    return replace(START, kind="unlearn", name="msg", forget="s", inputs={"original": START}, **changes)


def test_keys_are_stable_over_versions():
    assert START.key == "0eda4f0c826bde4e"
    assert START.key == replace(START, labels={"dataset": "digits"}).key
    assert START.key == Recipe.from_json(START.to_json()).key
    assert START.key == replace(START, params={"lr": 0.1, "epochs": 2}).key


@pytest.mark.parametrize("name", CHANGES)
def test_everything_but_labels_is_in_the_key(name):
    assert replace(START, **{name: CHANGES[name]}).key != START.key


def test_inputs_count_by_their_keys():
    made = child()
    relabelled = replace(made, inputs={"original": replace(START, labels={"dataset": "other"})})
    assert made.key == relabelled.key
    assert made.key != replace(made, inputs={"original": replace(START, seed=9)}).key


def test_round_trip_keeps_everything():
    made = child(labels={"forget": "class:3"})
    assert Recipe.from_json(made.to_json()) == made


def test_root_and_setting_ignore_seed_method_and_forget_set():
    made, other = child(), child(seed=8)
    assert made.root == START
    assert (
        made.setting == other.setting == START.setting == replace(START, forget="x", name="retrain").setting
    )
    assert made.setting != replace(START, params={"epochs": 9}).setting
    attack = replace(made, kind="attack", inputs={"target": made})
    assert attack.root == START


def test_models_of_different_training_are_not_compared():
    assert START.setting == "b6ffedc3383869a6", "what runs of revision 1 were sealed with"
    now = replace(START, revision=TRAINING)
    assert replace(now, name="retrain", forget="s").setting == now.setting != START.setting
    assert replace(child(), revision=7).setting == START.setting, "a method's revision is its own"
    checkpoint = replace(START, kind="checkpoint", params={"sha256": "0", "training": dict(START.params)})
    assert checkpoint.setting == now.setting, "that of the retrained model it gets"


def test_canonical_json_has_one_form_and_no_nan():
    assert canonical({"b": 1, "a": [1.5, "é"]}) == '{"a":[1.5,"é"],"b":1}'
    with pytest.raises(ValueError, match="JSON"):
        canonical(float("nan"))


def test_streams_depend_on_seed_and_name_only():
    seeds = {stream_seed(seed, name) for seed in range(50) for name in ("init", "order/retain", "noise")}
    assert len(seeds) == 150
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert stream_seed(0, "init") == 6959848752330444160
    assert stream_seed(7, "order/retain") == 4349589367360561170
