"""Presets: written, read, found, doubted, refused."""

from __future__ import annotations

import tomllib

import pytest
from sweep_kit import original

from deepunlearn_cli.core.errors import NotFound, UsageFailure
from deepunlearn_cli.methods import METHODS
from deepunlearn_cli.sweep import presets
from deepunlearn_cli.sweep.presets import Preset

PARAMS = METHODS.get("ft").build({"lr": 1e-5, "epochs": 3}).params()
FROM = {
    "dataset": "digits",
    "model": "resnet-tiny",
    "confirmed": 0.1,
    "originals": ["ab", 'c"d'],
    "none": None,
}


def preset(**changes) -> Preset:
    return Preset(**{"method": "ft", "revision": 2, "params": PARAMS, "provenance": FROM} | changes)


def test_a_preset_survives_its_file(tmp_path):
    presets.write(preset(), tmp_path / "sub" / "ft.toml")
    read = presets.read(tmp_path / "sub" / "ft.toml")
    assert read.params == PARAMS
    assert {name: type(value) for name, value in read.params.items()} == {
        name: type(value) for name, value in PARAMS.items()
    }
    assert read.provenance == {name: value for name, value in FROM.items() if value is not None}
    assert tomllib.loads((tmp_path / "sub" / "ft.toml").read_text())["method"] == "ft"
    assert [path.name for path in (tmp_path / "sub").iterdir()] == ["ft.toml"]


def test_a_preset_warns_outside_its_pair_and_of_another_revision():
    assert preset().doubts(original()) == []
    [doubt] = preset(provenance=FROM | {"dataset": "cifar10"}).doubts(original())
    assert "tuned on cifar10 resnet-tiny, not on digits resnet-tiny" in doubt
    [doubt] = preset(provenance={}).doubts(original())
    assert "unknown" in doubt
    [doubt] = preset(revision=9).doubts(original())
    assert "ft has changed" in doubt


def test_best_is_of_the_same_training_first_and_of_the_smallest_fresh_value_then(tmp_path):
    here = {"setting": original().setting, "forget_sha256": "f"}
    made = {
        "a": preset(provenance=FROM | {"confirmed": 0.01}),
        "b": preset(provenance=FROM | here | {"confirmed": 0.3}),
        "c": preset(provenance=FROM | here | {"confirmed": 0.2, "searched": 0.5}),
        "d": preset(provenance=FROM | here | {"confirmed": None, "searched": 0.25}),
        "e": preset(method="ga", provenance=FROM | here | {"confirmed": 0.0}),
        "f": preset(provenance=FROM | here | {"confirmed": 0.0, "model": "resnet18"}),
    }
    for name, one in made.items():
        presets.write(one, tmp_path / f"{name}.toml")
    assert presets.best(tmp_path, "ft", original(), "f").provenance["confirmed"] == 0.2
    assert presets.best(tmp_path, "ft", original(), "other").provenance["confirmed"] == 0.01
    with pytest.raises(NotFound, match="no preset for ct on digits resnet-tiny") as caught:
        presets.best(tmp_path, "ct", original(), "f")
    assert caught.value.hint == f"`deepunlearn sweep {original().key} --method ct`"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[params", "is not a preset"),
        ("x = 1", "is not a preset"),
        ('method = "ft"\nrevision = 1\nparams = 3', "is not a preset"),
        ('method = "ft"\nrevision = 1\n[params]\nlr = 7.0', "lr=7.0 is not a number from"),
        ('method = "ft"\nrevision = 1\n[params]\nlrr = 0.1', "unknown hyperparameter 'lrr'"),
        ('method = "fft"\nrevision = 1\n[params]\nlr = 0.1', "unknown method 'fft'"),
    ],
)
def test_what_is_no_preset_is_refused(tmp_path, text, says):
    (tmp_path / "x.toml").write_text(text)
    with pytest.raises((UsageFailure, NotFound)) as caught:
        presets.read(tmp_path / "x.toml")
    assert says in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.hint


def test_a_missing_file_and_a_folder_that_cannot_be_written(tmp_path):
    with pytest.raises(NotFound):
        presets.read(tmp_path / "none.toml")
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageFailure, match="cannot write the preset"):
        presets.write(preset(), tmp_path / "file" / "x.toml")
