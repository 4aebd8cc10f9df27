"""The store under kill -9: whatever the moment, no half run, and the next process carries on."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time

import pytest
from store_kit import names

from deepunlearn_cli.core.recipe import Recipe
from deepunlearn_cli.store import Store

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")

# Writes one run after the other for ever; the plain-data stand-in for torch keeps the start quick.
WRITER = """
import sys, itertools
from deepunlearn_cli.store import run
from deepunlearn_cli.core.recipe import Recipe
from deepunlearn_cli.store import Store
run._write_tensors = lambda path, tensors: path.write_bytes(b"w" * 2_000_000)
store = Store.open(sys.argv[1], create=True)
print("ready", flush=True)
for seed in itertools.count(int(sys.argv[2])):
    recipe = Recipe("train", "original", seed=seed)
    with store.making(recipe):
        store.put(recipe, weights={}, scores={"a": seed}, facts={"created": float(seed)})
    if seed % 5 == 0:
        store.remove([recipe.key])
    store.rows()
"""


def kill_a_writer(store: Store, first_seed: int, after: float) -> None:
    command = [sys.executable, "-c", WRITER, str(store.root), str(first_seed)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
        assert writer.stdout.readline() == b"ready\n"
        time.sleep(after)
        writer.send_signal(signal.SIGKILL)
    assert writer.returncode == -signal.SIGKILL


@pytest.mark.slow
def test_kill_at_random_moments(tmp_path):
    store = Store.open(tmp_path / "store", create=True)
    moments = random.Random(0)
    for round_number in range(20):
        kill_a_writer(store, 1000 * round_number, moments.uniform(0.0, 0.08))
        assert store.verify() == []
        assert {row["id"] for row in store.rows()} == set(store.ids())
    assert store.ids()
    store.remove_leftovers()
    assert store.leftovers() == []
    assert not list(store.runs.rglob(".*"))


def test_a_killed_maker_blocks_nobody(tmp_path):
    store = Store.open(tmp_path / "store", create=True)
    recipe = Recipe("train", "original")
    code = (
        "import os, sys\nfrom deepunlearn_cli.core.recipe import Recipe\nfrom deepunlearn_cli.store import Store\n"
        "store, recipe = Store.open(sys.argv[1], create=False), Recipe('train', 'original')\n"
        "with store.making(recipe):\n"
        "    store._hidden(recipe.key).mkdir()\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, str(store.root)], check=False).returncode == -9
    assert len(store.leftovers()) == 2  # the lock and the staging folder
    with store.making(recipe, waiting=lambda: pytest.fail("waited for a dead process")) as ready:
        assert ready is None
        store.put(recipe, scores={}, facts={})
    assert names(store.runs / recipe.key[:2]) == [recipe.key]
    assert store.leftovers() == []
