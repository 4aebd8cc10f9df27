"""Runs that cannot be read are left out of lists and tables, counted and told; the others stand."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from cli_kit import TRAIN, call, ok

from deepunlearn_cli.core.recipe import canonical
from deepunlearn_cli.store import Store
from deepunlearn_cli.store.figures import FiguresFile, Taken


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    store = tmp_path_factory.mktemp("unread") / "store"
    ok(*TRAIN, "--role", "both", "--seeds", "0-1", "--store", store, "-q")
    ok("unlearn", ok("runs", "--store", store, "-q").lines[0], "--method", "ct", "--store", store, "-q")
    return store


def edited(text: str, change, *, sealed: bool) -> str:
    """A manifest with its row changed, and sealed again or not."""
    content = json.loads(text)
    change(content["row"])
    content.pop("seal")
    seal = hashlib.sha256(canonical(content).encode()).hexdigest() if sealed else "0" * 64
    return json.dumps(content | {"seal": seal})


def redescribed(text: str) -> str:
    """A manifest that describes a file by a number."""
    content = json.loads(text)
    content.pop("seal")
    content["files"]["facts.json"] = 1.7
    return json.dumps(content | {"seal": hashlib.sha256(canonical(content).encode()).hexdigest()})


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("manifest.json", redescribed),
        ("facts.json", lambda text: text.replace('"threads": ', '"threads": "x", "other": ')),
        ("recipe.json", lambda text: text.replace('"seed": 0', '"seed": 5')),
    ],
)
def test_what_holds_something_else_under_a_seal_of_its_own_is_corrupt(store, name, change):
    run = ok("runs", "--name", "ct", "--store", store, "-q").lines[0]
    place = store / "runs" / run[:2] / run
    before = {file: (place / file).read_text() for file in {name, "manifest.json"}}
    try:
        (place / name).write_text(new := change(before[name]))
        assert new != before[name]
        if name != "manifest.json":
            content = json.loads(before["manifest.json"])
            content.pop("seal")
            said = hashlib.sha256(new.encode()).hexdigest()
            content["files"][name] = {"sha256": said, "size": len(new)}
            seal = hashlib.sha256(canonical(content).encode()).hexdigest()
            (place / "manifest.json").write_text(json.dumps(content | {"seal": seal}))
        for words in (("show", run), ("verify", run), ("replay", run)):
            said = call(*words, "--store", store)
            assert said.code == 7, (words, said)
            assert "unexpected" not in said.err
    finally:
        for file, text in before.items():
            (place / file).write_text(text)


def test_a_name_with_a_line_in_it_stays_one_line_of_a_warning(store, tmp_path):
    file = tmp_path / "figures.jsonl"
    ours = Store.open(store, create=False)
    recipe = replace(
        ours.find(ok("runs", "--name", "ct", "--store", store, "-q").lines[0]).recipe, name="a\nPASS"
    )
    told = FiguresFile(file)
    run = Store.open(tmp_path / "other", create=True).put(
        recipe, scores={"RA": 1.0, "FA": 1.0, "TA": 1.0}, facts={"status": "done"}
    )
    told.tell(run, lambda _: Taken())
    said = call("report", "--from", file)
    assert "a\\nPASS" in said.err
    assert "\nPASS" not in said.err.replace("a\\nPASS", "")


DAMAGES = {
    "a field is missing": lambda text: edited(text, lambda row: row.pop("model"), sealed=True),
    "text for a number": lambda text: edited(text, lambda row: row.update(created="x"), sealed=True),
    "a list for scores": lambda text: edited(text, lambda row: row.update(scores=[1]), sealed=True),
    "a table for a setting": lambda text: edited(
        text, lambda row: row["params"].update(feature={"a": 1}), sealed=True
    ),
    "deep nesting": lambda _: "[" * 100_000,
    "a broken seal": lambda text: edited(text, lambda row: row.update(name="other"), sealed=False),
    "torn": lambda text: text[: len(text) // 2],
    "no object": lambda _: "3",
    "not text": lambda _: "\0",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_manifest_takes_its_own_run_only(store, damage):
    every = ok("runs", "--store", store, "-q").lines
    run = every[1]
    path = store / "runs" / run[:2] / run / "manifest.json"
    sound = path.read_text()
    try:
        path.write_text(DAMAGES[damage](sound))
        (store / "index.sqlite").unlink()  # which knows the row from before
        for words in (("runs",), ("report",), ("rank",)):
            said = call(*words, "--store", store)
            assert f"left out: 1 run that cannot be read ({run}); `deepunlearn verify --store " in said.err, (
                words
            )
            assert said.code in (0, 2, 3), words  # of so few runs there may be no ranking
            assert "unexpected" not in said.err
        left = [one for one in every if one != run]
        assert ok("runs", "--store", store, "-q").lines == left
        assert run in call("verify", "--store", store).out
    finally:
        path.write_text(sound)
    said = ok("runs", "--store", store, "-q")
    assert said.lines == every
    assert "left out" not in said.err


def test_a_run_that_is_gone_is_said_to_be_gone(store):
    run = ok("runs", "--name", "ct", "--store", store, "-q").lines[0]
    place = store / "runs" / run[:2] / run
    place.rename(aside := store.parent / "aside")
    try:
        for words in (("verify", run), ("show", run[:6])):
            said = call(*words, "--store", store)
            assert said.code == 7
            assert f"run {run} was sealed here and is gone" in said.err
        assert call("verify", "0123456789abcdef", "--store", store).code == 3
    finally:
        aside.rename(place)
    ok("verify", run, "--store", store)
