"""`prune`: whatever is damaged can go, inputs stay while something was made from them, and leftovers are known."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys

import pytest
from cli_kit import bench, call
from store_kit import put, recipe

from deepunlearn_cli.store import Store


def truncated(name):
    return lambda run: (run / name).write_bytes((run / name).read_bytes()[:20])


def becomes(name, text):
    return lambda run: (run / name).write_text(text)


def gone(name):
    return lambda run: (run / name).unlink()


def changed(name, **fields):
    def damage(run):
        held = json.loads((run / name).read_bytes())
        (run / name).write_text(json.dumps(held | fields))

    return damage


def emptied(run):
    for file in run.iterdir():
        file.unlink()


def a_file(run):
    shutil.rmtree(run)
    run.write_text("x")


def a_dangling_link(run):
    shutil.rmtree(run)
    run.symlink_to("/nowhere")


def with_a_folder(run):
    (run / "sub" / "deep").mkdir(parents=True)
    (run / "sub" / "deep" / "file").write_text("x")


FILES = ("recipe.json", "scores.json", "facts.json", "manifest.json")
DAMAGES = {
    **{f"{name} cut": truncated(name) for name in FILES},
    **{f"{name} gone": gone(name) for name in FILES},
    **{f"{name} {text[:9]}": becomes(name, text) for name in FILES for text in ("[]", "null", "[" * 90_000)},
    **{f"{name} binary": becomes(name, "\x00\x01") for name in FILES},
    "recipe.json inputs": changed("recipe.json", inputs={"target": 5}),
    "recipe.json inputs list": changed("recipe.json", inputs=[1]),
    "recipe.json labels": changed("recipe.json", labels=[1]),
    "recipe.json labels null": changed("recipe.json", labels=None),
    "recipe.json kind trial": changed("recipe.json", kind="trial", labels=7),
    "recipe.json params": changed("recipe.json", params="x", data=3),
    "recipe.json unknown": changed("recipe.json", other=1),
    "facts.json text": changed("facts.json", seconds="long", created="once"),
    "scores.json text": changed("scores.json", test={"a": ["b"]}),
    "manifest row": changed("manifest.json", row=[]),
    "manifest id": changed("manifest.json", row={"id": "0" * 16}),
    "emptied": emptied,
    "a file": a_file,
    "a dangling link": a_dangling_link,
    "with a folder": with_a_folder,
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_run_can_always_be_pruned(tmp_path, name):
    store = Store.open(tmp_path / "store", create=True)
    run, other = put(store), put(store, 1)
    DAMAGES[name](run.path)
    for more in (["--dry-run"], ["--yes"]):
        said = call("prune", run.id, "--store", store.root, *more)
        assert said.code == 0, said.err
        assert "prune" not in said.err
    assert store.ids() == [other.id]
    assert store.verify() == []
    assert not list(store.runs.rglob(f".{run.id}*"))


def test_what_an_attack_was_made_from_stays(tmp_path):
    store = Store.open(tmp_path / "store", create=True)
    shadow, attack = put(store), put(store, 9, kind="attack", inputs={"shadow/7": recipe()})
    said = call("prune", shadow.id, "--yes", "--store", store.root)
    assert said.code == 2
    assert attack.id in said.err
    assert call("prune", shadow.id, attack.id, "--yes", "--store", store.root).code == 0


KILLED = """
import os, signal, sys
from deepunlearn_cli.store import Store, leftovers
left = [int(sys.argv[2])]
def erase(path, known=leftovers.erase):
    left[0] -= 1
    if left[0] < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    known(path)
leftovers.erase = erase
Store(__import__("pathlib").Path(sys.argv[1])).remove(sys.argv[3:])
"""


@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
@pytest.mark.parametrize("moment", [0, 1, 2])
def test_a_killed_prune_leaves_no_run_without_its_inputs(tmp_path, moment):
    store = Store.open(tmp_path / "store", create=True)
    first, one = put(store), recipe()
    second = recipe(kind="unlearn", inputs={"original": one})
    third = recipe(kind="attack", inputs={"shadow": second, "target": one})
    for made in (second, third):
        store.put(made, scores={}, facts={"created": 1.0})
    keys = [first.id, second.key, third.key]
    command = [sys.executable, "-c", KILLED, str(store.root), str(moment), *keys]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert sorted(store.ids()) == sorted(keys[: 2 - moment])
    assert call("verify", "--store", store.root).code == 0
    assert call("prune", "--leftovers", "--store", store.root).code == 0
    assert store.leftovers() == []


LEFT = (
    "data/.staging-abc/images.npy", "data/sources/.staging-abc/x.json", "studies/.worker-0f.lock",
    "studies/.all.journal.collecting", "studies/x.journal.0.torn", "studies/.x.toml.77.part",
    "purposes/ab/.x.json.77.part", ".index-1-a.sqlite", ".store.json-a",
)  # fmt: skip


@pytest.mark.parametrize("name", LEFT)
@pytest.mark.slow
def test_whatever_a_killed_process_leaves_is_known(tmp_path, name):
    store = Store.open(tmp_path / "store", create=True)
    path = store.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * 100)
    os.utime(path, (1, 1))
    assert "1 leftovers" in call("verify", "--store", store.root).err
    assert call("prune", "--leftovers", "--store", store.root).code == 0
    assert not path.exists()
    assert store.leftovers() == []


def test_a_run_whose_folder_is_gone_can_be_pruned(tmp_path):
    place = bench(tmp_path)
    shutil.rmtree(place.store / "runs" / place.ids["umia"][:2] / place.ids["umia"])
    assert place("verify").code == 7
    place.ok("prune", place.ids["umia"][:6], "--yes")
    assert place("verify").code == 0
    place.refused("prune", place.ids["umia"], "--yes", code=3)
