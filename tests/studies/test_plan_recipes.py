"""A plan's trials, confirmations and final runs are one recipe, but for what tells them apart."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from split_kit import dataset
from sweep_kit import REFERENCE, Formula, store

from deepunlearn_cli.checkpoints.refs import Start
from deepunlearn_cli.core.recipe import Recipe
from deepunlearn_cli.data import ForgetSet
from deepunlearn_cli.execution import recipes
from deepunlearn_cli.execution.steps import PRESET
from deepunlearn_cli.methods import METHODS
from deepunlearn_cli.studies import plan as plans
from deepunlearn_cli.studies import plan_file as reading
from deepunlearn_cli.studies.bench import Bench
from deepunlearn_cli.sweep import Search, questions, tunable, tuning
from deepunlearn_cli.sweep.presets import Preset
from deepunlearn_cli.sweep.question import FRESH_STEP

FORGET = ForgetSet("random:0.1", np.arange(8), "1" * 64)
OWN = """
datasets = ["digits"]
models = ["cnn"]
augment_unlearning = false
precision = "bf16"
[params.msg]
epochs = 1
[sweep]
trials = 2
"""


def asked_and_final(plan: plans.Plan, tmp_path: Path, monkeypatch):
    """Per method: its question, a preset, and the final model with it."""
    monkeypatch.setattr(tuning, "check_sizes", lambda start: None)
    runner = Formula(store(tmp_path), lambda params: REFERENCE)
    bench = Bench(plan, runner, [0], plan.precision or "fp32")
    [setup, *_] = plan.setups
    scene = recipes.Scene(
        dataset(), setup.model, plan.val_share, plan.split_seed, bench.precision, plan.augment
    )
    start = Start(recipes.original(scene, setup.training, 0), scene.dataset, FORGET, "")
    names = [name for name in plan.method_names if name in tunable() and not METHODS.get(name).tracked]
    fixed = {name: plan.params.get(name, {}) for name in names}
    for asked in questions(runner, [start], Search("random"), fixed, plan.steps):
        preset = Preset(
            asked.method, asked.runs[0].revision, asked.params({"lr": 0.01} if "lr" in asked.domains else {})
        )
        yield asked, preset, bench.model(start, asked.method, preset)


def plain(recipe: Recipe) -> dict[str, object]:
    """Every field, inputs by their keys."""
    told = {one.name: getattr(recipe, one.name) for one in fields(Recipe)}
    return told | {"inputs": {name: one.key for name, one in recipe.inputs.items()}}


@pytest.mark.parametrize("name", ["paper", "cifar10", "quick", "own"])
def test_what_is_searched_is_what_is_confirmed_and_judged(name, tmp_path, monkeypatch):
    if name == "own":
        (tmp_path / "own.toml").write_text(OWN)
    plan = reading.load(str(tmp_path / "own.toml") if name == "own" else name)
    compared = 0
    for asked, preset, final in asked_and_final(plan, tmp_path, monkeypatch):
        [trial], [fresh] = asked.trials(preset.params), asked.trials(preset.params, fresh=1)
        [chosen] = asked.unlearned(preset.params, preset.title)
        assert chosen == final
        assert chosen.labels[PRESET] == preset.title
        assert (trial.data["judge"], trial.kind) == (fresh.data["judge"], "trial")
        for one, step in ((trial, 0), (fresh, FRESH_STEP)):
            apart = {
                "kind": "trial",
                "seed": final.seed + step,
                "data": dict(final.data) | {"judge": one.data["judge"]},
                "labels": one.labels,
            }
            assert plain(one) == plain(final) | apart
            assert {k: v for k, v in final.labels.items() if k != PRESET}.items() <= one.labels.items()
        assert final.data["augment"] == plan.augment_unlearning
        compared += 1
    assert compared > 15


def test_where_settings_come_from_is_no_part_of_a_key():
    scene = recipes.Scene(dataset(), "cnn", 0.15, 123)
    steps, start = plans.Plan().steps, recipes.original(scene, {}, 0)
    one, other = (steps.unlearned(start, "ft", FORGET, {"lr": 0.02}, told) for told in ("", "ft-1"))
    assert one.key == other.key
    assert other.labels[PRESET] == "ft-1"
    after = steps.unlearned(other, "ga", FORGET)
    assert PRESET not in after.labels, "a later deletion is not made with it"


def test_a_plan_without_a_search_has_no_presets():
    plan = plans.Plan(datasets=["digits"], models=["cnn"])
    found, failures = Bench(plan, SimpleNamespace(), [0], "fp32").tuned(lambda _: None, lambda _: None)
    assert (found, failures) == ({}, [])
