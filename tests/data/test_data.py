"""Own arrays and folders, and every error in them."""

import pickle
import re
from pathlib import Path

import numpy as np
import pytest
from family_kit import noise, pictures
from PIL import Image

from deepunlearn_cli.core.errors import NotFound, UsageFailure
from deepunlearn_cli.data import open_dataset


@pytest.fixture
def home(tmp_path):
    return tmp_path / "store" / "data"


def saved(path, **arrays):
    given = {"x_train": noise(10, 8, 8, 3), "y_train": np.arange(10) % 3, "x_test": noise(4, 8, 8, 3)}
    given |= {"y_test": np.arange(4) % 3, **arrays}
    np.savez(path, **{name: array for name, array in given.items() if array is not None})
    return given


def refusal(spec, home, **options):
    with pytest.raises((UsageFailure, NotFound)) as failure:
        open_dataset(spec, home, **options)
    assert failure.value.hint
    assert "\n" not in failure.value.message + failure.value.hint
    assert not list(home.glob(".*"))
    return failure.value


def test_npz(home, tmp_path):
    arrays = saved(tmp_path / "own.npz", y_train=(np.arange(10) % 3)[:, None].astype(np.uint8))
    data = open_dataset(f"npz:{tmp_path / 'own.npz'}", home)
    assert (data.name, data.train_size, data.classes) == ("npz:own", 10, ("0", "1", "2"))
    assert np.array_equal(data.images, np.concatenate([arrays["x_train"], arrays["x_test"]]))
    assert data.labels.tolist() == [*(np.arange(10) % 3), *(np.arange(4) % 3)]
    assert (data.flip, data.pad) == (False, 1)


def test_npz_grey_without_a_test_part(home, tmp_path):
    arrays = saved(tmp_path / "own.npz", x_train=noise(10, 4, 6), x_test=None, y_test=None)
    data = open_dataset(f"npz:{tmp_path / 'own.npz'}", home)
    order = np.random.default_rng(123).permutation(10)
    assert (data.train_size, data.image_shape) == (8, (4, 6, 1))
    assert np.array_equal(data.images[..., 0], arrays["x_train"][[*order[2:], *order[:2]]])


@pytest.mark.parametrize(
    ("arrays", "named"),
    [
        ({"x_train": None}, "no array x_train"),
        ({"y_test": None}, "no array y_test"),
        ({"x_test": None}, "no array x_test"),
        ({"x_train": noise(10, 8, 8, 3) / 255}, "x_train is float64, not uint8"),
        ({"x_train": noise(10, 3, 8, 8)}, "x_train is 10x3x8x8"),
        ({"x_train": noise(0, 8, 8, 3), "y_train": np.zeros(0, int)}, "x_train is 0x8x8x3"),
        ({"x_test": noise(4, 9, 8, 3)}, "x_test has pictures of 9x8x3, x_train of 8x8x3"),
        ({"y_train": np.arange(9)}, "y_train has 9 labels for 10 pictures"),
        (
            {"y_train": np.arange(10) % 3 + 1, "y_test": np.arange(4) % 3 + 1},
            "up to 3, and 1 of them have no .*: 0",
        ),
        ({"y_train": np.arange(10) % 2 * 2, "y_test": np.arange(4) % 2 * 2}, "up to 2, and 1 .*: 1"),
        ({"y_test": np.arange(4)}, "1 classes have no training pictures: 3"),
        ({"y_test": np.arange(4) % 2}, "y_test has no pictures of 1 classes: 2"),
        ({"y_train": np.zeros(10, int), "y_test": np.zeros(4, int)}, "the label 0 only"),
        ({"y_test": np.array([0, 1, -1, -2])}, r"y_test\[2\] = -1.*\(2 are not\)"),
        ({"y_test": np.array([0, 1, 2, 10**9])}, r"y_test\[3\] = 1000000000"),
        ({"y_train": np.eye(10)}, "y_train is float64 10x10"),
        ({"y_train": np.array([0] * 9 + [None], dtype=object)}, "y_train holds pickled objects"),
        ({"x_train": noise(3, 8, 8), "y_train": [0, 1, 2], "x_test": None, "y_test": None}, "too few"),
    ],
)
def test_npz_that_cannot_be_used(home, tmp_path, arrays, named):
    saved(tmp_path / "own.npz", **arrays)
    assert re.search(named, refusal(f"npz:{tmp_path / 'own.npz'}", home).message)


@pytest.mark.parametrize(
    ("pictures", "hint"),
    [
        (noise(10, 8, 8, 3) / 255, "(x * 255).round().astype('uint8')"),
        (noise(10, 8, 8, 3).astype(np.int64), "0..255: x.astype('uint8')"),
        (noise(10, 8, 8, 3).astype(np.float32), "0..255: x.round().astype('uint8')"),
        (noise(10, 8, 8, 3) / 64 - 2, "before they were normalised"),
        (noise(10, 8, 8, 3) * np.nan, "np.savez"),
        (noise(10, 8, 8, 3).astype(str), "np.savez"),
    ],
)
def test_hints_to_other_numbers_do_not_ruin_them(home, tmp_path, pictures, hint):
    saved(tmp_path / "own.npz", x_train=pictures)
    assert hint in refusal(f"npz:{tmp_path / 'own.npz'}", home).hint


def test_arrays_that_are_not_read_are_said(home, tmp_path):
    saved(tmp_path / "own.npz", x_val=noise(4, 8, 8, 3), y_val=np.arange(4))
    assert open_dataset(f"npz:{tmp_path / 'own.npz'}", home).left_out == ("array x_val", "array y_val")


def test_a_class_of_one_picture_that_is_drawn_for_the_test_part(home, tmp_path):
    order = np.random.default_rng(123).permutation(20)
    labels = np.arange(20) % 2
    labels[order[0]] = 2
    saved(tmp_path / "own.npz", x_train=noise(20, 8, 8), y_train=labels, x_test=None, y_test=None)
    said = refusal(f"npz:{tmp_path / 'own.npz'}", home).message
    assert "no training pictures (all that they have were drawn for the test part): 2" in said


def test_paths_that_can_be_none(home):
    for spec in ("folder:~nobody_at_all/x", f"folder:{'x' * 5000}", "npz:" + "y/" * 4000):
        assert refusal(spec, home).code in (2, 3)


def test_npz_that_is_none(home, tmp_path):
    file = tmp_path / "own.npz"
    assert refusal(f"npz:{file}", home).code == 3
    np.save(tmp_path / "one.npy", noise(3))
    (tmp_path / "one.npy").rename(file)
    assert "single array" in refusal(f"npz:{file}", home).message
    saved(file)
    for content in (b"", b"text", file.read_bytes()[:-100], pickle.dumps({})):
        file.write_bytes(content)
        assert "not an npz file" in refusal(f"npz:{file}", home).message


def test_a_folder_with_both_parts(home, tmp_path):
    for place in ("train/a-b", "train/a", "test/a-b", "test/a"):
        pictures(tmp_path / "pets" / place, 3)
    (tmp_path / "pets" / "train" / "a" / ".hidden.png").write_bytes(b"no picture")
    data = open_dataset(f"folder:{tmp_path / 'pets'}", home)
    assert (data.name, data.classes, data.train_size) == ("folder:pets", ("a", "a-b"), 6)
    assert data.labels.tolist() == [0, 0, 0, 1, 1, 1] * 2
    assert data.paths[0::3] == ("train/a/0.png", "train/a-b/0.png", "test/a/0.png", "test/a-b/0.png")
    for index, path in enumerate(data.paths):
        assert np.array_equal(data.images[index], np.asarray(Image.open(tmp_path / "pets" / path)))
    assert (data.flip, data.pad, data.image_shape) == (True, 1, (8, 8, 3))


def test_a_folder_of_classes_in_grey(home, tmp_path):
    for name in "ab":
        pictures(tmp_path / "pets" / name, 5, (8, 6))
    data = open_dataset(f"folder:{tmp_path / 'pets'}/", home)
    order = np.random.default_rng(123).permutation(10)
    assert data.paths == tuple(f"{'ab'[i // 5]}/{i % 5}.png" for i in [*order[2:], *order[:2]])
    assert (data.train_size, data.image_shape) == (8, (8, 6, 1))
    assert open_dataset(f"folder:{tmp_path / 'pets'}", home, image_size=4).image_shape == (4, 4, 1)


def cut_short(folder):
    file = folder / "test" / "b" / "1.png"
    file.write_bytes(file.read_bytes()[:60])


def deep(folder):
    Image.fromarray(noise(8, 8).astype(np.uint16)).save(folder / "train" / "a" / "x.png")


FAULTS = {
    "no pictures in .*train: c": lambda pets: (pets / "train" / "c").mkdir(),
    "no pictures in .*test: c": lambda pets: pictures(pets / "train" / "c"),
    "in no class, as train/0.png": lambda pets: pictures(pets / "train"),
    "differ in size: .*a/0.png has 8x8 pixels, .*c/0.png 9x8": lambda pets: [
        pictures(pets / part / "c", 2, (8, 9, 3)) for part in ("train", "test")
    ],
    "cannot use picture .*x.jpg": lambda pets: (pets / "test" / "b" / "x.jpg").write_bytes(b"no picture"),
    "cannot use picture .*1.png": cut_short,
    "x.png: more than 8 bits": deep,
    "has train/ but no test/": lambda pets: (pets / "test").rename(pets / "val"),
}


@pytest.mark.parametrize("named", FAULTS)
def test_folders_that_cannot_be_used(home, tmp_path, named):
    for place in ("train/a", "train/b", "test/a", "test/b"):
        pictures(tmp_path / "pets" / place, 2)
    FAULTS[named](tmp_path / "pets")
    assert re.search(named, refusal(f"folder:{tmp_path / 'pets'}", home).message)
    if "size" in named:
        assert len(open_dataset(f"folder:{tmp_path / 'pets'}", home, image_size=8)) == 12


def test_folders_without_pictures(home, tmp_path):
    assert refusal(f"folder:{tmp_path / 'none'}", home).code == 3
    (tmp_path / "none").mkdir()
    assert "PATH/CLASS" in refusal(f"folder:{tmp_path / 'none'}", home).hint


@pytest.mark.parametrize(
    ("spec", "code", "named"),
    [
        ("cifra10", 3, "cifar10"),
        ("digits:3", 2, "write digits"),
        ("folder", 2, "folder:PATH"),
        ("npz:", 2, "npz:FILE"),
        ("", 3, "deepunlearn datasets"),
        (str(Path(__file__).parent), 3, "--dataset folder:"),
    ],
)
def test_specs_that_cannot_be_used(home, spec, code, named):
    failure = refusal(spec, home)
    assert failure.code == code
    assert named in failure.hint


def test_sizes_that_cannot_be_used(home):
    assert "--image-size 0" in refusal("digits", home, image_size=0).message
