"""U-LiRA's analysis at the paper's size: 64 x 10 models over 47,500 pictures of 10 classes, from a store on disk.

    python tests/benchmarks/bench_ulira.py [SPLITS] [FORGET_SETS] [PICTURES]

Prints the seconds of the analysis (reading included), its share in reading alone, and the peak memory.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from deepunlearn_cli.attacks.ulira import ULiRA, target_name
from deepunlearn_cli.core.recipe import Recipe
from deepunlearn_cli.store import Run, Store

CLASSES, SHARE = 10, 0.1


def main(splits: str = "64", forget_sets: str = "10", pictures: str = "47500") -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(Path(folder) / "store", create=True)
        runs = fill(store, int(splits), int(forget_sets), int(pictures))
        start = time.perf_counter()
        for run in runs.values():
            run.outputs()
        reading = time.perf_counter() - start
        before = peak()
        start = time.perf_counter()
        found = ULiRA().run({name: run.outputs for name, run in runs.items()}, 0)
        seconds = time.perf_counter() - start
        size = sum(run.size for run in runs.values()) / 1e9
    print(f"{len(runs)} models, {size:.2f} GB: {seconds:.1f} s ({seconds / reading:.1f} times reading alone)")
    print(f"peak {peak():.2f} GB, {peak() - before:.2f} GB of them the analysis")
    print(f"accuracy {found.scores['accuracy']:.3f}, {found.scores['samples']} pictures")


def fill(store: Store, splits: int, forget_sets: int, pictures: int) -> dict[str, Run]:
    """Made-up models in a store, as `attack ulira` keeps them."""
    found, labels = {}, np.random.default_rng(0).integers(0, CLASSES, pictures).astype(np.int32)
    for split in range(splits):
        rng = np.random.default_rng(split)
        half, never = np.split(rng.permutation(pictures), 2)
        for turn in range(forget_sets):
            forget = rng.permutation(half)[: int(SHARE * len(half))]
            sides = {"forget": forget, "never": never}
            outputs = {name: said(rng, index, labels, name == "forget") for name, index in sides.items()}
            recipe = Recipe(kind="shadow", name="made-up", seed=split, params={"turn": turn})
            facts = {"status": "done", "created": 0.0}
            found[target_name(split, turn)] = store.put(recipe, outputs=outputs, scores={}, facts=facts)
    return found


def said(rng: np.random.Generator, index: np.ndarray, labels: np.ndarray, forgotten: bool) -> dict:
    """Logits that are a little surer of what was forgotten."""
    logits = rng.normal(size=(len(index), CLASSES)).astype(np.float32)
    logits[np.arange(len(index)), labels[index]] += 2 + 0.5 * forgotten
    return {"logits": logits, "labels": labels[index], "index": index.astype(np.int32)}


def peak() -> float:
    """This process's peak memory so far in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


if __name__ == "__main__":
    main(*sys.argv[1:])
