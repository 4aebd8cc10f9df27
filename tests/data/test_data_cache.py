"""The decoded datasets on disk: found again, mended, never half written."""

import errno
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from deepunlearn_cli.core.errors import NotFound, StoreCorrupt
from deepunlearn_cli.core.room import DiskFull
from deepunlearn_cli.data import _cache as cache
from deepunlearn_cli.data import _staging as staging
from deepunlearn_cli.data import load_dataset, open_dataset
from deepunlearn_cli.store import Store

RNG = np.random.default_rng(0)


@pytest.fixture
def home(tmp_path):
    return tmp_path / "store" / "data"


def noise(*shape):
    return RNG.integers(0, 256, shape, dtype=np.uint8)


def pets(folder):
    """A folder of two classes."""
    for name in "ab":
        pictures(folder / name)


def pictures(folder, count=6, shape=(8, 8, 3), ending=".png"):
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        Image.fromarray(noise(*shape)).save(folder / f"{number}{ending}")


def test_another_size_is_another_dataset(home):
    small, large = open_dataset("digits", home), open_dataset("digits", home, image_size=16)
    assert large.image_shape == (16, 16, 1)
    assert small.fingerprint != large.fingerprint
    assert open_dataset("digits", home, image_size=8).fingerprint == small.fingerprint


def test_a_decoded_dataset_is_found_again_without_heavy_imports(home, monkeypatch):
    first = open_dataset("digits", home)
    monkeypatch.setattr(cache, "_decode", None)
    assert open_dataset("digits", home).fingerprint == first.fingerprint
    assert np.array_equal(load_dataset(first.fingerprint, home).labels, first.labels)
    code = "import sys; from pathlib import Path; from deepunlearn_cli.data import open_dataset\n"
    code += f"open_dataset('digits', Path({str(home)!r}))\n"
    code += "print([m for m in ('torch', 'torchvision', 'sklearn', 'PIL') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_progress_is_reported(home):
    seen = []
    open_dataset("digits", home, progress=lambda *step: seen.append(step))
    assert seen[-1] == (1797, 1797, "decoding digits")


def test_a_changed_picture_is_decoded_again(home, tmp_path):
    pets(tmp_path / "pets")
    spec = f"folder:{tmp_path / 'pets'}"
    first = open_dataset(spec, home)
    Image.fromarray(noise(8, 8, 3)).save(tmp_path / "pets" / "a" / "0.png")
    os.utime(tmp_path / "pets" / "a" / "0.png", ns=(1, 1))
    second = open_dataset(spec, home)
    assert first.fingerprint != second.fingerprint
    assert load_dataset(first.fingerprint, home).fingerprint == first.fingerprint


def test_equal_content_is_kept_once_under_both_names(home, tmp_path):
    pets(tmp_path / "pets")
    first = open_dataset(f"folder:{tmp_path / 'pets'}", home)
    (tmp_path / "pets").rename(tmp_path / "wild")
    second = open_dataset(f"folder:{tmp_path / 'wild'}", home)
    assert (first.name, second.name) == ("folder:pets", "folder:wild")
    assert first.fingerprint == second.fingerprint
    assert open_dataset(f"folder:{tmp_path / 'wild'}", home).name == "folder:wild"


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("images.npy", None),
        ("images.npy", b""),
        ("labels.npy", b"x"),
        ("meta.json", b"{"),
        ("meta.json", b"[]"),
    ],
)
def test_damage_is_noticed_and_mended(home, file, content):
    first = open_dataset("digits", home)
    path = home / first.fingerprint / file
    path.write_bytes(path.read_bytes()[:-1] if content is None else content)
    with pytest.raises(StoreCorrupt, match="damaged"):
        load_dataset(first.fingerprint, home)
    assert open_dataset("digits", home).fingerprint == first.fingerprint
    assert len(load_dataset(first.fingerprint, home)) == 1797
    assert not list(home.glob(".*"))


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EIO])
def test_what_cannot_be_read_now_is_not_called_damaged(home, monkeypatch, number):
    """Too many open files, a failing disk: nothing is decoded again over what may be sound."""
    first = open_dataset("digits", home)

    def full(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    for broken in ("_readers.share", "_seal.is_sound"):
        room, name = broken.split(".")
        with monkeypatch.context() as patch:
            patch.setattr(getattr(cache, room), name, full)
            with pytest.raises(OSError, match=os.strerror(number)):
                load_dataset(first.fingerprint, home)
            with pytest.raises(OSError, match=os.strerror(number)):
                open_dataset("digits", home)
    assert load_dataset(first.fingerprint, home).fingerprint == first.fingerprint


def test_only_what_was_decoded_can_be_loaded(home):
    with pytest.raises(NotFound, match="no decoded dataset 0000"):
        load_dataset("0" * 64, home)


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, OSError])
def test_an_interrupted_decoding_leaves_nothing(home, tmp_path, interruption):
    def interrupt(*_):
        raise interruption

    pets(tmp_path / "pets")
    for spec in ("digits", f"folder:{tmp_path / 'pets'}"):
        with pytest.raises(interruption):
            open_dataset(spec, home, progress=interrupt)
        assert list(home.iterdir()) == []


def test_a_killed_decoding_leaves_no_half_dataset(home):
    code = "import os; from pathlib import Path; from deepunlearn_cli.data import open_dataset\n"
    code += f"open_dataset('digits', Path({str(home)!r}), progress=lambda *_: os.kill(os.getpid(), 9))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    (left,) = home.iterdir()
    assert left.name.startswith(staging.PREFIX)
    assert len(open_dataset("digits", home)) == 1797
    assert not left.exists()


def test_a_folder_at_work_is_no_leftover(tmp_path):
    store = Store.open(tmp_path / "store", create=True)
    with staging.staging(store.data) as one, staging.staging(store.data) as other:
        assert store.leftovers() == []
        assert one.exists()
        assert other.exists()


def test_the_first_of_two_processes_wins(home, monkeypatch):
    first = open_dataset("digits", home)
    place = home / first.fingerprint / "images.npy"
    before = place.stat().st_ino
    for source in (home / "sources").iterdir():
        source.unlink()
    assert open_dataset("digits", home).fingerprint == first.fingerprint
    assert place.stat().st_ino == before


def test_a_disk_too_small(home, monkeypatch):
    monkeypatch.setattr(cache.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 1000}))
    with pytest.raises(DiskFull, match=r"bytes, .* are free"):
        open_dataset("digits", home)
