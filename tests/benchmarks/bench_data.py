"""Pictures: whole-batch augmentation against one picture at a time; decoded data against decoding.

python tests/benchmarks/bench_data.py
"""

from __future__ import annotations

import io
import tempfile
from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np
import scene
import torch
from PIL import Image
from side_by_side import compare
from torchvision import transforms

from deepunlearn_cli.data import _pictures, open_dataset
from deepunlearn_cli.data._dataset import Pixels

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


def threads() -> None:
    """Decoding small and large JPEGs on one thread and on two: why small ones take one."""
    with tempfile.TemporaryDirectory() as place:
        for side in (32, 64, 128, 224):
            source = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
            paths = [Path(place) / f"{side}-{number}.jpg" for number in range(COUNT // 2)]
            for path in paths:
                Image.fromarray(source).resize((side, side), Image.Resampling.BICUBIC).save(path)
            out = np.empty((len(paths), side, side, 3), dtype=np.uint8)

            def decode(several: int, paths: list[Path] = paths, out: Pixels = out) -> None:
                with mock.patch.object(_pictures, "_threads", return_value=several):
                    _pictures.file_filler("pictures", paths, resize=False)(out, lambda *_: None)

            arms = {"on two threads": partial(decode, 2), "on one": partial(decode, 1)}
            compare(f"decoding {len(paths)} JPEGs of {side} pixels", arms)


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
    threads()
    decoding()
