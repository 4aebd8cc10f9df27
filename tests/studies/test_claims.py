"""A run's guarantee in an audit: a planted false claim is FAIL, a true one is not."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from cli_kit import call, ok
from outputs_kit import outputs

from deepunlearn_cli.attacks import ATTACKS
from deepunlearn_cli.core.guarantee import Guarantee
from deepunlearn_cli.core.specs import drawn_at_random
from deepunlearn_cli.methods.do_nothing import DoNothing
from deepunlearn_cli.studies import claims

PICTURES = 460


@pytest.fixture(scope="module")
def memorised(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A store with an original that knows its pictures by heart: noise, labelled by chance."""
    home, rng = tmp_path_factory.mktemp("memorised"), np.random.default_rng(0)
    images = rng.integers(0, 256, (PICTURES, 8, 8, 1), dtype=np.uint8)
    labels = rng.integers(0, 2, PICTURES)
    np.savez(
        home / "noise.npz", x_train=images[60:], y_train=labels[60:], x_test=images[:60], y_test=labels[:60]
    )
    words = ("--store", home / "store", "--dataset", f"npz:{home / 'noise.npz'}", "--model", "resnet-tiny")
    said = ok(
        "train",
        *words,
        "-p",
        "epochs=25",
        "--no-augment",
        "-p",
        "batch_size=64",
        "-p",
        "weight_decay=0",
        "--quiet",
    )
    return home / "store", said.lines[0]


def audited(place: tuple[Path, str], method: str, *params: str, forget: str = "random:0.2") -> dict[str, Any]:
    store, original = place
    given = [word for one in params for word in ("-p", one)]
    made = ok(
        "unlearn", "--store", store, original, "--method", method, "--forget", forget, *given, "--force"
    )
    words = ("attack", "umia", "--store", store, made.lines[0], "--tolerance", "0.49")
    said = call(*words, "--json")
    return {**said.json[0], "code": said.code, "said": call(*words).err}


def claiming(monkeypatch: pytest.MonkeyPatch, epsilon: float) -> None:
    monkeypatch.setattr(DoNothing, "guarantee", lambda self: Guarantee(epsilon, 1e-5))


def test_a_false_claim_is_fail_whatever_the_tolerance(
    memorised: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    claiming(monkeypatch, 1.0)
    row = audited(memorised, "do-nothing")
    assert row["claim"]["low"] > 5
    assert (row["claim"]["epsilon"], row["claim"]["delta"], row["claim"]["against"]) == (1.0, 1e-5, "val")
    assert (row["claim"]["n_forget"], row["claim"]["n_unseen"]) == (68, 60)
    assert (row["verdict"], row["claim"]["broken"], row["code"]) == ("FAIL", True, 4)
    assert not row["uninformative"]
    assert "FAIL, whatever the tolerance: an error of ours or of the paper's" in row["said"]


def test_a_claim_that_is_large_enough_is_not(
    memorised: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    claiming(monkeypatch, 1000.0)
    row = audited(memorised, "do-nothing")
    assert (row["claim"]["broken"], row["verdict"]) == (False, row["by_figures"])
    assert "its guarantee says at most 1000" in row["said"]
    assert "FAIL, whatever" not in row["said"]


def test_the_true_claim_of_the_method_that_proves_it_is_not(memorised: tuple[Path, str]) -> None:
    row = audited(memorised, "nft", "epochs=2", "epsilon=0.5")
    assert (row["claim"]["epsilon"], row["claim"]["broken"]) == (0.5, False)
    assert row["verdict"] == row["by_figures"]


def test_pictures_that_were_chosen_give_no_bound(
    memorised: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that never saw them might tell them from others: nothing follows from that it does."""
    claiming(monkeypatch, 1.0)
    listed = audited(memorised, "retrain", "epochs=1")
    assert listed["claim"] is None, "a method that claims nothing"
    row = audited(memorised, "do-nothing", forget="hardest:0.2")
    assert row["claim"]["low"] is None
    assert not row["claim"]["broken"]
    assert "not drawn at random" in row["said"]


@pytest.mark.parametrize(
    ("spec", "fair"),
    [
        ("random:0.1", True),
        ("random:0.1:7", True),
        ("class:3", True),
        ("class:3:0.5", True),
        ("hardest:0.1", False),
        ("indices:some.txt", False),
        ("random:0.1 with duplicates", False),
        ("class:3 with duplicates", False),
        ("", False),
    ],
)
def test_which_forget_sets_are_like_others(spec: str, fair: bool) -> None:
    assert drawn_at_random(spec) == fair


def made(
    lead: float, *, seed: int = 0, epsilon: float | None = 1.0, unseen: str = "never", **about: Any
) -> Any:
    """A run of a model that tells forgotten pictures by `lead`."""
    said = outputs(lead, forget=100, test=100, seed=seed)
    labels = {"forget": about.pop("spec", "random:0.1")}
    facts = Guarantee(epsilon, 1e-5).facts() if epsilon else {}
    parts = {"forget": said["forget"], unseen: said["test"], **about.pop("parts", {})}
    recipe = SimpleNamespace(labels=labels, data=about.pop("data", {}))
    return SimpleNamespace(
        facts={**facts, **about}, outputs=lambda: parts, recipe=recipe, whole=True, elsewhere={}
    )


def test_many_models_are_held_against_one_guarantee_together() -> None:
    quiet = [made(0, seed=seed) for seed in range(20)]
    found = claims.held_by_all(quiet)
    assert found
    assert (found.broken, found.models, found.forget, found.unseen) == (False, 20, 100, 100)
    leaky = claims.held_by_all([*quiet[:19], made(2, seed=99)])
    alone = claims.held_by_all([made(2, seed=99)])
    assert leaky
    assert alone
    assert leaky.broken
    assert leaky.low == pytest.approx(alone.low - math.log(20), abs=0.01), "each model is one more chance"
    assert claims.held_by_all([made(2, epsilon=None)]) is None
    mixed = claims.held_by_all([made(0, epsilon=3.0), made(0, epsilon=8.0)])
    assert mixed
    assert mixed.epsilon == 8.0


def test_unseen_pictures_are_those_of_the_draw_unless_the_method_learnt_from_them() -> None:
    attack = ATTACKS.get("umia")()
    known = {"val": outputs()["val"]}
    for reads, against in ((["retain"], "val"), (["retain", "val"], "test")):
        found = claims.held(made(0, unseen="test", parts=known, reads=reads), attack)
        assert found
        assert found.against == against
    without = claims.held(made(0, unseen="test"), attack)
    assert without
    assert without.against == "test"


def test_canaries_are_not_like_other_pictures() -> None:
    found = claims.held(made(3, unseen="test", data={"canary": {}}), ATTACKS.get("umia")())
    assert found
    assert (found.low, found.broken) == (None, False)
    assert "noise" in found.why
