"""Runs made on a real Ray of two nodes: the runs of this machine bit by bit, and nothing lost with who dies."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import tiny
from cli_kit import call, ok, running, until

pytest.importorskip("ray")
from ray_kit import below, nobody_is_left, two_nodes

from deepunlearn_cli.store import Store

TRAIN = ("train", "--dataset", "digits", "--model", "resnet-tiny", "--forget", "random:0.1", "-q")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address of a cluster whose nodes see no store of ours, and where they keep theirs."""
    folder = tmp_path_factory.mktemp("ray")
    with two_nodes(folder, shared=False) as nodes:
        yield nodes.address, folder / "nodes"


def test_a_cluster_makes_the_runs_of_this_machine_whoever_dies(
    cluster: tuple[str, Path], tmp_path: Path
) -> None:
    """The command is killed, then a worker of the same command again; and all is as `--jobs 2` makes it."""
    address, nodes = cluster
    words = (*TRAIN, "--seeds", "0", "--role", "both", "-p", "epochs=3")
    there, here = tmp_path / "there", tmp_path / "here"
    place = ("--on", f"ray:{address}", "--store", there)
    with running(*words, *place, cwd=tmp_path) as child:
        until(lambda: Store(there).ids())
        child.send(signal.SIGKILL)
        child.process.join()
        nobody_is_left()
    assert call("verify", "--store", there).code == 0
    with running(*words, *place, cwd=tmp_path) as child:
        until(lambda: below(os.getpid(), "spawn_main"))
        os.kill(below(os.getpid(), "spawn_main")[0], signal.SIGKILL)
        said = child.wait()
    assert said.code == 0, said
    assert said.lines == ok(*words, "--jobs", "2", "--store", here).lines
    ours, theirs = Store(here), Store(there)
    assert theirs.ids() == ours.ids()
    for key in ours.ids():
        mine, made = ours.get(key), theirs.get(key)
        assert mine
        assert made
        assert tiny.same(mine.weights(), made.weights())
        assert mine.scores == made.scores
        assert made.facts["node"]
        assert "node" not in mine.facts
        assert mine.facts["threads"] == made.facts["threads"]
    assert theirs.verify() == []
    assert not list(there.glob(".command-*.lock"))
    assert not [path for path in nodes.iterdir() if path.name != ".door"], "a node kept what it worked with"
