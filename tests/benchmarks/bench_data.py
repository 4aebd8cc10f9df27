"""Pictures: whole-batch augmentation against one picture at a time; decoded data against decoding.

python tests/benchmarks/bench_data.py
"""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

import numpy as np
import scene
import torch
from PIL import Image
from side_by_side import compare
from torchvision import transforms

from deepunlearn_cli.data import open_dataset

COUNT, BATCH = 2048, 256


def augmentation() -> None:
    """One pass over COUNT pictures: ours, and what peers do (PIL, one by one, in one process)."""
    shown = scene.pixels(COUNT)
    task = scene.task(shown, scene.model("resnet-tiny"), "resnet-tiny", retain=COUNT)
    steps = [
        transforms.RandomCrop(scene.SIZE, 4),
        transforms.RandomHorizontalFlip(),
        transforms.ToTensor(),
        transforms.Normalize((0.5,) * 3, (0.25,) * 3),
    ]
    one_by_one = transforms.Compose(steps)
    raw = shown.images.cpu().numpy()

    def peers() -> None:
        for start in range(0, COUNT, BATCH):
            torch.stack([one_by_one(Image.fromarray(picture)) for picture in raw[start : start + BATCH]])

    compare(
        "augmented pass", {"one by one": peers, "whole batches": lambda: list(task.retain.batches(BATCH))}
    )


def decoding() -> None:
    """Opening a folder of JPEGs for the first time, and again."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "pictures"
        for number in range(COUNT):
            path = folder / str(number % scene.CLASSES) / f"{number}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            noise = np.random.default_rng(number).integers(
                0, 256, (scene.SIZE, scene.SIZE, 3), dtype=np.uint8
            )
            held = io.BytesIO()
            Image.fromarray(noise).save(held, "JPEG")
            path.write_bytes(held.getvalue())
        stores = iter(range(100))
        open_dataset(f"folder:{folder}", Path(place) / "warm")
        arms = {
            "the first time": lambda: open_dataset(f"folder:{folder}", Path(place) / f"cold{next(stores)}"),
            "again": lambda: open_dataset(f"folder:{folder}", Path(place) / "warm"),
        }
        compare(f"opening {COUNT} JPEGs", arms)


if __name__ == "__main__":
    augmentation()
    decoding()
