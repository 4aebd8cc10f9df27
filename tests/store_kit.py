"""What the tests of the store share: small recipes, runs and processes."""

from __future__ import annotations

import multiprocessing
import os
import time
from pathlib import Path

from deepunlearn_cli.core.recipe import Recipe
from deepunlearn_cli.store import Run, Store

FORK = multiprocessing.get_context("fork")


def recipe(seed: int = 0, **changes) -> Recipe:
    plain = {"kind": "train", "name": "original", "params": {"epochs": 2, "lr": 0.1}, "seed": seed}
    labels = {"dataset": "digits", "forget": "random:0.1"}
    return Recipe(
        **plain | {"data": {"fingerprint": "f", "augment": True}, "model": "cnn", "labels": labels} | changes
    )


def put(store: Store, seed: int = 0, scores=None, **changes) -> Run:
    facts = {"status": "done", "created": 1000.0 + seed, "seconds": 1.5, "device": "cpu"}
    return store.put(recipe(seed, **changes), scores=scores or {"test": 0.5}, facts=facts)


def tree(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def in_processes(work, times: int = 4) -> None:
    workers = [FORK.Process(target=work) for _ in range(times)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0] * times


def settle(store: Store) -> None:
    """Make every folder old enough for the index to be believed."""
    for shard in store.runs.iterdir():
        os.utime(shard, (time.time() - 10,) * 2)
