"""A bench on a real Ray whose workers, nodes and command are killed at random: it completes, and nobody is left."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import tiny
from cli_kit import Child, call, ok, running, until

pytest.importorskip("ray")
from ray_kit import add_node, below, nobody_is_left, two_nodes

from deepunlearn_cli.store import Store

KILLS, DRIVERS = 10, 3
PLAN = """datasets = ["digits"]
models = ["resnet-tiny"]
methods = ["ft", "ga", "scrub", "msg", "do-nothing", "retrain"]
attacks = ["umia"]
seeds = "0-4"
[training]
epochs = 10
batch_size = 64
"""

pytestmark = pytest.mark.slow


@pytest.fixture
def bench(tmp_path: Path) -> tuple[str, ...]:
    (tmp_path / "plan.toml").write_text(PLAN)
    return ("bench", str(tmp_path / "plan.toml"), "--json")


def same(ours: Store, theirs: Store) -> None:
    """The same runs, bit by bit."""
    assert theirs.ids() == ours.ids()
    for key in ours.ids():
        mine, made = ours.get(key), theirs.get(key)
        assert mine
        assert made
        assert mine.scores == made.scores, key
        if "weights.safetensors" in mine.files:
            assert tiny.same(mine.weights(), made.weights()), key


class Killer:
    """Kills what works on a cluster of which `second` is the node that may go."""

    def __init__(self, nodes: Any, rng: random.Random) -> None:
        self.nodes, self.rng = nodes, rng
        self.second = nodes.worker_nodes and next(iter(nodes.worker_nodes))
        self.kinds = ["worker", "actor", "node", "node, asked"]

    def kill(self, number: int, child: Child) -> None:
        """Kill one of a kind; nobody, if the command ends before there is one."""
        kind = self.kinds[number % len(self.kinds)]
        if kind in ("worker", "actor"):
            name = "spawn_main" if kind == "worker" else "ray::Actor"
            until(lambda: not child.process.is_alive() or below(os.getpid(), name))
            if there := below(os.getpid(), name):
                os.kill(self.rng.choice(there), signal.SIGKILL)
        else:
            self.nodes.remove_node(self.second, allow_graceful=kind != "node")
            self.second = add_node(self.nodes)


@pytest.mark.parametrize("shared", [True, False])
def test_a_bench_survives_whoever_dies(tmp_path: Path, bench: tuple[str, ...], shared: bool) -> None:
    rng = random.Random(0)
    there, here = tmp_path / "there", tmp_path / "here"
    with two_nodes(tmp_path, shared=shared) as nodes:
        words = (*bench, "--on", f"ray:{nodes.address}", "--store", there)
        killer, kills = Killer(nodes, rng), 0
        for _ in range(DRIVERS):
            before = len(Store(there).ids()) if there.exists() else 0
            with running(*words, cwd=tmp_path) as child:
                kills = _disturbed(child, killer, kills, there, before + 6)
                child.send(signal.SIGKILL)
                child.process.join()
                nobody_is_left()
        with running(*words, cwd=tmp_path) as child:
            while kills < KILLS and child.process.is_alive():
                kills = _disturbed(child, killer, kills, there, len(Store(there).ids()) + 2)
            said = child.wait(900)
        assert said.code == 0, said
        assert kills == KILLS, "the plan is too short for all of them"
        nobody_is_left()
    assert call("verify", "--store", there).code == 0
    expected = ok(*bench, "--jobs", "2", "--store", here)
    untimed = ("seconds", "rte", "peak", "incomparable")  # what was measured, not made
    assert [_figures(line, untimed) for line in said.json] == [
        _figures(line, untimed) for line in expected.json
    ]
    same(Store(here), Store(there))


def _disturbed(child: Child, killer: Killer, kills: int, store: Path, goal: int) -> int:
    """Let the bench get so far, with one kill on the way."""
    time.sleep(killer.rng.uniform(0, 3))
    if child.process.is_alive() and kills < KILLS:
        killer.kill(kills, child)
        kills += 1
    until(lambda: not child.process.is_alive() or (store.exists() and len(Store(store).ids()) >= goal), 900)
    return kills


def _figures(line: dict[str, Any], without: tuple[str, ...]) -> dict[str, Any]:
    return {name: value for name, value in line.items() if not name.startswith(without)}


@contextmanager
def training(folder: Path) -> Iterator[tuple[Child, Path]]:
    """A command whose two long runs are being made, one on each node, and its store."""
    words = ("train", "--dataset", "digits", "--model", "resnet-tiny", "--seeds", "0-1", "-p", "epochs=3000")
    store = folder / "store"
    with (
        two_nodes(folder) as nodes,
        running(*words, "--on", f"ray:{nodes.address}", "--store", store, cwd=folder) as child,
    ):
        until(lambda: len(list(store.glob("runs/*/.*.lock"))) == 2)
        yield child, store


def test_ctrl_c_leaves_the_store_clean(tmp_path: Path) -> None:
    with training(tmp_path) as (child, store):
        child.send(signal.SIGINT)
        said = child.wait()
        assert said.code == 130, said
        assert said.out == ""
        nobody_is_left()
    assert not list(store.glob("runs/*/.*")), "something was left behind"


def test_the_head_dies(tmp_path: Path) -> None:
    with training(tmp_path) as (child, store):
        os.kill(below(os.getpid(), "gcs_server")[0], signal.SIGKILL)
        said = child.wait(60)
        assert said.code == 1, said
        assert "the Ray cluster is gone" in said.err
        assert said.out == ""
        nobody_is_left("spawn_main", seconds=90)
    assert call("verify", "--store", store).code == 0
