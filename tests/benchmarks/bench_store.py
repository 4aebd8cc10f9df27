"""How fast the store is at many runs: `python tests/benchmarks/bench_store.py [RUNS] [--dir FOLDER]`.

Prints one line per figure. Times of put and get are also given as ratios against plain safetensors.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from statistics import median

from deepunlearn_cli.core.recipe import Recipe
from deepunlearn_cli.core.whole import flush
from deepunlearn_cli.store import Store, index

SCORES = ("ra", "fa", "va", "ta", "rr", "fr", "tr", "retdev", "umia", "indisc")
MODEL_FLOATS = 11_250_000  # 45 MB, a ResNet18


def seconds(work: Callable[[], object], times: int = 1) -> float:
    """Median wall seconds of `work`."""
    measured = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        measured.append(time.perf_counter() - start)
    return median(measured)


def fill(store: Store, runs: int) -> None:
    """Synthetic runs that hold a manifest only, without fsync."""
    target = Recipe("train", "original", params={"epochs": 50}, model="resnet18", data={"fingerprint": "f"})
    labels = {"dataset": "cifar10", "forget": "random:0.1"}
    for seed in range(runs):
        params = {name: random.random() for name in ("lr", "alpha", "momentum", "weight_decay")} | {
            "epochs": 5
        }
        inputs = {"target": target}
        recipe = Recipe(
            "unlearn", "msg", 1, params, seed, {}, "f" * 64, "resnet18", "bf16", inputs, 0, labels
        )
        facts = {
            "created": 1e9 + random.random(),
            "seconds": 1.5,
            "work": 3.25,
            "device": "H200",
            "shared": False,
        }
        row = index.row(recipe, {name: random.random() for name in SCORES}, facts)
        place = store.runs / row["id"][:2] / row["id"]
        place.mkdir(parents=True)
        files = {
            name: {"sha256": "0" * 64, "size": 1000} for name in ("recipe.json", "scores.json", "facts.json")
        }
        (place / "manifest.json").write_text(
            json.dumps({"schema": 1, "files": files, "row": row, "seal": ""})
        )


def bench_index(store: Store) -> None:
    print(f"index, built from manifests   {seconds(store.rows):8.3f} s")
    time.sleep(max(0.0, 2.1 - (time.time() - max(shard.stat().st_mtime for shard in store.runs.iterdir()))))
    store.rows()
    print(f"rows(), warm                  {seconds(store.rows, 5):8.3f} s")
    print(f"rows(name=...), warm          {seconds(lambda: store.rows(name='none'), 5):8.3f} s")
    ids = random.sample(store.ids(), 101)
    print(f"find(8 digits)                {1e3 * seconds(lambda: store.find(ids.pop()[:8]), 100):8.3f} ms")
    print(f"index size                    {(store.root / 'index.sqlite').stat().st_size / 1e6:8.1f} MB")


def bench_small_put(store: Store) -> None:
    recipes = [Recipe("train", "original", seed=-seed) for seed in range(1, 101)]
    put = seconds(lambda: store.put(recipes.pop(), scores={"a": 1.0}, facts={"created": 1.0}), 50)
    print(f"put, no weights               {1e3 * put:8.2f} ms")


def bench_model(store: Store) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    weights = {f"layer{i}": torch.randn(MODEL_FLOATS // 50) for i in range(50)}
    plain = (store.root / f"plain{number}.safetensors" for number in count())
    kept = []

    def save() -> Path:
        # Each time a new file that stays, as with put: pages that a deleted file gave back are faster.
        save_file(weights, path := next(plain))
        return path

    saved = seconds(save, 5)
    flushed = seconds(lambda: flush(save()), 5)
    path = save()
    recipes = iter([Recipe("train", "original", seed=-1000 - number) for number in range(5)])
    put = seconds(lambda: kept.append(store.put(next(recipes), weights=weights, scores={}, facts={})), 5)
    load = seconds(lambda: [t.sum() for t in load_file(path).values()], 5)
    get = seconds(lambda: [t.sum() for t in store.get(kept[0].id).weights().values()], 5)
    ratios = f"{put / flushed:.2f} x save+fsync, {put / saved:.2f} x save"
    print(f"put, 45 MB                    {1e3 * put:8.1f} ms = {ratios}")
    print(f"get and weights(), 45 MB      {1e3 * get:8.1f} ms = {get / load:.2f} x load")
    print(f"verify, 45 MB                 {1e3 * seconds(lambda: store.verify([kept[0].id]), 3):8.1f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=int, nargs="?", default=100_000)
    parser.add_argument("--dir", default=None, help="where to make the temporary store")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.dir) as folder:
        store = Store.open(Path(folder) / "store", create=True)
        fill(store, options.runs)
        bench_index(store)
        bench_small_put(store)
        bench_model(store)


if __name__ == "__main__":
    main()
