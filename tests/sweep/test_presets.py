"""Presets: written, read, found, doubted, refused."""

from __future__ import annotations

import tomllib
from dataclasses import replace

import pytest
from sweep_kit import original, unlearning

from deepunlearn_cli.core.errors import NotFound, UsageFailure
from deepunlearn_cli.methods import METHODS
from deepunlearn_cli.sweep import fit, presets
from deepunlearn_cli.sweep.presets import Preset

PARAMS = METHODS.get("ft").build({"lr": 1e-5, "epochs": 3}).params()
FROM = {
    "dataset": "digits",
    "model": "resnet-tiny",
    "confirmed": 0.1,
    "originals": ["ab", 'c"d'],
    "none": None,
}


FROM_NAN = b'method = "ft"\nrevision = 1\n[params]\n[provenance]\nconfirmed = nan'
FROM_TABLE = b'method = "ft"\nrevision = 1\n[params]\n[provenance]\na = {b = 1}'


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


def found_on(run, confirmed: float | None, **changes) -> Preset:
    """A preset that was tuned on what a run is of."""
    known = fit.traits(run) | {"setting": run.setting, "searched": 0.01, "confirmed": confirmed} | changes
    return preset(provenance=known)


def other(run, **data):
    """The run, of another original's data."""
    start = replace(run.inputs["original"], data=dict(run.data) | data)
    return replace(run, data=dict(run.data) | data, inputs={"original": start})


HERE = unlearning("ft")


def test_a_preset_suits_what_it_was_tuned_on():
    suits = fit.fit(found_on(HERE, 0.1), HERE)
    assert suits == fit.Fit()
    fit.admit(suits, transfer=False)


def test_other_pictures_are_other_data_whatever_their_file_is_called():
    there = other(HERE, fingerprint="e" * 64)
    found = fit.fit(found_on(there, 0.1), HERE)
    assert found.foreign == [
        "ft was tuned on other pictures: digits (eeeeeeeeeeee), and these are digits (ffffffffffff)"
    ]
    with pytest.raises(UsageFailure, match="other pictures") as caught:
        fit.admit(found, transfer=False)
    assert "--transfer" in caught.value.hint
    fit.admit(found, transfer=True)


def test_another_model_is_refused():
    found = fit.fit(found_on(replace(HERE, model="resnet18"), 0.1), HERE)
    assert found.foreign == ["ft was tuned on resnet18, and this is resnet-tiny"]


def test_settings_over_the_budget_are_refused_but_not_those_set_by_hand():
    """Tuned on 30 epochs, whose fifth is 6; a fifth of 5 is 1."""
    short, long = unlearning("ft", epochs=5), found_on(HERE, 0.1)
    [over] = fit.fit(long, short).over
    assert over.startswith("epochs=3 of ")
    assert over.endswith("is over the budget of an original trained for 5 epochs: 1")
    with pytest.raises(UsageFailure, match="over the budget"):
        fit.admit(fit.fit(long, short), transfer=False)
    assert fit.fit(long, short, {"epochs": 1}).over == []
    assert fit.fit(found_on(HERE, 0.1, fixed=["epochs"]), short).over, "by hand, but within the budget there"
    beyond = replace(found_on(HERE, 0.1, fixed=["epochs"]), params=PARAMS | {"epochs": 9})
    assert (fit.fit(beyond, short).over, fit.fit(beyond, HERE)) == ([], fit.Fit())
    assert "epochs=9 of" in fit.fit(beyond, short).doubts[0]
    assert fit.fit(long, unlearning("ft", epochs=15)).over == []


@pytest.mark.parametrize(
    ("there", "says"),
    [
        (replace(HERE, forget="b" * 64, labels={"forget": "class:3", "dataset": "digits"}),
         "ft was tuned to forget class:3 (bbbbbbbbbbbb), not random:0.1 (aaaaaaaaaaaa)"),
        (unlearning("ft", epochs=15), "ft was tuned on originals trained with epochs=15, not epochs=30"),
        (other(HERE, val_share=0.3), "ft was tuned on another split val_share=0.3, not val_share=0.15"),
        (other(HERE, mean=[0.5]), "ft was tuned on pictures or trainings prepared otherwise"),
        (replace(HERE, data=dict(HERE.data) | {"augment": False}),
         "ft was tuned in steps with augment=False, not augment=True"),
        (replace(HERE, precision="bf16"), "ft was tuned in steps with precision=bf16, not precision=fp32"),
    ],
)  # fmt: skip
def test_what_else_differs_is_said(there, says):
    found = fit.fit(found_on(there, 0.1), HERE)
    assert found.doubts == [says]
    assert not found.foreign + found.over


def test_what_a_preset_does_not_say_is_said():
    assert fit.fit(preset(provenance={}), HERE).doubts == [
        "the preset of ft does not say which pictures it was tuned on"
    ]
    assert fit.fit(preset(revision=9, provenance=found_on(HERE, 0.1).provenance), HERE).doubts == [
        "ft has changed since it was tuned (9 → 2)"
    ]
    assert fit.fit(found_on(HERE, None), HERE).doubts == ["the preset of ft was not confirmed on fresh seeds"]
    assert fit.fit(preset(provenance=FROM | {"dataset": "cifar10"}), HERE).foreign == [
        "ft was tuned on cifar10, and this is digits"
    ]
    before = FROM | {"setting": HERE.setting, "forget_sha256": HERE.forget}
    assert fit.fit(preset(provenance=before), HERE) == fit.Fit(), "as earlier versions wrote it"


def test_best_compares_confirmed_figures_only(tmp_path):
    presets.write(found_on(HERE, 0.0225), tmp_path / "ft-1.toml")
    presets.write(found_on(HERE, None, searched=0.0108), tmp_path / "ft-2.toml")
    assert fit.best(tmp_path, "ft", HERE).confirmed == 0.0225
    (tmp_path / "ft-1.toml").unlink()
    with pytest.raises(NotFound, match=r"no preset for ft .*ft-2.toml was not confirmed on fresh seeds"):
        fit.best(tmp_path, "ft", HERE)


def test_best_is_the_one_with_the_fewest_doubts_and_the_smallest_fresh_value(tmp_path):
    elsewhere = replace(HERE, forget="b" * 64)
    made = {
        "doubted": found_on(elsewhere, 0.01),
        "worse": found_on(HERE, 0.3),
        "better": found_on(HERE, 0.2),
        "other-pictures": found_on(other(HERE, fingerprint="e" * 64), 0.0),
        "other-model": found_on(replace(HERE, model="resnet18"), 0.0),
        "other-method": replace(found_on(HERE, 0.0), method="ga", params={}),
    }
    for name, one in made.items():
        presets.write(one, tmp_path / f"{name}.toml")
    assert fit.best(tmp_path, "ft", HERE).confirmed == 0.2
    assert fit.best(tmp_path, "ft", elsewhere).confirmed == 0.01
    with pytest.raises(NotFound, match="no preset for ct on digits resnet-tiny") as caught:
        fit.best(tmp_path, "ct", HERE)
    assert f"`deepunlearn sweep {original().key} --method ct --forget random:0.1`" in caught.value.hint


def test_best_leaves_out_what_is_over_the_budget(tmp_path):
    presets.write(found_on(HERE, 0.1), tmp_path / "ft-1.toml")
    short = unlearning("ft", epochs=5)
    with pytest.raises(NotFound, match="over the budget"):
        fit.best(tmp_path, "ft", short)
    assert fit.best(tmp_path, "ft", short, transfer=True).confirmed == 0.1
    assert fit.best(tmp_path, "ft", short, {"epochs": 1}).confirmed == 0.1


@pytest.mark.parametrize(
    "text", [b"[params", b"\xff\xfe", b"method = 'ft'", b"a = " + b"[" * 3000, FROM_NAN, FROM_TABLE]
)
def test_one_bad_file_is_told_and_skipped(tmp_path, text):
    (tmp_path / "a.toml").write_bytes(text)
    (tmp_path / "b.toml").mkdir()
    presets.write(found_on(HERE, 0.1), tmp_path / "c.toml")
    told = []
    assert fit.best(tmp_path, "ft", HERE, say=told.append).confirmed == 0.1
    assert len(told) == 2
    assert "a.toml is not a preset" in told[0]


def test_a_choice_made_again_keeps_the_one_before(tmp_path):
    path = tmp_path / "ft-1.toml"
    first = found_on(HERE, 0.2, trials=30, created="then", study="ft-1")
    assert presets.record(first, path) == first
    content = path.read_bytes()
    again = presets.record(found_on(HERE, 0.2, trials=30, created="now", study="ft-1"), path)
    assert again.provenance["created"] == "then"
    assert path.read_bytes() == content, "the same choice"
    presets.record(found_on(HERE, 0.1, trials=60, study="ft-1"), path)
    presets.record(found_on(HERE, None, trials=90, study="ft-1"), path)
    held = presets.read(path)
    assert [one.provenance["trials"] for one in held.choices()] == [90, 60, 30]
    assert [one.confirmed for one in held.choices()] == [None, 0.1, 0.2]
    assert dict(held.history[0].params) == dict(first.params)
    assert fit.best(tmp_path, "ft", HERE).provenance["trials"] == 60, "the newest that was confirmed"


def test_what_is_no_preset_is_moved_aside_and_told(tmp_path):
    path, told = tmp_path / "ft-1.toml", []
    for text in ("notes", "more notes"):
        path.write_text(text)
        presets.record(found_on(HERE, 0.2), path, told.append)
    assert [(tmp_path / f"ft-1.toml.{n}.unreadable").read_text() for n in (0, 1)] == ["notes", "more notes"]
    assert len(told) == 2
    assert presets.read(path).confirmed == 0.2


def test_names_that_are_no_plain_text_survive(tmp_path):
    strange = found_on(HERE, 0.2, dataset='folder:a"b\n\x7f\udc80', **{"by hand": "x"})
    presets.write(strange, tmp_path / "x.toml")
    read = presets.read(tmp_path / "x.toml")
    assert read.provenance["dataset"] == 'folder:a"b\n\x7f\udc80'
    assert read.provenance["by hand"] == "x"


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
