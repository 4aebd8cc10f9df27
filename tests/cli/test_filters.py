"""Filters of lists and tables: which runs they take, what they refuse, and why nothing is left."""

from __future__ import annotations

import shutil

import pytest
import store_kit
from cli_kit import call, ok, refused, small_npz

from deepunlearn_cli.core.recipe import Recipe
from deepunlearn_cli.execution import recipes
from deepunlearn_cli.methods import METHODS
from deepunlearn_cli.store import Store

SCORES = {"RA": 0.9, "FA": 0.8, "VA": 0.8, "TA": 0.8}


def put(store: Store, start: Recipe, method: str, **params) -> str:
    """A run of a method that was never made, with scores all the same."""
    from dataclasses import replace

    actor = METHODS.get(method)
    recipe = replace(
        start,
        kind="train" if method == "retrain" else "unlearn",
        name=method,
        params=dict(start.params) if method == "retrain" else actor.build(params).params(),
        forget="f0",
        inputs={} if method == "retrain" else {"original": start},
        labels=dict(start.labels) | {"forget": "random:0.1"},
    )
    return store.put(recipe, scores=SCORES, facts={"status": "done"}).id


def original(store: Store, epochs: int, seed: int = 0, **labels) -> Recipe:
    recipe = Recipe(
        kind="train",
        name="original",
        params=recipes.TRAINER.build({"epochs": epochs}).params(),
        seed=seed,
        data={"fingerprint": "f" * 64, "val_share": 0.15, "split_seed": 123, "augment": True},
        model="resnet-tiny",
        labels={"dataset": "digits"} | labels,
    )
    store.put(recipe, scores=SCORES, facts={"status": "done"})
    return recipe


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Two settings, 20 and 30 epochs, each with a retrained model; and the store's ids by name."""
    store = Store.open(tmp_path_factory.mktemp("filters") / "store", create=True)
    ids = {}
    for epochs in (20, 30):
        start = original(store, epochs)
        ids[f"original{epochs}"] = start.key
        ids[f"retrain{epochs}"] = put(store, start, "retrain")
        ids[f"none{epochs}"] = put(store, start, "do-nothing")
        ids[f"slow{epochs}"] = put(store, start, "msg", lr=0.01)
        ids[f"fast{epochs}"] = put(store, start, "msg", lr=0.1)
        ids[f"ft{epochs}"] = put(store, start, "ft", lr=0.1, epochs=3)
    ids["setting20"] = original(store, 20).setting
    return store.root, ids


def listed(place, *words) -> set[str]:
    root, ids = place
    names = {run: name for name, run in ids.items()}
    return {names[run] for run in ok("runs", *words, "--store", root).lines}


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (("--method", "msg"), {"slow20", "fast20", "slow30", "fast30"}),
        (("--where", "lr>0.05", "--method", "msg"), {"fast20", "fast30"}),
        (("--where", "lr >= 0.1", "--where", "training.epochs<25", "--method", "msg,ft"), {"fast20", "ft20"}),
        (("--where", "lr!=0.1", "--kind", "unlearn", "--method", "msg"), {"slow20", "slow30"}),
        (("--where", "training.epochs=30", "--where", "epochs=3"), {"ft30"}),
        (("--where", "forget=random:0.1", "--where", "seed==0", "--name", "ft"), {"ft20", "ft30"}),
        (("--where", "precision=fp32", "--name", "retrain"), {"retrain20", "retrain30"}),
    ],
)
def test_runs_are_found_by_method_and_hyperparameters(place, words, names):
    assert listed(place, *words) == names


def test_a_setting_is_named_by_its_hash_by_a_run_or_as_tables_do(place):
    root, ids = place
    ours = {name for name in ids if name.endswith("20") and name != "setting20"}
    for named in (ids["setting20"], ids["setting20"][:6], ids["ft20"]):
        assert listed(place, "--setting", named) == ours
    labels = {row["pair"] for row in ok("report", "--table", "scores", "--json", "--store", root).json}
    (mine,) = [one for one in labels if f"#{ids['setting20'][:4]}" in one]
    assert listed(place, "--setting", mine.rpartition(" ")[2]) == ours - {"original20"}


@pytest.mark.parametrize("command", ["rank", "report"])
def test_tables_keep_the_controls_of_what_they_are_of(place, command):
    root, ids = place
    words = ("--method", "msg", "--where", "lr>0.05", "--setting", ids["setting20"])
    table = ("--table", "scores") if command == "report" else ()
    rows = ok(command, *table, *words, "--store", root, "--json").json
    assert {row["method"] for row in rows} == {"msg", "retrain", "do-nothing"}
    assert {row["label"] for row in rows if row["method"] == "msg"} == {"MSG"}


@pytest.mark.parametrize(
    ("condition", "says"),
    [
        ("lr", ("no NAME, comparison and VALUE",)),
        ("lr>", ("no NAME, comparison and VALUE",)),
        ("lr>fast", ("'fast' is not a number",)),
        ("lr>nan", ("not a finite number",)),
        ("training.epochs=2.5", ("whole number",)),
        ("learning_rate>0.1", ("unknown hyperparameter", "hint: ")),
        ("lrr>0.1", ("did you mean lr?",)),
        ("training.epoch>3", ("did you mean training.epochs",)),
        ("training.loss=cee", ("did you mean ce?",)),
        ("training.loss>ce", ("has no order",)),
        ("lr>0.05 and epochs<3", ("--where 'lr>0.05' --where 'epochs<3'",)),
        ("__import__('os').system('true')>0", ("no NAME",)),
    ],
)
@pytest.mark.parametrize("command", ["runs", "rank", "report"])
def test_conditions_that_cannot_be_are_refused(place, command, condition, says):
    refused(command, "--where", condition, "--store", place[0], code=2, says=says)


def test_a_name_must_be_of_the_methods_that_are_named(place):
    refused(
        "runs", "--method", "iu", "--where", "lr>0", "--store", place[0], code=2, says=("unknown", "iu takes")
    )
    refused("rank", "--method", "mgs", "--store", place[0], code=3, says=("did you mean msg",))
    refused("runs", "--kind", "unlearnt", "--store", place[0], code=2, says=("did you mean unlearn?",))
    refused("runs", "--status", "failing", "--store", place[0], code=2, says=("failed",))
    refused("runs", "--setting", "xyz", "--store", place[0], code=2, says=("hex digits",))


def test_nothing_left_says_which_filter_took_the_last_and_of_how_many(place):
    root, _ = place
    said = ok("runs", "--method", "msg", "--where", "lr>5", "--store", root)
    assert said.lines == []
    assert "0 runs: --where 'lr>5' leaves none of the 4 runs that --method msg leaves" in said.err
    assert "lr there: 0.01, 0.1" in said.err
    said = ok("runs", "--dataset", "mnist", "--store", root)
    assert "--dataset mnist leaves none of the 12 runs that there are; dataset there: digits" in said.err
    for command in ("rank", "report"):
        words = (command, "--method", "msg", "--where", "lr>5", "--store", root)
        refused(*words, code=3, says=("leaves none of the 8 runs that --method msg leaves", "0.01, 0.1"))


def test_figures_of_a_file_are_filtered_by_method_and_by_nothing_that_only_runs_have(tmp_path):
    file = tmp_path / "figures.csv"
    lines = ["dataset,model,method,seed,RA,FA,TA"]
    lines += [f"d,m,{name},{seed},0.9,0.8,0.7" for name in ("retrain", "ft", "msg", "own") for seed in (0, 1)]
    file.write_text("\n".join(lines))
    for named, wanted in (("ft", "ft"), ("own", "own")):
        rows = ok("report", "--from", file, "--method", named, "--json").json
        assert {row["method"] for row in rows} == {wanted, "retrain"}
    refused("rank", "--from", file, "--where", "lr>0", code=2, says=("--where takes runs",))
    refused("rank", "--from", file, "--method", "ct", code=3, says=("ft",))


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """Two files of one name, each with an original."""
    home = tmp_path_factory.mktemp("own")
    ids = []
    for number, folder in enumerate(("one", "two")):
        (home / folder).mkdir()
        spec = small_npz(home / folder / "inv.npz", count=200 + 40 * number)
        words = ("train", "--dataset", spec, "--model", "resnet-tiny", "-p", "epochs=1", "-q")
        ids += ok(*words, "--store", home / "store").lines
    return home, ids


def test_runs_on_own_pictures_are_found_by_their_file_as_by_their_label(own, monkeypatch):
    home, ids = own
    for number, folder in enumerate(("one", "two")):
        for path in (home / folder / "inv.npz", home / "one" / ".." / folder / "inv.npz"):
            assert ok("runs", "--dataset", f"npz:{path}", "--store", home / "store").lines == [ids[number]]
    monkeypatch.chdir(home / "two")
    assert ok("runs", "--dataset", "npz:inv.npz", "--store", home / "store").lines == [ids[1]]
    assert ok("runs", "--dataset", "npz:inv", "--store", home / "store").lines == ids


def test_another_file_of_the_name_is_not_taken_for_it(own, tmp_path):
    home, ids = own
    shutil.copy(home / "two" / "inv.npz", tmp_path / "inv.npz")
    said = ok("runs", "--dataset", f"npz:{tmp_path / 'inv.npz'}", "--store", home / "store")
    assert said.lines == []
    assert "dataset there: npz:inv" in said.err
    small_npz(home / "one" / "inv.npz", count=320)  # the file changes, its runs are still its runs
    assert ok("runs", "--dataset", f"npz:{home}/one/inv.npz", "--store", home / "store").lines == ids[:1]


def test_names_are_read_as_training_reads_them(place):
    assert len(listed(place, "--dataset", "Digits", "--name", "ft")) == 2
    assert call("runs", "--dataset", "nosuch:thing", "--store", place[0]).code == 0


def test_a_store_kit_row_without_its_original_is_no_fault(tmp_path):
    store = Store.open(tmp_path / "store", create=True)
    start = store_kit.recipe()
    store_kit.put(store, scores=SCORES, kind="unlearn", name="ft", forget="f0", inputs={"original": start})
    assert ok("runs", "--where", "training.epochs>1", "--store", store.root).lines == []
    assert len(ok("runs", "--method", "ft", "--store", store.root).lines) == 1
