"""Decoded pictures are those that were decoded, or are not used."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
from cli_kit import call, ok, small_npz

from deepunlearn_cli.core.errors import StoreCorrupt
from deepunlearn_cli.core.plugins import Notice
from deepunlearn_cli.data import _cache as cache
from deepunlearn_cli.data import (
    _seal,
    differences,
    forget_set,
    load_dataset,
    open_dataset,
    save_forget,
    split,
)
from deepunlearn_cli.data._digests import KEPT, digests_of


@pytest.fixture
def home(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def digits(home):
    return open_dataset("digits", home)


def flip(path, at=-1000):
    times = path.stat()
    content = bytearray(path.read_bytes())
    content[at] ^= 255
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))  # as one who wants to hide it


def reverse_labels(folder):
    np.save(folder / "labels.npy", 9 - np.load(folder / "labels.npy"))


def reverse_classes(folder):
    meta = json.loads((folder / "meta.json").read_text("utf-8"))
    meta["header"]["classes"].reverse()
    (folder / "meta.json").write_text(json.dumps(meta), "utf-8")


DAMAGES = {
    "picture": lambda folder: flip(folder / "images.npy"),
    "labels": reverse_labels,
    "classes": reverse_classes,
    "seal": lambda folder: (flip(folder / "images.npy"), (folder / _seal.SEAL).unlink()),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_never_trained_on(home, digits, damage):
    DAMAGES[damage](home / digits.fingerprint)
    assert [path for path, *_ in differences(home)] == [digits.fingerprint]
    with pytest.raises(StoreCorrupt, match="damaged"):
        load_dataset(digits.fingerprint, home)
    with pytest.warns(Notice, match="decoded again"):
        again = open_dataset("digits", home)
    assert again.fingerprint == digits.fingerprint
    assert list(differences(home)) == []


def test_a_seal_that_is_gone_or_wrong_is_made_again(home, digits):
    seal = home / digits.fingerprint / _seal.SEAL
    for content in (b"{}", b"[]", b"\xff", seal.read_bytes().replace(b'"blocks": ["', b'"blocks": ["0')):
        seal.write_bytes(content)
        assert len(load_dataset(digits.fingerprint, home)) == len(digits)
        assert json.loads(seal.read_bytes())["block"] == _seal.BLOCK


def test_an_unchanged_file_is_not_read_whole(home, digits, monkeypatch):
    monkeypatch.setattr(_seal, "fingerprint", None)
    monkeypatch.setattr(_seal, "SAMPLE", 1)
    monkeypatch.setattr(cache, "_decode", None)
    assert open_dataset("digits", home).fingerprint == digits.fingerprint


def test_a_disk_that_changes_bytes_is_found_by_the_blocks(home, digits, monkeypatch):
    folder = home / digits.fingerprint
    flip(folder / "images.npy")
    seal = json.loads((folder / _seal.SEAL).read_text("utf-8"))
    (folder / _seal.SEAL).write_text(json.dumps(seal | {"stamp": _seal._stamp(folder)}), "utf-8")
    with pytest.raises(StoreCorrupt):
        load_dataset(digits.fingerprint, home)


def test_a_source_that_was_edited_is_decoded_again(home, digits):
    (source,) = (home / "sources").iterdir()
    source.write_text(source.read_text("utf-8").replace('"digits"', '"others"'), "utf-8")
    assert [path for path, *_ in differences(home)] == [f"sources/{source.name}"]
    assert open_dataset("digits", home).name == "digits"
    assert list(differences(home)) == []


def test_forget_sets_and_digests_are_checked(home, digits):
    known = digests_of(digits)
    kept = save_forget(forget_set("random:0.1", digits, split(digits)), home)
    assert list(differences(home)) == []
    flip(home / digits.fingerprint / KEPT, 500)
    flip(kept, kept.stat().st_size // 2)
    wrong = {path for path, *_ in differences(home)}
    assert wrong == {f"{digits.fingerprint}/{KEPT}", f"forget/{kept.name}"}
    assert digests_of(digits) == known


DEEP = "[" * 100_000
WRONG = ['{"a": ' + DEEP, DEEP, "5", "null", '{"header": 5}', '{"name": 5, "paths": [5], "fingerprint": "x"}']


@pytest.mark.parametrize("text", WRONG, ids=["deep table", "deep", "number", "null", "text", "types"])
@pytest.mark.parametrize("file", ["*/meta.json", "*/seal.json", "sources/*.json"])
def test_what_is_of_another_kind_is_damage_and_no_accident(file, text, tmp_path):
    words = (
        "train",
        "--dataset",
        small_npz(tmp_path / "d.npz", 80),
        "--model",
        "resnet-tiny",
        "-p",
        "epochs=1",
    )
    ok(*words, "--store", tmp_path / "store")
    for path in (tmp_path / "store" / "data").glob(file):
        path.write_text(text)
    said = call("verify", "--store", tmp_path / "store")
    assert said.code == (0 if "seal" in file else 7), said
    assert call(*words, "-p", "lr=0.02", "--store", tmp_path / "store").code == 0
    assert call("verify", "--store", tmp_path / "store").code == 0


@pytest.mark.parametrize("text", WRONG)
def test_a_marker_of_another_kind_is_told_so(text, tmp_path):
    (tmp_path / "store.json").write_text(text)
    said = call("runs", "--store", tmp_path)
    assert (said.code, "cannot be read" in said.err) == (7, True), said
    assert "unexpected" not in said.err
