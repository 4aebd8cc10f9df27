"""Splits and forget sets: the benchmark's indices, every form, every error, and the kept files."""

import json

import numpy as np
import pytest
from sklearn.model_selection import train_test_split
from split_kit import CIFAR, dataset

from deepunlearn_cli.core.errors import NotFound, StoreCorrupt, UsageFailure
from deepunlearn_cli.data import (
    DEFAULT_FORGET,
    forget_of,
    forget_set,
    load_forget,
    retain_of,
    save_forget,
    split,
)

# sizes and first indices of the benchmark's own splits: arXiv 2410.01276, `munl/datasets/splits.py` of its code
MNIST = (60_000, 70_000)
UTKFACE = (18_967, 23_708)
SIZES = {MNIST: (10_000, 9_000, 51_000, 45_900, 5_100), CIFAR: (10_000, 7_500, 42_500, 38_250, 4_250)}
SIZES[UTKFACE] = (4_741, 2_846, 16_121, 14_508, 1_613)
TRAIN = {
    MNIST: [6462, 57602, 41806, 25360, 10532],
    CIFAR: [7562, 44432, 16430, 33688, 48049],
    UTKFACE: [14750, 16959, 16978, 8560, 14451],
}
FORGET = {
    MNIST: [12238, 20118, 23825, 29798, 10974],
    CIFAR: [33810, 44208, 6639, 25856, 49484],
    UTKFACE: [1216, 11795, 8470, 3484, 12603],
}
VAL = {MNIST: [29561, 26640, 24498], CIFAR: [11872, 40828, 36400]}


@pytest.fixture
def pets():
    return dataset()


def forgetting(tmp_path, data, text, name="f.txt", **options):
    file = tmp_path / name
    file.write_text(text) if isinstance(text, str) else np.save(file, text)
    return forget_set(f"indices:{file}", data, split(data, **options))


@pytest.mark.parametrize("official", SIZES)
def test_the_benchmarks_indices(official):
    parts = split(official)
    data = dataset(*official)
    forget = forget_set(DEFAULT_FORGET, data, parts)
    drawn, retain = forget_of(parts, forget), retain_of(parts, forget)
    sizes = (len(parts.test), len(parts.val), len(parts.train), len(retain), len(drawn))
    assert sizes == SIZES[official]
    assert parts.train[:5].tolist() == TRAIN[official]
    assert drawn[:5].tolist() == FORGET[official]
    assert parts.val[:3].tolist() == VAL.get(official, parts.val[:3].tolist())
    assert parts.test.tolist() == list(range(*official))


@pytest.mark.parametrize(("size", "share", "seed"), [(61, 0.15, 123), (1797, 0.3, 7), (10, 0.05, 0)])
def test_the_order_is_scikit_learns(size, share, seed):
    parts = split((size, size + 5), share, seed)
    train, val = train_test_split(np.arange(size), test_size=share, random_state=seed)
    assert np.array_equal(parts.train, train)
    assert np.array_equal(parts.val, val)
    forget = forget_set("random:0.3", dataset(size, size + 5), parts, seed=seed)
    retain, drawn = train_test_split(train, test_size=0.3, random_state=seed)
    assert np.array_equal(forget_of(parts, forget), drawn)
    assert np.array_equal(retain_of(parts, forget), retain)


def test_without_validation_everything_trains(pets):
    parts = split(pets, 0)
    assert len(parts.val) == 0
    assert parts.train.tolist() == list(range(80))


@pytest.mark.parametrize("share", [-0.1, 1, 1.5, float("nan"), 0.9999])
def test_impossible_validation_shares(pets, share):
    with pytest.raises(UsageFailure, match="val-share"):
        split(pets, share)


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_impossible_seeds(pets, seed):
    with pytest.raises(UsageFailure, match=str(seed)):
        split(pets, seed=seed)


def test_a_seed_in_the_spec_draws_another_set(pets):
    parts = split(pets)
    sets = [forget_set(spec, pets, parts) for spec in ("random:0.1", "random:0.1:123", "random:0.1:7")]
    assert sets[0].sha256 == sets[1].sha256 != sets[2].sha256
    assert len(sets[2]) == 7  # ceil(0.1 * 68), as scikit-learn


@pytest.mark.parametrize(("spec", "label"), [("cat", 0), ("7:up", 2), ("1", 3)])
def test_a_class_by_name_or_else_number(pets, spec, label):
    parts = split(pets)
    forget = forget_set(f"class:{spec}", pets, parts)
    assert forget.indices.tolist() == sorted(i for i in parts.train.tolist() if i % 4 == label)
    assert np.array_equal(retain_of(parts, forget), parts.train[parts.train % 4 != label])


@pytest.mark.parametrize("spec", ["class:0", "class:2", "class:2:0.5"])
def test_a_number_is_no_class_where_one_is_called_by_a_number(pets, spec):
    with pytest.raises(NotFound) as failure:
        forget_set(spec, pets, split(pets))
    assert "4 classes, by name: cat, dog, 7:up, 1" in failure.value.hint
    numbered = dataset(classes=("1", "2", "3"))
    with pytest.raises(NotFound, match="unknown class '0'"):
        forget_set("class:0", numbered, split(numbered))


def test_a_class_by_its_number(pets):
    named = dataset(classes=("cat", "dog", "owl", "ox"))
    forget = forget_set("class:2", named, split(named))
    assert set(named.labels[forget.indices].tolist()) == {2}


@pytest.mark.parametrize("spec", ["class:7:up:0.5"])
def test_part_of_a_class(pets, spec):
    parts = split(pets)
    members = parts.train[pets.labels[parts.train] == 2]
    _, drawn = train_test_split(members, test_size=0.5, random_state=123)
    assert forget_set(spec, pets, parts).indices.tolist() == sorted(drawn.tolist())


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.txt", "5\n\n 3\n61\n"),
        ("a.list", "\ufeff5\r\n3\r\n61\r\n"),
        ("a.csv", "5\n3\n61\n"),
        ("a.csv", "why, Index\nx,5\ny,3\nz,61\n"),
        ("a.csv", "Path\ntrain/c1/005.jpg\ntrain/c3/003.jpg\n./train/c1/061.jpg\n"),
        ("a.csv", ",filename,label\n0,train/c1/005.jpg,1\n1,train/c3/003.jpg,3\n2,train/c1/061.jpg,1\n"),
        ("a.csv", "id,filename\n7,train/c1/005.jpg\n8,train/c3/003.jpg\n9,train/c1/061.jpg\n"),
        ("a.csv", "label,File_Name\n7,train/c1/005.jpg\n8,train/c3/003.jpg\n9,train/c1/061.jpg\n"),
        ("a.csv", "index,path\n5,train/c1/005.jpg\n3,train/c3/003.jpg\n61,train/c1/061.jpg\n"),
        ("a.tsv", "IDX\twhy\n5\tx\n3\ty\n61\tz\n"),
        ("a.json", '[{"id": 1, "index": 5}, {"id": 2, "index": 3}, {"id": 3, "index": 61}]'),
        ("a.json", '[5, "3", "train/c1/061.jpg"]'),
        ("a.npy", np.array([5, 3, 61], np.uint16)),
        ("a.npy", np.array(["5", "3", "train/c1/061.jpg"])),
        ("a.txt", "train/c1/005.jpg\ntrain/c3/003.jpg\ntrain/c1/061.jpg"),
    ],
)
def test_lists_in_every_form(tmp_path, name, text):
    forget = forgetting(tmp_path, dataset(paths=True), text, name, val_share=0)
    assert forget.indices.tolist() == [3, 5, 61]
    assert forget.indices.dtype == np.int64


def test_the_hash_is_over_sorted_decimal_lines(tmp_path, pets):
    import hashlib

    forget = forgetting(tmp_path, pets, "61\n3\n", val_share=0)
    assert forget.sha256 == hashlib.sha256(b"3\n61\n").hexdigest()


@pytest.mark.parametrize(
    ("name", "text", "named"),
    [
        ("a.txt", "", "is empty"),
        ("a.csv", "index\n", "is empty"),
        ("a.csv", "5,x\n3,y\n61,z\n", "none of its 2 columns is called index or path: '5', 'x'"),
        ("a.csv", ",label\n0,4\n1,4\n", "none of its 2 columns"),
        ("a.csv", "id,why\n5,x\n3,y\n", "none of its 2 columns"),
        ("a.csv", "id\n5\n3\n", "is called 'id', which is neither index nor path"),
        ("a.csv", "index,Position\n5,5\n", "several columns could be meant: index, Position"),
        ("a.csv", "index,why\n5.0,x\n", "holds '5.0', not a whole number"),
        ("a.csv", "index,why\n5\n", "line 2 has 1 cells, the first 2"),
        ("a.json", '[{"id": 1}]', "none of its 1 columns"),
        ("a.json", '[{"index": 1}, {"idx": 2}]', "different keys"),
        ("a.json", "[]", "is empty"),
        ("a.txt", "3\nfive\n4.5\n", r"not a whole number: five, 4.5 \(2 entries\)"),
        ("a.csv", "3\nx\n", r"not a whole number: x \(1 entry\)"),
        ("a.json", "[true, null]", "not a whole number: True, None"),
        ("a.json", '{"index": [1]}', "not a list"),
        ("a.json", "[1,", "cannot read"),
        ("a.npy", np.array([0.5]), "not a one-dimensional array of whole numbers"),
        ("a.npy", np.array([[1]]), "not a one-dimensional"),
        ("a.npy", np.array([True]), "not a one-dimensional"),
        ("a.npy", np.array([{}], dtype=object), "allow_pickle"),
        ("a.npy", "text", "cannot read"),
        ("a.txt", "100\n-1\n3\n", "not from 0 to 99: 100, -1"),
        ("a.txt", "9" * 30, "not from 0 to 99"),
        ("a.txt", "3\n4\n3\n4\n4\n", "given more than once: 3, 4 .2 entries"),
        (
            "a.txt",
            "\n".join(map(str, range(80, 87))),
            "of the test part.*: 80, 81, 82, 83, 84, ... .7 entries",
        ),
    ],
)
def test_lists_that_cannot_be_used(tmp_path, pets, name, text, named):
    with pytest.raises(UsageFailure, match=named) as failure:
        forgetting(tmp_path, pets, text, name)
    assert failure.value.hint
    assert "\n" not in failure.value.message


def test_binary_lists(tmp_path, pets):
    (tmp_path / "a.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageFailure, match="not text"):
        forget_set(f"indices:{tmp_path / 'a.txt'}", pets, split(pets))


def test_unknown_paths_are_named_with_an_example(tmp_path):
    text = "path\ntrain/c0/000.jpg\ntrain/c0/001.jpg\n"
    with pytest.raises(UsageFailure, match="not the path of a picture in pets") as failure:
        forgetting(tmp_path, dataset(paths=True), text, "a.csv")
    assert "train/c0/001.jpg (1 entry)" in failure.value.message
    assert "train/c1/001.jpg" in failure.value.hint, "it is elsewhere"


def test_numbers_in_a_column_of_paths_are_paths(tmp_path):
    with pytest.raises(UsageFailure, match="not the path of a picture in pets: 5 "):
        forgetting(tmp_path, dataset(paths=True), "path\n5\n", "a.csv")


def test_index_and_path_must_agree(tmp_path):
    text = "index,filename\n0,train/c1/005.jpg\n3,train/c3/003.jpg\n"
    with pytest.raises(UsageFailure, match=r"different pictures: 0 is not train/c1/005.jpg .1 entry"):
        forgetting(tmp_path, dataset(paths=True), text, "a.csv", val_share=0)


def test_a_mistyped_first_path_is_no_header(tmp_path):
    with pytest.raises(UsageFailure, match="typo"):
        forgetting(tmp_path, dataset(paths=True), "train/c0/typo.jpg\ntrain/c1/005.jpg\n", "a.csv")


def test_validation_pictures_have_a_cure(tmp_path, pets):
    held = split(pets).val[:2].tolist()
    text = json.dumps(held)
    with pytest.raises(UsageFailure, match=f"of the validation part.*: {held[0]}, {held[1]}") as failure:
        forgetting(tmp_path, pets, text, "a.json")
    assert "--val-share 0" in failure.value.hint
    assert len(forgetting(tmp_path, pets, text, "a.json", val_share=0)) == 2


def test_something_must_be_left_to_retain(tmp_path, pets):
    for spec in ("random:0.999", "class:only"):
        data = dataset(classes=("only",))
        with pytest.raises(UsageFailure, match="nothing is left to retain"):
            forget_set(spec, data, split(data))
    with pytest.raises(UsageFailure, match="nothing is left to retain"):
        forgetting(tmp_path, pets, np.arange(80), "a.npy", val_share=0)


BAD_SHARES = "random random: random:0 random:1 random:x random:nan random:-0.1 class:cat:1.5"
BAD_FORMS = "some:0.1 0.1 class: indices: random:0.1:x random:0.1:-3 random:0.1:99999999999"


@pytest.mark.parametrize("spec", ["", *BAD_SHARES.split(), *BAD_FORMS.split()])
def test_specs_that_cannot_be_used(pets, spec):
    with pytest.raises(UsageFailure) as failure:
        forget_set(spec, pets, split(pets))
    assert failure.value.hint


@pytest.mark.parametrize(
    "spec", ["class:4", "class:dgo", "class:dgo:0.5", "class:-1", "indices:/nowhere.txt"]
)
def test_things_that_are_not_there(pets, spec):
    with pytest.raises(NotFound) as failure:
        forget_set(spec, pets, split(pets))
    assert ("dog" in failure.value.hint) == ("class" in spec)


def test_a_class_without_training_pictures():
    data = dataset(classes=("a", "b"))
    data.labels[:80] = 0
    with pytest.raises(UsageFailure, match="no training picture"):
        forget_set("class:b", data, split(data))


def test_kept_sets_come_back_and_arrange_alike(tmp_path, pets):
    parts = split(pets)
    for spec in ("random:0.1", "class:dog", "random:0.2:9"):
        forget = forget_set(spec, pets, parts)
        assert save_forget(forget, tmp_path) == save_forget(forget, tmp_path)
        again = load_forget(forget.sha256, tmp_path)
        assert (again.spec, again.sha256) == (spec, forget.sha256)
        assert np.array_equal(forget_of(parts, again), forget_of(parts, forget))
        assert np.array_equal(retain_of(parts, again), retain_of(parts, forget))
    assert len(list((tmp_path / "forget").iterdir())) == 3


def test_the_same_set_as_a_list_is_the_same_set(tmp_path, pets):
    parts = split(pets)
    drawn = forget_set("random:0.1", pets, parts)
    listed = forgetting(tmp_path, pets, drawn.indices, "a.npy")
    assert listed.sha256 == drawn.sha256
    assert np.array_equal(retain_of(parts, listed), retain_of(parts, drawn))


def test_kept_sets_missing_or_damaged(tmp_path, pets):
    with pytest.raises(NotFound, match="no forget set"):
        load_forget("0" * 64, tmp_path)
    forget = forget_set("random:0.1", pets, split(pets))
    path = save_forget(forget, tmp_path)
    other = path.with_name("1" * 64 + ".npz")
    other.write_bytes(path.read_bytes())
    path.write_bytes(path.read_bytes()[:-40])
    for sha256 in (forget.sha256, "1" * 64):
        with pytest.raises(StoreCorrupt, match="damaged"):
            load_forget(sha256, tmp_path)
