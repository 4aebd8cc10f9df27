"""Families with official files: digits, torchvision's and UTKFace, from synthetic files."""

import gzip
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from family_kit import TEST, TRAIN, believed, cifar10_files, face, mnist_files, noise
from PIL import Image

from deepunlearn_cli.core.errors import NotFound, UsageFailure
from deepunlearn_cli.data import FAMILIES, open_dataset
from deepunlearn_cli.data._torchvision import TorchvisionFamily

OFFICIAL = [name for name in FAMILIES.names() if issubclass(FAMILIES.get(name), TorchvisionFamily)]


@pytest.fixture
def home(tmp_path):
    return tmp_path / "store" / "data"


@pytest.fixture(autouse=True)
def raw(tmp_path, monkeypatch):
    folder = tmp_path / "raw"
    folder.mkdir()
    monkeypatch.setenv("DEEPUNLEARN_DATA", str(folder))
    return folder


def refusal(spec, home, **options):
    with pytest.raises((UsageFailure, NotFound)) as failure:
        open_dataset(spec, home, **options)
    assert failure.value.hint
    assert "\n" not in failure.value.message + failure.value.hint
    assert not list(home.glob(".*"))
    return failure.value


def test_digits(home):
    data = open_dataset("digits", home)
    assert (data.name, data.images.shape, data.train_size) == ("digits", (1797, 8, 8, 1), 1438)
    assert isinstance(data.images, np.memmap)
    assert data.images.max() == 255
    order = np.random.default_rng(123).permutation(1797)
    from sklearn.datasets import load_digits

    assert np.array_equal(data.labels, load_digits().target[[*order[359:], *order[:359]]])
    assert (data.num_classes, data.image_shape, data.flip, data.pad) == (10, (8, 8, 1), False, 0)
    assert data.mean == (round(float((data.images[:1438] / 255).mean()), 4),)
    assert data.std == (round(float((data.images[:1438] / 255).std()), 4),)
    assert len(data.test) == 359


def packed(folder):
    for file in list(folder.iterdir()):
        file.with_name(file.name + ".gz").write_bytes(gzip.compress(file.read_bytes()))
        file.unlink()


@pytest.mark.parametrize(("name", "folder"), [("mnist", "MNIST"), ("fashion-mnist", "FashionMNIST")])
def test_mnist_and_its_like(home, raw, name, folder):
    images = mnist_files(raw, folder, 8, 4)
    data = open_dataset(name, home, offline=True)
    assert (data.images.shape, data.train_size, data.num_classes) == ((12, 32, 32, 3), 8, 10)
    for index in (0, 11):
        resized = Image.fromarray(images[index]).convert("RGB").resize((32, 32), Image.Resampling.BILINEAR)
        assert np.array_equal(data.images[index], np.asarray(resized))
    assert (data.flip, data.pad, len(data.mean), data.labels[8]) == (True, 0, 3, 8)
    assert data.classes[0] in ("0", "T-shirt/top")


def test_official_pictures_outlive_their_files(home, raw):
    mnist_files(raw)
    first = open_dataset("mnist", home, offline=True)
    (raw / "MNIST").rename(raw / "gone")
    assert open_dataset("mnist", home, offline=True).fingerprint == first.fingerprint


def test_archives_are_unpacked_offline(home, raw):
    mnist_files(raw)
    packed(raw / "MNIST" / "raw")
    assert len(open_dataset("mnist", home, offline=True)) == TRAIN + TEST


def test_damaged_official_files(home, raw):
    mnist_files(raw)
    file = raw / "MNIST" / "raw" / "train-images-idx3-ubyte"
    file.write_bytes(file.read_bytes()[:100])
    failure = refusal("mnist", home, offline=True)
    assert "are damaged" in failure.message
    assert str(raw / "MNIST") in failure.hint


@pytest.fixture
def mirror(tmp_path):
    """A web server on this machine with MNIST's files; its address and folder."""
    quiet = type("Quiet", (SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    handler = partial(quiet, directory=tmp_path)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        mnist_files(tmp_path / "mirror")
        packed(tmp_path / "mirror" / "MNIST" / "raw")
        yield f"http://127.0.0.1:{server.server_port}/mirror/MNIST/raw/"
        server.shutdown()


def test_a_download_reports_and_prints_nothing(home, raw, mirror, monkeypatch, capfd):
    from torchvision.datasets import MNIST

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(MNIST, "mirrors", [mirror])
    monkeypatch.setattr(MNIST, "resources", [(name, None) for name, _ in MNIST.resources])
    seen = []
    assert len(open_dataset("mnist", home, progress=lambda *step: seen.append(step))) == TRAIN + TEST
    assert {label for _, _, label in seen} == {"downloading mnist", "decoding mnist"}
    assert all(0 < done <= total for done, total, _ in seen)
    assert capfd.readouterr() == ("", "")


def test_cifar(home, raw, monkeypatch):
    cifar10_files(raw)
    assert "damaged" in refusal("cifar10", home, offline=True).message  # not the official bytes
    believed(monkeypatch, "torchvision.datasets.cifar")
    data = open_dataset("cifar10", home, offline=True, image_size=64)
    assert (data.images.shape, data.train_size, data.classes[9]) == ((24, 64, 64, 3), 20, "c9")
    assert (data.flip, data.pad, data.mean[0]) == (True, 8, 0.4914)


def test_svhn(home, raw, monkeypatch):
    from scipy.io import savemat

    believed(monkeypatch, "torchvision.datasets.svhn")
    images = noise(32, 32, 3, 4)
    for part in ("train", "test"):
        savemat(raw / f"{part}_32x32.mat", {"X": images, "y": np.array([[1], [10], [3], [4]])})
    data = open_dataset("svhn", home, offline=True)
    assert np.array_equal(data.images[:4], images.transpose(3, 0, 1, 2))
    assert data.labels.tolist() == [1, 0, 3, 4] * 2
    assert (data.flip, data.pad) == (False, 4)


@pytest.mark.parametrize("name", OFFICIAL)
def test_missing_files_are_named_offline(home, raw, name):
    failure = refusal(name, home, offline=True)
    assert failure.code == 3
    assert FAMILIES.get(name).files[0] in failure.message
    assert str(raw) in failure.message
    assert "http" in failure.hint
    assert "--offline" in failure.hint


@pytest.mark.parametrize("name", OFFICIAL)
def test_failed_downloads_are_explained(home, raw, name, monkeypatch, capfd):
    from urllib.error import URLError
    from urllib.request import OpenerDirector

    def unreachable(*_, **__):
        raise URLError("no route to host")

    monkeypatch.setattr(OpenerDirector, "open", unreachable)
    failure = refusal(name, home)
    assert failure.code == 3
    assert "no route to host" in failure.message
    assert "http" in failure.hint
    assert capfd.readouterr() == ("", "")


def test_utkface(home, raw):
    ages = [1, 19, 20, 45, 61, 80, 99, 116, 30, 5]
    for number, age in enumerate(ages):
        face(raw / "utkface" / "UTKFace", f"{age}_{number}_0_2017.jpg.chip.jpg")
    face(raw / "utkface", ".0_hidden.jpg")
    data = open_dataset("utkface", home, image_size=24)
    names = sorted(Path(path).name for path in data.paths)
    order = np.random.default_rng(123).permutation(10)
    assert [Path(path).name for path in data.paths] == [names[i] for i in [*order[2:], *order[:2]]]
    assert data.labels.tolist() == [min(int(Path(path).name.split("_")[0]) // 20, 4) for path in data.paths]
    assert (data.images.shape, data.train_size, data.num_classes) == ((10, 24, 24, 3), 8, 5)
    assert (data.flip, data.pad) == (False, 0)


def test_utkface_files_that_cannot_be_used(home, raw):
    failure = refusal("utkface", home)
    assert failure.code == 3
    assert "https://susanqq.github.io/UTKFace" in failure.hint
    face(raw / "utkface" / "a", "20_0_0_1.jpg.chip.jpg")
    face(raw / "utkface" / "b", "20_0_0_1.jpg.chip.jpg")
    assert "20_0_0_1.jpg.chip.jpg" in refusal("utkface", home).message
    face(raw / "utkface" / "b", "me.jpg")
    assert "have no age in their name: me.jpg" in refusal("utkface", home).message
