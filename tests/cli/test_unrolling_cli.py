"""Unrolling SGD through the command line: tracked chains, weight distances, the study, and bad input."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from cli_kit import ok, refused

from deepunlearn_cli.store import Store

pytestmark = pytest.mark.slow  # each trains a chain of its own, or the study
PLAIN = ("-p", "lr=0.02", "-p", "momentum=0", "-p", "weight_decay=0", "-p", "schedule=constant")
SHORT = ("-p", "epochs=2", "-p", "batch-size=32", "-p", "points=1")
TRAIN = ("train", "--dataset", "digits", "--model", "resnet-tiny")
FORGET = ("--forget", "random:0.026")
PLAN = """
datasets = ["digits"]
models = ["resnet-tiny"]
seeds = "0-1"
forget = "random:0.026"
[training]
epochs = 2
batch_size = 32
lr = 0.02
momentum = 0.0
weight_decay = 0.0
schedule = "constant"
points = 1
[unrolling]
lrs = [0.02]
gammas = [0.0]
"""


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A store with two tracked originals, their retrained models and both methods; ids of seed 0."""
    store = tmp_path_factory.mktemp("unrolling") / "store"
    made = ok(
        *TRAIN, *FORGET, *PLAIN, *SHORT, "--track", "--role", "both", "--seeds", "0-1", "--store", store
    )
    assert "track of each original takes 0.3 MB" in made.err
    first, second, retrained, _ = made.lines
    words = ("unlearn", "--method", "single-gradient,amnesiac", "--ckpt", first, "--ckpt", second)
    single, amnesiac, *_ = ok(*words, "--store", store).lines
    return store, {"original": first, "retrained": retrained, "single": single, "amnesiac": amnesiac}


def test_the_study_reads_what_the_chain_gives(chain, tmp_path: Path) -> None:
    store, _ = chain
    plan = tmp_path / "plan.toml"
    plan.write_text(PLAN)
    told = ok("bench", plan, "--store", store, "--json").json
    setting = next(
        row for row in told if row["schema"] == "deepunlearn.unrolling.setting/1" and row["gamma"] == 0
    )
    assert setting["n"] == 2
    assert setting["r_mean"] is None, "one reading makes no correlation"
    weights = {
        row["method"]: row for row in ok("report", "--table", "weights", "--store", store, "--json").json
    }
    single, amnesiac = weights["singlegradient"], weights["amnesiac"]
    assert setting["v_mean"] == pytest.approx(single["v_mean"], rel=1e-4)
    assert setting["v_amnesiac_mean"] == pytest.approx(amnesiac["v_mean"], rel=1e-4)
    assert setting["v_original_mean"] == pytest.approx(single["v_original_mean"], rel=1e-6)
    assert setting["e_mean"] == pytest.approx(single["e_mean"], rel=0.02)
    assert amnesiac["e_mean"] is None
    assert single["floor_mean"] > 10 * single["v_mean"], "two seeds start far apart"
    assert single["ratio_mean"] == pytest.approx(single["v_mean"] / single["v_original_mean"], rel=0.2)
    again = ok("bench", plan, "--store", store, "--json")
    assert again.json == told


def test_show_tells_the_distance_of_a_run(chain) -> None:
    store, ids = chain
    (shown,) = ok("show", ids["single"], "--store", store, "--json").json
    assert 0 < shown["weights"]["v"] < 1
    assert shown["weights"]["v_original"] > 0
    opened = Store.open(store, create=False)
    a, b = (opened.find(ids[name]).weights() for name in ("single", "retrained"))
    names = [name for name in a if "running" not in name and "num_batches" not in name]
    by_hand = sum(float((a[name] - b[name]).double().square().sum()) for name in names) ** 0.5
    assert shown["weights"]["v"] == pytest.approx(by_hand, rel=1e-6)
    (original,) = ok("show", ids["original"], "--store", store, "--json").json
    assert original["weights"] == {}
    assert original["facts"]["track"] == {"rate": pytest.approx(0.04), "steps": 2 * (38 + 1)}
    assert {"sigma", "e", "e_power1", "e_sqrt", "e_now"} <= original["facts"]["unlearning_error"].keys()


def test_two_retrained_models_of_one_seed_are_the_same_to_the_bit(chain) -> None:
    store, ids = chain
    words = (*TRAIN, *FORGET, *PLAIN, *SHORT, "--track", "--role", "retrain", "--force", "--store", store)
    (again,) = ok(*words).lines
    assert again != ids["retrained"]
    opened = Store.open(store, create=False)
    a, b = (opened.find(run).weights() for run in (again, ids["retrained"]))
    assert all(torch.equal(a[name], b[name]) for name in b)


def test_measuring_changes_nothing_but_the_log(tmp_path: Path) -> None:
    """Points are in the recipe, so these are two runs; their weights are one."""
    words = (*TRAIN, *FORGET, *PLAIN, "--track", "-p", "epochs=1", "--store", tmp_path)
    runs = [ok(*words, "-p", f"points={points}").lines[0] for points in (0, 1)]
    silent, measured = (Store.open(tmp_path, create=False).find(run) for run in runs)
    assert all(torch.equal(value, measured.weights()[name]) for name, value in silent.weights().items())
    assert "unlearning_error" not in silent.facts
    assert len(silent.log()) == 1
    assert len(measured.log()) == 2
    assert silent.facts["work"] == measured.facts["work"]


def test_other_methods_work_on_tracked_originals_with_their_own_forget_set(chain) -> None:
    store, ids = chain
    (ft,) = ok(
        "unlearn", "--method", "ft", "--ckpt", ids["original"], "-p", "epochs=1", "--store", store
    ).lines
    (shown,) = ok("show", ft, "--store", store, "--json").json
    assert shown["recipe"]["forget"] == shown["recipe"]["data"]["tracked"]
    assert shown["weights"]["v"] > 0


def test_an_approximate_track_is_labelled_everywhere(tmp_path: Path) -> None:
    words = (
        *TRAIN,
        *FORGET,
        "--track",
        "--approximate",
        "-p",
        "epochs=1",
        "--role",
        "both",
        "--store",
        tmp_path,
    )
    original, _ = ok(*words).lines
    store = Store.open(tmp_path, create=False)
    assert store.find(original).facts["approximate"] is True
    (made,) = ok("unlearn", "--method", "amnesiac", "--ckpt", original, "--store", tmp_path).lines
    assert store.find(made).facts["approximate"] is True
    for words in (("rank",), ("report",), ("report", "--table", "scores"), ("report", "--table", "weights")):
        if words == ("rank",):
            ok("attack", "umia", made, "--store", tmp_path)
        assert "Amnesiac (approximate)" in ok(*words, "--store", tmp_path).out


def test_any_earlier_checkpoint_may_stand_in_for_the_track(tmp_path: Path) -> None:
    one, two = (ok(*TRAIN, "-p", f"epochs={epochs}", "--store", tmp_path).lines[0] for epochs in (1, 2))
    words = ("unlearn", "--method", "single-gradient", "--ckpt", two, "--earlier", one, "--store", tmp_path)
    says = refused(*words, code=2, says=("--approximate",))
    assert "approximation" in says
    (made,) = ok(*words, "--approximate").lines
    run = Store.open(tmp_path, create=False).find(made)
    assert run.facts["approximate"] is True
    assert run.recipe.inputs["earlier"].key == one
    refused("prune", one, "--yes", "--store", tmp_path, code=2, says=(made,))


def test_what_is_refused_before_training(tmp_path: Path) -> None:
    store = ("--store", tmp_path)
    refused(*TRAIN, "--track", *PLAIN, *store, code=2, says=("needs the forget set", "--forget"))
    refused(*TRAIN, "--approximate", *store, code=2, says=("--track",))
    refused(
        *TRAIN, *FORGET, "--track", *store, code=2,
        says=("momentum=0.9, weight_decay=0.0005", "-p momentum=0 -p weight_decay=0", "--approximate"),
    )  # fmt: skip
    refused(*TRAIN, "-p", "loss=sd", "-p", "gamma=-1", *store, code=2, says=("gamma=-1",))
    refused(*TRAIN, "-p", "loss=sd", *store, code=2, says=("gamma=0.5",))


def test_what_is_refused_of_an_original(chain) -> None:
    store = ("--store", chain[0])
    (plain,) = ok(*TRAIN, "-p", "epochs=1", *store).lines
    for method, title in (("single-gradient", "Single-grad"), ("amnesiac", "Amnesiac")):
        refused(
            "unlearn", "--method", method, "--ckpt", plain, *store, code=2,
            says=(f"{title} needs the track", plain, "deepunlearn train --dataset digits", "--track"),
        )  # fmt: skip
    tracked = chain[1]["original"]
    for method in ("amnesiac", "ft", "retrain"):
        words = ("unlearn", "--method", method, "--ckpt", tracked, "--forget", "random:0.1")
        refused(*words, *store, code=2, says=("the track of another forget set (random:0.026)",))
    words = ("unlearn", "--method", "amnesiac", "--ckpt", tracked, "--earlier", plain, "--approximate")
    refused(*words, *store, code=2, says=("Amnesiac has no use for an earlier checkpoint",))


def test_a_checkpoint_of_another_model_is_no_earlier_one(chain) -> None:
    store, ids = chain
    words = ("--dataset", "digits", "--model", "timm:test_resnet", "-p", "epochs=1", "--store", store)
    (other,) = ok("train", *words).lines
    words = ("unlearn", "--method", "single-gradient", "--ckpt", ids["original"], "--earlier", other)
    refused(*words, "--approximate", "--store", store, code=2, says=("another model",))


def test_a_file_carries_no_track_but_its_store_does(chain, tmp_path: Path) -> None:
    store, ids = chain
    file = tmp_path / "orig.pt"
    ok(*TRAIN, *FORGET, *PLAIN, *SHORT, "--track", "--out", file, "--store", store)
    (made,) = ok("unlearn", "--method", "amnesiac", "--ckpt", file, "--store", store).lines
    assert made == ids["amnesiac"]
    words = ("unlearn", "--method", "amnesiac", "--ckpt", file, "--store", tmp_path / "other")
    refused(*words, code=2, says=("files carry none: name the run",))


def test_all_leaves_out_what_needs_a_track(chain) -> None:
    store, ids = chain
    words = ("unlearn", "--method", "all", "--ckpt", ids["original"], "--dry-run", "--json", "--store", store)
    names = {row["name"] for row in ok(*words).json}
    assert "ft" in names
    assert not names & {"singlegradient", "amnesiac"}


def test_a_lockstep_is_planned_counted_and_no_model(chain, tmp_path: Path) -> None:
    store = chain[0]
    plan = tmp_path / "plan.toml"
    plan.write_text(PLAN.replace("gammas = [0.0]", "gammas = [0.0]\npretrain_epochs = [1]"))
    planned = ok("bench", plan, "--dry-run", "--store", tmp_path / "new", "--json").json
    assert [row["kind"] for row in planned] == ["train", "lockstep"] * 2
    figure = tmp_path / "figure.svg"
    ok("bench", plan, "--store", store, "--figure", figure)
    assert "<svg" in figure.read_text()
    run = ok("runs", "--kind", "lockstep", "--store", store).lines[0]
    refused("unlearn", "--method", "ft", "--ckpt", run, "--store", store, code=2, says=("keeps readings",))


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("gammas = [0.0]", "", "names no gammas"),
        ("gammas = [0.0]", "gammas = 0.5", "not a list"),
        ("gammas = [0.0]", "gammas = [-1]", "gamma=-1"),
        ("lrs = [0.02]", "lrs = [-1]", "lr=-1"),
        ("lrs = [0.02]", "rates = [1]", "rates"),
        ("momentum = 0.0", "momentum = 0.9", "momentum=0.9"),
    ],
)
def test_studies_that_make_no_sense(tmp_path: Path, old, new, says) -> None:
    plan = tmp_path / "plan.toml"
    plan.write_text(PLAN.replace(old, new))
    refused("bench", plan, "--store", tmp_path / "store", code=2, says=(says,))


def test_a_figure_is_of_a_study(tmp_path: Path) -> None:
    words = ("bench", "quick", "--figure", tmp_path / "figure.svg", "--store", tmp_path / "store")
    refused(*words, code=2, says=("--figure", "[unrolling]"))
