"""The exam of the room: what every dataset family must do, decoded from synthetic files."""

from __future__ import annotations

import json
import shutil
import socket
from pathlib import Path

import numpy as np
import pytest
from family_kit import FIXTURES
from room_kit import residents

from deepunlearn_cli.core.errors import NotFound
from deepunlearn_cli.data import (
    FAMILIES,
    Dataset,
    Family,
    check_spec,
    forget_of,
    forget_set,
    list_families,
    load_dataset,
    load_forget,
    open_dataset,
    portable,
    retain_of,
    save_forget,
    split,
)

NAMES = FAMILIES.names()
SIDE = 16  # pixels


class Scene:
    """A family with its files in place, and no network."""

    def __init__(self, name: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.name, self.kind = name, FAMILIES.get(name)
        self.raw, self.files, self.home = place / "raw", place / "files", place / "store" / "data"
        for folder in (self.raw, self.files):
            folder.mkdir()
        assert name in FIXTURES, f"{name} has no synthetic files: add them to FIXTURES in tests/family_kit.py"
        self.argument = FIXTURES[name](self.files, self.raw, monkeypatch)
        assert bool(self.argument) == bool(self.kind.takes)

    @property
    def spec(self) -> str:
        return f"{self.name}:{self.argument}" if self.argument else self.name

    def open(self, image_size: int | None = SIDE) -> Dataset:
        return open_dataset(self.spec, self.home, image_size=image_size, offline=True)

    def family(self, image_size: int | None = SIDE) -> Family:
        return self.kind(self.argument, self.raw, image_size, offline=True)

    def lose_files(self) -> None:
        for folder in (self.raw, self.files):
            shutil.rmtree(folder)
            folder.mkdir()


@pytest.fixture
def scene(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setenv("DEEPUNLEARN_DATA", str(tmp_path / "raw"))

    def refuse(*_: object) -> None:
        raise AssertionError(f"{name} touches the network, though offline")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    return Scene(name, tmp_path, monkeypatch)


def test_the_whole_room_is_examined() -> None:
    assert residents(FAMILIES) == NAMES
    assert sorted(FIXTURES) == NAMES, "tests/family_kit.py has files for exactly the families that there are"


@pytest.mark.parametrize("name", NAMES)
class TestEveryFamily:
    def test_says_what_it_is(self, name: str) -> None:
        kind = FAMILIES.get(name)
        assert kind.__doc__
        for text in (kind.summary, kind.source):
            assert text == " ".join(text.split()) != ""
            assert not text.endswith(".")
        for number in (kind.size, kind.classes):
            assert number is None or number > 0
        assert kind.takes == kind.takes.upper()
        (row,) = [row for row in list_families() if row["name"].partition(":")[0] == name]
        assert row["name"] == (f"{name}:{kind.takes}" if kind.takes else name)

    def test_is_decoded_as_it_declares(self, scene: Scene, name: str) -> None:
        data = scene.open(None)
        images = data.images
        assert data.name.partition(":")[0] == name
        assert images.dtype == np.uint8
        assert images.max() > images.min()
        assert len(data) == len(images) == len(data.labels)
        assert 0 < data.train_size < len(data)
        assert len(set(data.paths)) == len(data.paths)
        assert len(data.paths) in (0, len(data))
        assert set(data.labels.tolist()) <= set(range(data.num_classes))
        assert len(set(data.classes)) == data.num_classes > 1
        assert scene.kind.classes in (None, data.num_classes)
        assert scene.kind.size in (None, data.image_shape[0])
        assert len(data.mean) == len(data.std) == data.image_shape[2]
        assert all(0 <= mean <= 1 and std > 0 for mean, std in zip(data.mean, data.std, strict=True))
        assert 0 <= data.pad <= data.image_shape[0] // 2
        assert np.array_equal(load_dataset(data.fingerprint, scene.home).labels, data.labels)

    def test_follows_the_image_size(self, scene: Scene) -> None:
        assert scene.open(SIDE).image_shape[:2] == (SIDE, SIDE)
        assert scene.open(SIDE).fingerprint != scene.open(SIDE + 2).fingerprint

    def test_has_one_key_for_one_state_of_its_files(self, scene: Scene) -> None:
        first, second = scene.family(), scene.family()
        stamp = first.stamp()
        assert json.loads(json.dumps(stamp)) == json.loads(json.dumps(second.stamp()))
        assert first.key(stamp) == second.key(second.stamp())
        assert first.key(stamp) != scene.family(SIDE + 2).key(stamp)
        others = [
            FAMILIES.get(other)(scene.argument, scene.raw, SIDE) for other in NAMES if other != scene.name
        ]
        assert first.key(stamp) not in {other.key(stamp) for other in others}
        assert scene.open().fingerprint == scene.open().fingerprint

    def test_says_which_files_are_missing_and_how_to_get_them(self, scene: Scene) -> None:
        scene.lose_files()
        if scene.kind.source.startswith("embedded"):
            assert len(scene.open())
            return
        with pytest.raises(NotFound) as failure:
            scene.open()
        place = scene.argument or str(scene.raw)
        assert place in failure.value.message + failure.value.hint, "where the files belong"
        assert (scene.kind.takes or scene.kind.source.split()[0]) in failure.value.hint, (
            "how to get or make them"
        )
        assert "\n" not in failure.value.message + failure.value.hint
        assert not list(scene.home.glob("*")), "nothing is left of the attempt"

    def test_outlives_its_files_if_they_are_fixed(self, scene: Scene) -> None:
        first = scene.open()
        scene.lose_files()
        if scene.kind.fixed:
            assert scene.open().fingerprint == first.fingerprint
        else:
            with pytest.raises(NotFound):
                scene.open()
        assert len(load_dataset(first.fingerprint, scene.home)) == len(first)

    def test_is_the_same_from_every_folder(self, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
        first = scene.open()
        spec = scene.spec
        if scene.argument:
            monkeypatch.chdir(Path(scene.argument).parent)
            spec = f"{scene.name}:{Path(scene.argument).name}"
        full = portable(spec)
        assert full == scene.spec == portable(full)
        for one in (spec, full):
            check_spec(one)
            found = open_dataset(one, scene.home, image_size=SIDE, offline=True)
            assert (found.name, found.fingerprint) == (first.name, first.fingerprint)

    def test_gives_forget_sets_of_every_form(self, scene: Scene, tmp_path: Path) -> None:
        data = scene.open()
        parts = split(data, 0.15, 123)
        assert sorted([*parts.train, *parts.val, *parts.test]) == list(range(len(data)))
        label = int(data.labels[parts.train[0]])
        listed = tmp_path / "forget.txt"
        first, second = (data.number_of(int(index)) for index in parts.train[:2])
        listed.write_text(f"{first}\n{second}\n")
        forms = [
            "random:0.3",
            f"class:{data.classes[label]}",
            f"class:{data.classes[label]}:0.9",
            f"indices:{listed}",
        ]
        for spec in forms:
            forget = forget_set(spec, data, parts)
            assert set(forget.indices) <= set(parts.train)
            assert sorted([*forget_of(parts, forget), *retain_of(parts, forget)]) == sorted(parts.train)
            save_forget(forget, scene.home)
            assert np.array_equal(load_forget(forget.sha256, scene.home).indices, forget.indices)
            if spec.startswith("class"):
                assert set(data.labels[forget.indices]) == {label}
        if data.paths:
            listed.write_text(data.paths[parts.train[0]] + "\n")
            assert forget_set(forms[-1], data, parts).indices.tolist() == [parts.train[0]]
