"""`train --canary`, `attack canary` and `attack relearn` as people type them."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from cli_kit import TRAIN, call, ok, refused
from scipy.stats import kstest

from deepunlearn_cli.attacks import ATTACKS
from deepunlearn_cli.core.errors import ExitCode
from deepunlearn_cli.execution import recipes
from deepunlearn_cli.execution.lab import OneModelLab
from deepunlearn_cli.execution.materials import Materials
from deepunlearn_cli.store import Store

DIGITS = (*TRAIN[:-1], "epochs=5", "--seeds", "1", "--role", "both")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A store with an original, its retrained model, and both once more with canaries; their ids."""
    place = ("--store", tmp_path_factory.mktemp("probes") / "store", "-q")
    plain, planted = (ok(*DIGITS, *more, *place).lines for more in ((), ("--canary",)))
    return place, dict(zip(("original", "retrained", "planted", "clean"), [*plain, *planted], strict=True))


def rows(*words):
    said = call("attack", *words, "--json")
    return said.code, said.json


def test_canaries_are_found_in_the_original_and_not_in_the_retrained_model(store):
    place, ids = store
    code, (original, retrained) = rows("canary", ids["planted"], *place, "--gate")
    assert (code, original["verdict"], original["reference"]) == (ExitCode.AUDIT_FAIL, "FAIL", "null")
    assert original["p"] < 1e-3
    assert retrained["verdict"] is None, "the retrained model stands beside it"
    assert retrained["p_value"] > 0.01
    assert retrained["p_auc"] > 0.01
    code, (alone,) = rows("canary", ids["clean"], *place, "--gate")
    assert (code, alone["verdict"]) == (ExitCode.AUDIT_INCONCLUSIVE, "INCONCLUSIVE")
    assert alone["needed"] > alone["n"] == 62


@pytest.mark.slow
def test_canaries_are_kept_through_unlearning(store):
    place, ids = store
    (ga,) = ok("unlearn", "--method", "ga", "--ckpt", ids["planted"], "-p", "lr=1e-5", *place).lines
    _, found = rows("canary", ga, *place)
    assert found[0]["method"] == "ga"
    assert found[0]["verdict"] == "FAIL"
    assert {row["method"] for row in found} == {"ga", "retrain", "do-nothing"}


def test_the_same_attack_is_made_once(store):
    place, ids = store
    first = ok("attack", "canary", ids["planted"], *place)
    again = ok("attack", "canary", ids["planted"], *place[:2])
    assert again.lines == first.lines
    assert "[1/" not in again.err, "nothing was made anew"


@pytest.mark.slow
def test_relearn_tells_the_original_from_the_retrained_model_and_not_one_retrained_from_another(store):
    place, ids = store
    code, found = rows("relearn", ids["original"], *place, "--gate")
    assert (code, found[0]["verdict"], found[0]["reference"]) == (ExitCode.AUDIT_FAIL, "FAIL", "retrained")
    other = ok(*TRAIN[:-1], "epochs=5", "--seeds", "2", "--role", "retrain", *place).lines[0]
    code, found = rows("relearn", ids["retrained"], "--control", other, *place)
    assert found[0]["verdict"] != "FAIL"
    assert found[0]["reference"] == other


@pytest.mark.slow
@pytest.mark.parametrize("epochs", [20, 50])
def test_relearn_over_seeds(tmp_path, epochs):
    """370 forget pictures; of 120, or after 5 epochs, an original remembers too little to be told each time."""
    place = ("--store", tmp_path / "store", "-q")
    training = (*TRAIN[:-1], f"epochs={epochs}", "--forget", "random:0.3", "--seeds", "0-2", "--role")
    originals, retrained = (ok(*training, role, *place).lines for role in ("original", "retrain"))
    _, found = rows("relearn", *originals, "--forget", "random:0.3", *place)
    assert [row["verdict"] for row in found if row["verdict"]] == ["FAIL"] * 3
    for one, other in zip(retrained, [*retrained[1:], retrained[0]], strict=True):
        _, found = rows("relearn", one, "--control", other, *place)
        assert found[0]["verdict"] != "FAIL"


def test_what_cannot_be_asked_is_said(store, tmp_path):
    place, ids = store
    refused(
        "attack",
        "canary",
        ids["original"],
        *place,
        code=2,
        says=("without canaries", "deepunlearn train --store", "--dataset", "--canary"),
    )
    other = ok("unlearn", "--method", "ga", "--ckpt", ids["planted"], "--forget", "class:3", *place).lines[0]
    refused("attack", "canary", other, *place, code=2, says=("other pictures than those with canaries",))
    refused("attack", "canary", other, "--control", other, *place, code=2, says=("its null is exact",))
    refused("attack", "relearn", other, "--control", ids["retrained"], *place, code=2,
            says=("has not the forget set",))  # fmt: skip
    train = (*TRAIN, "--store", tmp_path / "none")
    refused(*train, "--canary-share", "0.5", code=2, says=("add --canary",))
    refused(*train, "--canary", "--canary-share", "2", code=2, says=("--canary-share 2",))
    refused(*train, "--canary", "--canary-noise", "nan", code=2, says=("--canary-noise nan",))
    assert not (tmp_path / "none").exists()


@pytest.mark.slow
def test_p_values_on_a_retrained_model_are_uniform_over_draws(store):
    """One trained model, a thousand canary seeds: what other draws would have said of it."""
    home = Store.open(store[0][1], create=False)
    target = home.get(store[1]["clean"])
    recipe = recipes.attack(target.recipe, "canary")
    materials, attack = Materials(home.data, torch.device("cpu")), ATTACKS.get("canary")(draws=20)
    p = {"p_value": [], "p_auc": []}
    for seed in range(1000):
        planted = replace(recipe, data={**recipe.data, "canary": {**recipe.data["canary"], "seed": seed}})
        lab = OneModelLab(planted, target, materials, (), lambda done, total, text: None)
        seen = attack.probe(lab)
        scores = attack.run({"target": lambda seen=seen: seen}, 0).scores
        for name, values in p.items():
            values.append(scores[name])
    for name, values in p.items():
        assert kstest(values, "uniform").pvalue > 0.01, name
