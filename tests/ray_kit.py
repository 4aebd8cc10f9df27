"""A Ray cluster of two nodes on this machine, for tests: small, and gone afterwards."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ray.cluster_utils import Cluster

SMALL = {"object_store_memory": 100 * 2**20, "include_dashboard": False}
PLACE = "DEEPUNLEARN_NODE_STORE"


@contextmanager
def two_nodes(folder: Path, cpus: int = 1, *, shared: bool = True) -> Iterator[Cluster]:
    """A head and a second node with so many CPUs each.

    Args:
        shared: whether nodes see the stores of commands; else each has its own in `folder`.
    """
    os.environ["RAY_DISABLE_IMPORT_WARNING"] = "1"
    if not shared:
        os.environ[PLACE] = str(folder / "nodes")
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": cpus, **SMALL})
    try:
        add_node(cluster, cpus)
        yield cluster
    finally:
        os.environ.pop(PLACE, None)
        cluster.shutdown()


def add_node(cluster: Cluster, cpus: int = 1) -> Any:
    """One more node."""
    return cluster.add_node(num_cpus=cpus, object_store_memory=SMALL["object_store_memory"])
