"""Synthetic files of every dataset family, small enough to decode at once; the exam of the room asks for them.

A new family needs a line in `FIXTURES`: what writes its files and gives what stands after the colon.
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

RNG = np.random.default_rng(0)
TRAIN, TEST = 24, 8  # pictures of the parts, where a family has parts
CLASSES = 4  # that occur


def noise(*shape: int) -> np.ndarray:
    return RNG.integers(0, 256, shape, dtype=np.uint8)


def labels(count: int) -> np.ndarray:
    return np.arange(count, dtype=np.int64) % CLASSES


def believed(monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    """Torchvision takes these files for the official ones."""
    monkeypatch.setattr(f"{module}.check_integrity", lambda path, md5=None: Path(path).is_file())


def nothing(folder: Path, raw: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The pictures are part of a library."""
    return ""


def idx(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack(f">I{array.ndim}I", 0x800 + array.ndim, *array.shape) + array.tobytes())


def mnist_files(raw: Path, name: str = "MNIST", train: int = TRAIN, test: int = TEST) -> np.ndarray:
    """Files as LeCun's, labels 0 1 2 ... over both parts; gives the pictures."""
    images, numbers = noise(train + test, 28, 28), np.arange(train + test, dtype=np.uint8) % 10
    for part, chosen in (("train", slice(train)), ("t10k", slice(train, train + test))):
        idx(raw / name / "raw" / f"{part}-images-idx3-ubyte", images[chosen])
        idx(raw / name / "raw" / f"{part}-labels-idx1-ubyte", numbers[chosen])
    return images


def mnist(folder: Path, raw: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    mnist_files(raw)
    return ""


def fashion_mnist(folder: Path, raw: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    mnist_files(raw, "FashionMNIST")
    return ""


def cifar10_files(raw: Path) -> None:
    """Four pictures in each of the six official files, of classes 1 and 0."""
    folder = raw / "cifar-10-batches-py"
    folder.mkdir()
    for name in [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]:
        (folder / name).write_bytes(pickle.dumps({"data": noise(4, 3072), "labels": [1, 0, 1, 0]}))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": [f"c{i}" for i in range(10)]}))


def cifar10(folder: Path, raw: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    cifar10_files(raw)
    believed(monkeypatch, "torchvision.datasets.cifar")
    return ""


def cifar100(folder: Path, raw: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    place = raw / "cifar-100-python"
    place.mkdir()
    for name, count in (("train", TRAIN), ("test", TEST)):
        content = {"data": noise(count, 3072), "fine_labels": labels(count).tolist()}
        (place / name).write_bytes(pickle.dumps(content))
    (place / "meta").write_bytes(pickle.dumps({"fine_label_names": [f"c{i}" for i in range(100)]}))
    believed(monkeypatch, "torchvision.datasets.cifar")
    return ""


def svhn(folder: Path, raw: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    from scipy.io import savemat

    for part, count in (("train", TRAIN), ("test", TEST)):
        content = {"X": noise(32, 32, 3, count), "y": labels(count)[:, None] + 1}
        savemat(raw / f"{part}_32x32.mat", content)
    believed(monkeypatch, "torchvision.datasets.svhn")
    return ""


def face(folder: Path, name: str, size: tuple[int, int] = (20, 20)) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(noise(*size, 3)).save(folder / name, "JPEG")


def utkface(folder: Path, raw: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    for number in range(TRAIN + TEST):
        face(raw / "utkface" / "UTKFace", f"{number % 4 * 20 + 5}_{number}_0_2017.jpg.chip.jpg")
    return ""


def pictures(folder: Path, count: int = 6, shape: tuple[int, ...] = (8, 8, 3), ending: str = ".png") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        Image.fromarray(noise(*shape)).save(folder / f"{number}{ending}")


def folder(folder: Path, raw: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    for name in ("cat", "dog"):
        pictures(folder / "pets" / "train" / name, TRAIN // 2)
        pictures(folder / "pets" / "test" / name, TEST // 2)
    return str(folder / "pets")


def npz(folder: Path, raw: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    arrays = {f"x_{part}": noise(count, 8, 8, 3) for part, count in (("train", TRAIN), ("test", TEST))}
    arrays |= {f"y_{part}": labels(count) for part, count in (("train", TRAIN), ("test", TEST))}
    np.savez(folder / "own.npz", **arrays)
    return str(folder / "own.npz")


def csv(folder: Path, raw: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    pictures(folder / "img", TRAIN + TEST)
    lines = [f"img/{i}.png,{'cat' if i % 2 else 'dog'}" for i in range(TRAIN + TEST)]
    (folder / "own.csv").write_text("\n".join(["path,label", *lines]) + "\n")
    return str(folder / "own.csv")


FIXTURES: dict[str, Callable[[Path, Path, pytest.MonkeyPatch], str]] = {
    "cifar10": cifar10,
    "cifar100": cifar100,
    "csv": csv,
    "digits": nothing,
    "fashion-mnist": fashion_mnist,
    "folder": folder,
    "mnist": mnist,
    "npz": npz,
    "svhn": svhn,
    "utkface": utkface,
}
