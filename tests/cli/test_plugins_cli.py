"""Plug-ins on the command line: every command that names a method, an attack or a dataset takes them."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from cli_kit import bench, ok, refused
from plugin_kit import ATTACK, DATASET, MARK, METHOD, installed, unaware, written

from deepunlearn_cli.cli.options import complete_datasets, complete_methods
from deepunlearn_cli.core.recipe import Recipe
from deepunlearn_cli.store import Store

FAST = METHOD.replace("Steps of Adam", "One step of Adam")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with unaware():
        yield tmp_path


def ranked(folder):
    """A store with a retrained model too."""
    at = bench(folder)
    at.ok("unlearn", "--method", "retrain", "--ckpt", at.ids["original"], "-q")
    return at


def unlearned(at, method="./mine.py:Mine", *more):
    """The run of a method of the user's, made by a process that was told of no other."""
    with unaware():
        (made,) = at.ok("unlearn", "--method", method, "--ckpt", at.ids["original"], "-q", *more).lines
    return made


def test_from_a_file_to_a_ranking_and_ever_after(home):
    at, file = ranked(home), written(home / "mine.py", METHOD)
    made = unlearned(at)
    assert {unlearned(at, one) for one in ("./mine.py", str(file), "mine:Mine")} == {made}
    at.ok("attack", "umia", made, "-q")
    file.unlink()
    mark = home / "mark"
    written(home / "mine.py", MARK.format(mark=str(mark)), METHOD)  # no command below was told to run it
    with unaware():
        rows = {row["label"]: row for row in at.ok("rank", "--json").json}
        assert "Mine (plug-in)" in rows
        shown = at.ok("show", made, "--json").json[0]
        assert shown["recipe"]["labels"]["plugin"] == f"{file}:Mine"
        assert shown["facts"]["plugin"] == {"from": f"{file}:Mine", "files": [str(file)], "not_in_hash": []}
        (row,) = at.runs(kind="unlearn", name=shown["recipe"]["name"])
        assert row["id"] == made
        assert at.clean()
        for words in (["runs"], ["report", "--table", "scores"], ["report", made]):
            at.ok(*words)
        assert at("unlearn", made, "--method", "ft", "--dry-run").code == 2, (
            "a plug-in's model is no original"
        )
    assert not mark.exists()


def test_other_code_is_another_run_and_each_has_its_row(home):
    at = ranked(home)
    written(home / "mine.py", METHOD)
    first = unlearned(at)
    written(home / "mine.py", METHOD, "\n# a word\n")
    assert unlearned(at) == first
    written(home / "mine.py", METHOD.replace("0.001", "0.002"))
    assert (second := unlearned(at)) != first
    with unaware():
        names = {row["id"]: row["name"] for row in at.runs(kind="unlearn")}
        titles = {row["method"]: row["label"] for row in at.ok("rank", "--json").json}
    with unaware():
        mine = [row["id"] for row in at.ok("runs", "--name", "Mine", "--json").json]
        assert set(mine) == {first, second}, "by its class, whatever its code; nothing is loaded for it"
        assert [
            r["method"] for r in at.ok("rank", "--method", names[first], "--json").json if not r["control"]
        ] == [names[first]]
        every = [r["method"] for r in at.ok("rank", "--method", "Mine", "--json").json if not r["control"]]
        assert set(every) == {names[first], names[second]}
        only = [
            r["method"] for r in at.ok("rank", "--method", "./mine.py", "--json").json if not r["control"]
        ]
        assert only == [names[second]]
    assert titles[names[first]] == f"Mine (plug-in {names[first]})"
    assert titles[names[second]] == f"Mine (plug-in {names[second]})"


def test_a_title_of_a_method_here_is_not_taken_for_it(home):
    at = ranked(home)
    written(home / "mine.py", METHOD.replace('title = "Mine"', 'title = "FT"'))
    unlearned(at)
    titles = [row["label"] for row in at.ok("rank", "--json").json]
    assert "FT" in titles
    assert "FT (plug-in)" in titles


def test_all_and_one_of_yours(home):
    at = bench(home)
    written(home / "mine.py", METHOD)
    words = (
        "unlearn",
        "--method",
        "all,./mine.py:Mine,ft",
        "--ckpt",
        at.ids["original"],
        "--dry-run",
        "--json",
    )
    names = [row["name"] for row in at.ok(*words).json if row.get("kind") == "unlearn"]
    assert {"msg", "ft"} < set(names)
    assert sum(name.startswith("Mine@") for name in names) == 1
    assert len(names) == len(set(names))


@pytest.mark.slow
def test_worker_processes_load_them_too(home):
    at = bench(home)
    written(home / "mine.py", METHOD)
    written(home / "b" / "other.py", METHOD.replace("Mine", "Other"))
    words = ("--method", "./mine.py:Mine,b/other.py", "--ckpt", at.ids["original"], "--jobs", "2", "-q")
    assert len(at.ok("unlearn", *words).lines) == 2
    names = {row["name"].partition("@")[0] for row in at.runs(kind="unlearn")}
    assert {"Mine", "Other"} <= names
    with unaware():
        sweep = (
            "sweep",
            "--method",
            "./mine.py",
            "--ckpt",
            at.ids["original"],
            "--trials",
            "2",
            "--confirm",
            "0",
        )
        at.ok(*sweep, "--jobs", "2", "-q")


@pytest.mark.slow
def test_a_sweep_and_its_preset(home):
    at = bench(home)
    written(home / "mine.py", METHOD)
    words = (
        "sweep",
        "--method",
        "./mine.py:Mine",
        "--ckpt",
        at.ids["original"],
        "--trials",
        "1",
        "--confirm",
        "1",
    )
    (found,) = at.ok(*words, "-q").lines
    name = at.ok("show", found, "--json").json[0]["recipe"]["name"]
    assert {row["name"] for row in at.runs(kind="trial")} == {name}
    assert unlearned(at, "./mine.py:Mine", "--preset", "best") == found
    with unaware():
        at.ok(
            "sweep", "--method", "ft", "--ckpt", at.ids["original"], "--trials", "1", "--confirm", "1", "-q"
        )
        at.ok("unlearn", "--method", "ft", "--ckpt", at.ids["original"], "--preset", "best", "-q")


PLAN = """
datasets = ["digits"]
models = ["resnet-tiny"]
methods = ["retrain", "./mine.py:Mine"]
attacks = ["umia", { name = "./loud.py", shift = 0.1 }]
training = { epochs = 1 }
[params."./mine.py:Mine"]
lr = 0.01
"""


def test_paths_in_a_plan_are_relative_to_the_plan(home):
    at = bench(home)
    written(home / "plans" / "mine.py", METHOD)
    written(home / "plans" / "loud.py", ATTACK)
    written(home / "mine.py", METHOD.replace("0.001", "0.002"))
    written(home / "plans" / "p.toml", PLAN, head="")
    at.ok("bench", home / "plans" / "p.toml", "-q")
    (run,) = [row for row in at.runs(kind="unlearn") if row["name"].startswith("Mine@")]
    assert run["params"] == {"lr": 0.01}
    place = at.ok("show", run["id"], "--json").json[0]["recipe"]["labels"]["plugin"]
    assert place == f"{home / 'plans' / 'mine.py'}:Mine"
    attacks = [row for row in at.runs(kind="attack") if row["name"].startswith("Median@")]
    assert {row["params"]["shift"] for row in attacks} == {0.1}
    said = at.refused(
        "bench", str(written(home / "q.toml", PLAN.replace("./loud.py", "./no.py"), head="")), code=3
    )
    assert "there is no file" in said


def test_an_attack_of_yours_is_a_command(home):
    at = bench(home)
    written(home / "loud.py", ATTACK)
    said = ok("attack", "./loud.py", "--help")
    assert "is the loss below the median?" in said.out
    assert "--shift" in said.out
    rows = at.ok("attack", "./loud.py:Median", at.ids["ft"], "--shift", "0.2", "--json").json
    run = at.ok("show", rows[0]["id"], "--json").json[0]
    assert run["recipe"]["name"].startswith("Median@")
    assert run["recipe"]["params"]["shift"] == 0.2
    assert run["facts"]["plugin"]["from"] == f"{home / 'loud.py'}:Median"
    with unaware():
        assert [row["id"] for row in at.runs(name=run["recipe"]["name"])][:1] == [rows[0]["id"]]
        at.ok("runs")
    assert "shift=9.0 is not a number" in refused("attack", "./loud.py", "3f9c", "--shift", "9", code=2)
    written(home / "bad.py", "x = (\n")
    assert "bad.py:13: SyntaxError" in refused("attack", "./bad.py", "3f9c", "--store", "s", code=2)
    assert "there is no file" in refused("attack", "./nobody.py:Median", "3f9c", code=3)
    (error,) = [json.loads(line) for line in refused_json("attack", "./bad.py", "3f9c", "--json")]
    assert error["code"] == 2
    written(home / "words.py", ATTACK.replace("float(right / len(both))", '"high"'))
    said = at.refused("attack", "./words.py:Median", at.ids["ft"], code=2)
    assert "scores.accuracy = 'high' is not a share from 0 to 1 or nothing" in said
    written(home / "twice.py", ATTACK.replace("shift: float", "device: float"))
    assert "its fields make no options" in refused("attack", "./twice.py", "3f9c", code=2)


def refused_json(*words):
    from cli_kit import call

    said = call(*words)
    assert (said.code, said.out) == (2, "")
    return said.err.splitlines()


def test_a_dataset_of_yours(home):
    file, store = written(home / "data.py", DATASET), ("--store", home / "s", "-q")
    train = ("train", "--model", "resnet-tiny", "-p", "epochs=1", *store)
    (first,) = ok(*train, "--dataset", "./data.py:Squares:90", "--out", "own.pt").lines
    label = ok("runs", "--store", home / "s", "--json").json[0]["dataset"]
    assert label.startswith("Squares@"), "never the name of a dataset here, whatever its plan says"
    written(file, DATASET, "\n# a word\n")
    with unaware():
        assert ok(*train, "--dataset", f"{file}:Squares:90").lines == [first]
    written(file, DATASET.replace("+= 150", "+= 140"))
    with unaware():
        assert ok(*train, "--dataset", "./data.py:Squares:90").lines != [first], "other pictures"
    with unaware():
        unlearn = ("unlearn", "--method", "ft", "--ckpt", "own.pt", "-p", "epochs=1")
        said = refused(*unlearn, "--store", home / "t", code=2)
        spec = f"{file}:Squares:90"
        assert f"own.pt asks to import '{spec}'" in said
        assert f" --dataset {spec}" in said
        written(file, DATASET)
        ok(*unlearn, "--dataset", spec, "--store", home / "t", "-q")
    assert "does not say which" in refused(
        "train", "--dataset", "./data.py", "--model", "resnet-tiny", code=2
    )
    (row,) = ok("datasets", "./data.py", "--json").json
    assert row["summary"] == "grey squares"
    written(home / "data.py", DATASET.replace("int(self.argument)", "nobody"))
    with unaware():
        assert "data.py:" in refused(*train, "--dataset", "./data.py:Squares:80", code=2)


def test_what_is_wrong_while_it_unlearns_is_told_with_its_line(home):
    at = bench(home)
    file = written(home / "mine.py", METHOD.replace("lr=self.lr", "lr=self.rate"))
    line = 1 + file.read_text().splitlines().index(
        "        optimizer = task.adam(model, lr=self.rate, weight_decay=0.0)"
    )
    words = ("unlearn", "--method", "./mine.py", "--ckpt", at.ids["original"])
    with unaware():
        said = at.refused(*words, code=2)
    assert f"mine.py:{line}: AttributeError: 'Mine' object has no attribute 'rate'" in said
    written(home / "mine.py", METHOD.replace("        return model\n", ""))
    assert "Mine.unlearn gave a NoneType, not a model" in at.refused(*words, code=2)


def test_listings_tell_where_each_comes_from(home):
    mark = home / "mark"
    site = home / "site"
    written(site / "pack.py", MARK.format(mark=str(mark)), METHOD, ATTACK, DATASET)
    written(site / "worse.py", "x = (\n", head="")
    installed(site, "pack", "methods", quick="pack:Mine", msg="pack:Mine")
    installed(site, "pack-two", "attacks", loud="pack:Median")
    installed(site, "pack-three", "datasets", squares="pack:Squares")
    installed(site, "worse", "methods", poor="worse:Mine")
    sys.path.append(str(site))
    assert "loud" in ok("attack", "--help").out
    assert "pack-two 1.0" in ok("attack", "--help").out
    assert "quick" in complete_methods("q")
    assert complete_methods("ft,qu") == ["ft,quick"]
    assert "squares" in complete_datasets("sq")
    assert not mark.exists(), "help and completion load none"
    rows = {row["name"]: row for row in ok("methods", "--json").json}
    assert rows["quick"]["from"] == "pack 1.0 (pack:Mine)"
    assert rows["quick"]["needs"] == ["retain"]
    assert rows["ft"]["from"] == "deepunlearn"
    assert rows["poor"]["cost"] is None
    assert rows["poor"]["fault"].endswith("worse.py:1: SyntaxError: '(' was never closed")
    said = ok("methods")
    assert "left out: pack 1.0 (pack:Mine), for the method msg is deepunlearn's own" in said.err
    assert "pack-two 1.0 (pack:Median)" in ok("attacks").out
    assert "squares:COUNT" in ok("datasets").out
    assert "a plug-in from pack 1.0 (pack:Mine); runs call it Mine@" in ok("methods", "quick").err
    assert "worse.py:1" in refused("methods", "poor", code=2)
    at = bench(home)
    ours = ("unlearn", "--method", "msg", "--ckpt", at.ids["original"], "--dry-run")
    assert "warning: method msg is deepunlearn's own; the method that pack 1.0" in at.ok(*ours).err
    (made,) = at.ok("unlearn", "--method", "quick", "--ckpt", at.ids["original"], "-q").lines
    assert at.ok("show", made, "--json").json[0]["recipe"]["labels"]["plugin"] == "quick"
    at.ok("attack", "loud", made, "-q")
    ok("train", "--dataset", "squares:90", "--model", "resnet-tiny", "-p", "epochs=1", "--store", "s", "-q")


def test_completion_goes_on_with_paths(home):
    written(home / "own" / "mine.py", METHOD)
    written(home / "notes.txt", head="")
    assert complete_methods("./") == ["./own/"]
    assert complete_methods("ft,./own/m") == ["ft,./own/mine.py"]
    assert complete_methods("./nobody/") == []


def evil_store(at, evil: Path) -> None:
    """Runs, labels and a preset that name code wherever a name can stand."""
    store = Store.open(at.store, create=False)
    run = store.find(at.ids["ft"])
    attack = store.find(at.ids["umia"])
    for name in (f"{evil}:Mine", "evil:Mine"):
        labels = {**run.recipe.labels, "plugin": f"{evil}:Mine", "dataset": f"{evil}:Squares"}
        for kind in ("unlearn", "trial", "shadow"):
            _put(store, replace(run.recipe, kind=kind, name=name, labels=labels), run)
        _put(store, replace(attack.recipe, name=name, labels={**labels, "method": name}), attack)
    store.studies.mkdir(exist_ok=True)
    preset = f'method = {json.dumps(str(evil))}\nrevision = 2\n[params]\nlr = 0.1\n[provenance]\ndataset = "digits"\n'
    (store.studies / "evil-0123456789abcdef.toml").write_text(preset)


def _put(store: Store, recipe: Recipe, run) -> None:
    store.put(
        recipe,
        weights=run.weights() if "weights.safetensors" in run.files else None,
        outputs=run.outputs(),
        scores=run.scores,
        facts=run.facts,
        track=None,
        log=[],
    )


def test_a_store_cannot_have_code_run(home):
    at, mark = bench(home), home / "mark"
    evil = written(home / "evil.py", MARK.format(mark=str(mark)), METHOD, DATASET, ATTACK)
    evil_store(at, evil)
    ids = {row["kind"]: row["id"] for row in at.runs() + at.runs(kind="trial") if "evil" in row["name"]}
    assert set(ids) == {"unlearn", "trial", "shadow", "attack"}
    with unaware():
        for one in ids.values():
            for words in (["show", one], ["report", one], ["unlearn", one, "--method", "ft", "--dry-run"]):
                assert at(*words).code in (0, 2, 3), words
        for words in (
            ["runs"],
            ["rank"],
            ["report", "--table", "scores"],
            ["prune", "--dry-run"],
            ["verify"],
        ):
            assert at(*words).code in (0, 2, 3), words
        assert at("attack", "umia", ids["unlearn"]).code in (0, 2, 3, 5)
        at("sweep", ids["unlearn"], "--method", "ft", "--dry-run")
        at("unlearn", "--method", "ft", "--ckpt", at.ids["original"], "--preset", "best", "--dry-run")
    assert not mark.exists()
