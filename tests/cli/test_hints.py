"""Hints that hold a command, or an option to add: each is taken as it is printed, and it works."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

import pytest
import torch
from cli_kit import TRAIN, Bench, Said, bench, call, ok, small_npz
from family_kit import pictures

from deepunlearn_cli.checkpoints.file import read

DO_NOTHING = ("unlearn", "--method", "do-nothing")


@pytest.fixture
def place(tmp_path, monkeypatch) -> Bench:
    monkeypatch.chdir(tmp_path)
    return bench(tmp_path)


def commands(text: str) -> list[list[str]]:
    """The whole commands in what a person reads: they stand between backticks, or end a line."""
    found = re.findall(
        r"`deepunlearn ([^`]+)`|: deepunlearn ([^`;·]+)$|^hint: deepunlearn ([^`;·]+)$", text, re.M
    )
    return [shlex.split(next(filter(None, groups))) for groups in found]


def option(text: str) -> list[str]:
    """The option at the beginning of a hint, with its value; `, say` and explanations end it."""
    (hint,) = re.findall(r"^hint: (--.*)$", text, re.M)
    words = shlex.split(hint)
    return [words[0], words[1].rstrip(",")]


def works(place: Bench, said: Said) -> list[Said]:
    """Every command in what was said, carried out as it stands."""
    found = commands(said.err)
    assert found, said.err
    return [place.ok(*words) for words in found]


def mended(place: Bench, said: Said, words: Sequence[object]) -> Said:
    """The same call with the option that its hint names."""
    return place.ok(*words, *option(said.err))


def test_the_only_control_that_is_missing_is_made_by_the_command_in_the_note(place):
    said = place.ok("attack", "umia", place.ids["ft"])
    works(place, said)
    assert not commands(place.ok("attack", "umia", place.ids["ft"]).err)


@pytest.mark.parametrize("count", [1, 20])
def test_a_request_of_few_pictures_says_what_to_do(place, count):
    from deepunlearn_cli.data import open_dataset, split

    trained = split(open_dataset("digits", place.store / "data")).train[:count]
    (place.home / "few.txt").write_text("".join(f"{index}\n" for index in trained))
    request = ("--forget", f"indices:{place.home / 'few.txt'}")
    said = place.ok(*DO_NOTHING, place.ids["original"], *request)
    assert f"{count} pictures are too few for a verdict" in said.err
    assert "as long as the original did, " in said.err
    (made,) = works(place, said)
    shown = place.ok("show", made.lines[0], "--json").json[0]["recipe"]
    assert (shown["name"], shown["labels"]["forget"]) == ("retrain", request[1])
    assert not commands(place.ok("unlearn", place.ids["original"], "--method", "retrain", *request).err)


def test_more_pictures_say_nothing(place):
    assert "too few" not in place.ok(*DO_NOTHING, place.ids["original"], "--forget", "class:3:0.5").err


def test_a_trial_names_what_makes_its_model(place):
    sweep = ("sweep", place.ids["original"], "--method", "ft", "--trials", "1", "--confirm", "0")
    said = place.ok(*sweep, "-p", "epochs=1", "--forget", "class:3:0.5")
    works(place, said)
    trial = place.runs(kind="trial")[0]["id"]
    works(place, place(*DO_NOTHING, trial))


def test_a_preset_that_is_missing_names_the_search(place):
    said = place("unlearn", place.ids["original"], "--method", "ct", "--preset", "best")
    assert said.code == 3
    (words,) = commands(said.err)
    place.ok(*words, "--trials", "1", "--confirm", "0", "--dry-run")


@pytest.mark.slow
def test_a_track_that_is_missing_names_the_training(place):
    said = place("unlearn", place.ids["original"], "--method", "amnesiac", "--forget", "class:3:0.5")
    assert said.code == 2
    (tracked,) = works(place, said)
    works(place, place("unlearn", tracked.lines[0], "--method", "amnesiac", "--forget", "class:4:0.5"))


def test_an_attack_names_its_target(place):
    works(place, place(*DO_NOTHING, place.ids["umia"]))
    works(place, place(*DO_NOTHING, place.ids["ft"]))


def test_two_forget_sets_name_one_to_take(place):
    for spec in ("class:3:0.5", "class:4"):
        place.ok(*TRAIN, "--forget", spec)
    words = (*DO_NOTHING, place.ids["original"])
    mended(place, place(*words), words)


def test_changed_pictures_name_the_folder(place, tmp_path):
    for name in ("train/cat", "train/dog", "test/cat", "test/dog"):
        pictures(tmp_path / "my pets" / name, 12)
    words = ("--dataset", f"folder:{tmp_path / 'my pets'}", "--model", "resnet-tiny", "-p", "epochs=1")
    place.ok("train", *words, "--forget", "class:cat:0.5", "--out", tmp_path / "o.pt")
    (tmp_path / "my pets" / "test" / "dog" / "0.png").unlink()
    again = (*DO_NOTHING, tmp_path / "o.pt", "--store", tmp_path / "new")
    ok(*again, *option(call(*again).err))


def test_other_layouts_name_the_way_in(place, tmp_path):
    for name in ("PetImages/cat", "PetImages/dog"):
        pictures(tmp_path / "zip of mine" / name, 12)
    words = ("train", "--model", "resnet-tiny", "-p", "epochs=1", "--dataset")
    said = place(*words, f"folder:{tmp_path / 'zip of mine'}")
    (found,) = re.findall(r"--dataset (.*)$", said.err, re.M)
    place.ok(*words, *shlex.split(found))
    for name in ("train/cat", "train/dog", "val/cat", "val/dog"):
        pictures(tmp_path / "two" / name, 12)
    words = (*words, f"folder:{tmp_path / 'two'}")
    mended(place, place(*words), words)
    pictures(tmp_path / "flat" / "train", 12)
    pictures(tmp_path / "flat" / "test1", 12)
    said = place(*words[:-1], f"folder:{tmp_path / 'flat'}")
    (order,) = re.findall(r"--classes ([^;]+);", said.err)
    place.ok(*words[:-1], f"folder:{tmp_path / 'flat'}", "--classes", *shlex.split(order))


def test_a_foreign_checkpoint_says_what_it_needs(place, tmp_path):
    torch.save(read(place.orig).weights, tmp_path / "theirs.pth")
    said = place(*DO_NOTHING, tmp_path / "theirs.pth", "--dataset", "digits", "--model", "resnet-tiny")
    assert said.code == 2
    works(place, said)


def test_what_a_ranking_lacks_is_made_by_its_hint_whatever_the_data_are_called(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    place = Bench(tmp_path, {})
    training = ("--dataset", small_npz(tmp_path / "inv.npz"), "--model", "resnet-tiny", "-p", "epochs=8")
    (original,) = place.ok("train", *training, "--val-share", "0.2").lines
    place.ok("unlearn", original, "--method", "ft", "--forget", "class:1:0.5")
    lacking = place("rank")
    assert lacking.code == 3
    works(place, lacking)
    place.ok("rank")
