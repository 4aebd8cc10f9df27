"""A Ray cluster of two nodes on this machine, for tests: small, and gone afterwards."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cli_kit import until
from ray.cluster_utils import Cluster

STORE = 100 * 2**20  # bytes of objects on a node
PLACE = "DEEPUNLEARN_NODE_STORE"
LIMIT = 10.0  # seconds in which nobody works for a dead command any more


@contextmanager
def two_nodes(folder: Path, cpus: int = 1, *, shared: bool = True) -> Iterator[Cluster]:
    """A head and a second node with so many CPUs each.

    Args:
        shared: whether nodes see the stores of commands; else each has its own in `folder`.
    """
    before = {name: os.environ.get(name) for name in (PLACE, "PYTHONPATH", "OMP_NUM_THREADS")}
    root = str(Path(__file__).parents[1])
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [root, before["PYTHONPATH"]]))
    if not shared:
        os.environ[PLACE] = str(folder / "nodes")
    head = {"num_cpus": cpus, "object_store_memory": STORE, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        add_node(cluster, cpus)
        yield cluster
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        cluster.shutdown()


def add_node(cluster: Cluster, cpus: int = 1) -> Any:
    """One more node."""
    return cluster.add_node(num_cpus=cpus, object_store_memory=STORE)


def below(parent: int, *names: str) -> list[int]:
    """Processes started by one, or by those that it started, whose command line has one of these names."""
    parents, lines = {}, {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
            lines[int(stat.parent.name)] = stat.with_name("cmdline").read_bytes().decode()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if fields[0] != "Z":
            parents[int(stat.parent.name)] = int(fields[1])
    return [pid for pid in parents if _is_below(pid, parent, parents) and any(n in lines[pid] for n in names)]


def nobody_is_left(*names: str, seconds: float = LIMIT) -> None:
    """Wait until no worker of ours is there, nor any actor; of these names where some are given."""
    until(lambda: not below(os.getpid(), *(names or ("spawn_main", "ray::Actor"))), seconds)


def _is_below(pid: int, ancestor: int, parents: dict[int, int]) -> bool:
    while pid in parents and pid != ancestor:
        pid = parents[pid]
    return pid == ancestor
