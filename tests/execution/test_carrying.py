"""What travels between a store and nodes: each thing once, whole, and checked on arrival on either side."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from deepunlearn_cli import data
from deepunlearn_cli.core.errors import StoreCorrupt, UsageFailure
from deepunlearn_cli.core.recipe import Recipe
from deepunlearn_cli.execution import carrying, recipes
from deepunlearn_cli.execution.carrying import Carrier, NodePorter, files_of, joined
from deepunlearn_cli.execution.forgetting import forget_for
from deepunlearn_cli.execution.runner import Runner
from deepunlearn_cli.store import Run, Store, manifest
from deepunlearn_cli.system.actor_pool import Spoilt
from deepunlearn_cli.system.locks import hold

SHORT = {"epochs": 1, "batch_size": 256}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Recipe]:
    """A store with an original, and a recipe of what is to be unlearned from it."""
    store = Store.open(tmp_path_factory.mktemp("home") / "store", create=True)
    runner = Runner(store, "cpu")
    digits = data.open_dataset("digits", store.data)
    scene = recipes.Scene(digits, "resnet-tiny", data.VAL_SHARE, data.SPLIT_SEED)
    forget = forget_for(scene.data, digits, "random:0.1", runner)
    start = recipes.original(scene, SHORT, 0)
    runner.ensure(start)
    return store, recipes.unlearned(start, "ft", forget, SHORT)


@pytest.fixture
def carrier(home: tuple[Store, Recipe]) -> Iterator[Carrier]:
    with Carrier(home[0]) as carrier:
        yield carrier


@pytest.fixture
def node(carrier: Carrier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[NodePorter]:
    """A node that does not see the store."""
    monkeypatch.setenv(carrying.PLACE, str(tmp_path / "nodes"))
    monkeypatch.setattr(carrying, "node_name", lambda: "host/abc123")
    porter = carrier.terms.porter()
    with joined(porter.store.root):
        yield porter


def test_a_node_that_sees_the_store_is_brought_nothing(home, carrier, monkeypatch) -> None:
    store, recipe = home
    porter = carrier.terms.porter()
    assert porter.shared
    assert porter.store.root == store.root.absolute()
    assert porter.lacking(recipe.to_json()) == []
    assert porter.cargo(("ended", True)) is None


def test_a_copy_at_the_same_place_of_another_machine_is_not_the_store(home, carrier, tmp_path) -> None:
    store, _ = home
    copy = tmp_path / "copy"
    shutil.copytree(store.root, copy, ignore=shutil.ignore_patterns(".command-*"))
    seen = carrying.Origin(str(copy), carrier.terms.id, carrier.terms.command)
    assert not seen.is_seen()
    assert carrier.terms.is_seen()
    other = Store.open(tmp_path / "other", create=True)
    with hold(other.root / carrier.terms.lock.name):
        assert not carrying.Origin(str(other.root), carrier.terms.id, carrier.terms.command).is_seen()


def test_what_a_run_needs_is_brought_once_and_the_run_comes_back(home, carrier, node) -> None:
    store, recipe = home
    lacking = node.lacking(recipe.to_json())
    start = recipe.inputs["original"].key
    assert sorted(lacking) == sorted(
        [f"data/{recipe.data['fingerprint']}", f"data/{recipe.forget}", f"run/{start}"]
    )
    for name in lacking:
        node.bring(name, carrier.content(name))
    assert node.lacking(recipe.to_json()) == []
    assert node.store.verify() == []
    made = Runner(node.store, "cpu").ensure(recipe)
    assert node.cargo(("progress", 1, 2, "")) is None
    key, files = node.cargo(("ended", True))
    assert key == recipe.key
    carrier.receive((key, files))
    there = store.get(recipe.key)
    assert there
    assert there.facts == made.facts
    assert {path.name: path.read_bytes() for path in there.path.iterdir()} == {
        path.name: path.read_bytes() for path in made.path.iterdir()
    }
    assert store.verify() == []
    assert store.leftovers() == [carrier.terms.lock] or store.leftovers() == []
    carrier.receive((key, files))  # again: it is there
    store.remove([recipe.key])


def test_a_run_that_is_not_what_was_sealed_is_refused(home, carrier, node) -> None:
    store, recipe = home
    start = recipe.inputs["original"].key
    files = dict(files_of(store, start))
    for name in files:
        spoilt = files | {name: np.where(np.arange(len(files[name])) == 40, files[name] ^ 1, files[name])}
        other = Store.open(store.root.parent / f"other-{name}", create=True)
        with Carrier(other) as theirs, pytest.raises(Spoilt, match=start):
            theirs.receive((start, spoilt))
        assert other.ids() == []
        assert other.verify() == []
        with pytest.raises(StoreCorrupt):
            node.bring(f"run/{start}", spoilt)
        assert node.store.ids() == []
    with pytest.raises(Spoilt):
        Carrier(other).receive((start, {"../../evil": files["recipe.json"], **files}))
    assert not (other.root.parent / "evil").exists()
    with pytest.raises(Spoilt):
        Carrier(other).receive(("0" * 16, files))
    assert other.ids() == []


@pytest.mark.parametrize("which", ["dataset", "forget"])
def test_data_that_is_not_what_was_sent_is_refused(home, carrier, node, which) -> None:
    _, recipe = home
    sha256 = recipe.data["fingerprint"] if which == "dataset" else recipe.forget
    content = dict(carrier.content(f"data/{sha256}"))
    name = "images.npy" if which == "dataset" else f"{sha256}.npz"
    content[name] = content[name].copy()
    content[name][-100] ^= 1
    with pytest.raises(StoreCorrupt):
        node.bring(f"data/{sha256}", content)
    assert not data.is_here(sha256, node.store.data), "who shares this node would take it for sound"


def test_a_dataset_travels_with_what_was_purged_of_it(home, carrier, node, tmp_path) -> None:
    """Its digest is that of pictures that are gone: a node that knew nothing of it would refuse the rest."""
    store = Store.open(tmp_path / "store", create=True)
    digits = data.open_dataset("digits", store.data)
    planned = data.erasures(store.data, digits.fingerprint, [3, 5])
    about = {"request": "4711", "at": "2026-01-01T00:00:00Z"}
    data.purge(store.data, planned, data.FAMILIES.residents(), about)
    with Carrier(store) as theirs:
        node.bring(f"data/{digits.fingerprint}", theirs.content(f"data/{digits.fingerprint}"))
    there = data.load_dataset(digits.fingerprint, node.store.data)
    assert there.purged.tolist() == [3, 5]
    assert not there.images[[3, 5]].any()
    assert node.store.verify() == []


def test_what_there_is_not_is_asked_for_once(home, carrier, node) -> None:
    _, recipe = home
    strange = recipe.to_json() | {"labels": {"code": "9" * 64}}
    assert f"data/{'9' * 64}" in node.lacking(strange)
    assert carrier.content(f"data/{'9' * 64}") is None
    assert carrier.content("run/" + "9" * 16) is None
    node.bring(f"data/{'9' * 64}", None)
    assert f"data/{'9' * 64}" not in node.lacking(strange)


def test_a_nodes_store_goes_with_its_last_worker_and_dead_ones_are_swept(tmp_path) -> None:
    base = tmp_path / "nodes"
    dead = base / "dead" / "abc123"
    Store.open(dead, create=True)
    (base / "dead" / f".worker-{os.getpid()}9.lock").touch()
    root = base / "mine" / "abc123"
    with joined(root):
        assert not dead.exists()
        assert root.is_dir()
        with hold(root.parent / ".worker-1.lock"):
            carrying._sweep(base)
            assert root.is_dir()
    assert not root.exists()
    assert not list(base.iterdir())


def test_another_version_of_the_tool_is_refused(carrier, monkeypatch) -> None:
    monkeypatch.setattr(carrying, "node_name", lambda: "host/abc123")
    monkeypatch.setattr(carrying, "__version__", "0.0.1")
    with pytest.raises(UsageFailure, match=r"host/abc123 has deepunlearn 0\.0\.1"):
        carrier.terms.porter()


def test_a_run_whose_figures_alone_are_here_gives_way(home, tmp_path) -> None:
    from deepunlearn_cli.store.kinds import ELSEWHERE

    store, recipe = home
    start = recipe.inputs["original"].key
    other = Store.open(tmp_path / "other", create=True)
    files = files_of(store, start)
    carrying.write(files, other.place(start))
    (other.place(start) / ELSEWHERE).write_text('{"left": ["weights"]}')
    manifest.write(other.place(start), manifest.row_of(store.place(start)))
    assert not Run(start, other.place(start)).whole
    spoilt = files | {"scores.json": files["scores.json"][:-1]}
    with Carrier(other) as carrier:
        with pytest.raises(Spoilt):
            carrier.receive((start, spoilt))
        assert other.has(start), "the figures are gone for something that is no run"
        carrier.receive((start, files))
    assert Run(start, other.place(start)).whole
    assert other.verify() == []
