"""A model and everything made from it carry the forget set that it was trained for; nothing is guessed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from cli_kit import TRAIN, Bench, bench, call, ok, refused
from family_kit import pictures

from deepunlearn_cli.checkpoints.file import read, write

DO_NOTHING = ("unlearn", "--method", "do-nothing")
HALF = "class:3:0.5"


@pytest.fixture
def place(tmp_path) -> Bench:
    return bench(tmp_path)


def forgotten(place: Bench, run: str) -> str:
    return place.ok("show", run, "--json").json[0]["recipe"]["labels"]["forget"]


def test_a_run_forgets_what_it_was_trained_for(place):
    (original,) = place.ok(*TRAIN, "-p", "batch_size=64", "--forget", HALF).lines
    for words in (("--ckpt", original), (original,), ("-",)):
        (made,) = place.ok(*DO_NOTHING, *words, input=f"{original}\n").lines
        assert forgotten(place, made) == HALF
    (row, *_) = place.ok("attack", "umia", original, "--json").json
    assert row["forget"] == place.ok("show", made, "--json").json[0]["recipe"]["forget"]


def test_two_forget_sets_are_asked_about(place):
    for spec in (HALF, "class:4"):
        place.ok(*TRAIN, "--forget", spec)
    said = place.refused(*DO_NOTHING, place.ids["original"], code=2, says=("2 forget sets", HALF, "class:4"))
    assert "--forget class" in said
    (made,) = place.ok(*DO_NOTHING, place.ids["original"], "--forget", "class:4").lines
    assert forgotten(place, made) == "class:4"


def test_a_default_is_never_taken_without_a_word(place):
    said = place.ok(*DO_NOTHING, place.ids["original"])
    assert "the default is taken, random:0.1 (123 pictures)" in said.err
    said = place.ok(*DO_NOTHING, place.orig)
    assert "the default is taken, random:0.1 (123 pictures)" in said.err
    place.ok(*TRAIN, "--forget", HALF)
    said = place.ok(*DO_NOTHING, place.ids["original"])
    assert forgotten(place, said.lines[0]) == HALF, "what was named goes before a default"
    assert "default" not in said.err


def test_where_nothing_is_on_record_the_forget_set_must_be_named(place, tmp_path):
    shutil.rmtree(place.store / "purposes")
    for ref in (("--ckpt", place.ids["original"]), (place.ids["original"],)):
        place.refused(*DO_NOTHING, *ref, code=2, says=("nothing says what", "--forget"))
    torch.save(read(place.orig).weights, tmp_path / "theirs.pth")
    theirs = (tmp_path / "theirs.pth", "--dataset", "digits", "--model", "resnet-tiny")
    for command in (DO_NOTHING, ("sweep", "--method", "ft", "--trials", "1"), ("attack", "umia")):
        place.refused(*command, *theirs, code=2, says=("nothing says what", "--forget"))


def test_a_plan_is_no_promise(place):
    place.ok(*TRAIN, "-p", "batch_size=64", "--forget", HALF, "--dry-run")
    assert len(list((place.store / "purposes").iterdir())) == 1


def test_a_removed_run_is_remembered_no_more(place):
    (original,) = place.ok(*TRAIN, "-p", "batch_size=64", "--forget", HALF).lines
    place.ok("prune", original, "--yes")
    assert not (place.store / "purposes" / original).exists()


def test_an_adopted_file_keeps_its_forget_set_when_named_by_its_id(place, tmp_path):
    place.ok(*TRAIN, "--forget", HALF, "--out", tmp_path / "half.pt")
    other = tmp_path / "other"
    ok(*DO_NOTHING, tmp_path / "half.pt", "--store", other)
    (adopted,) = ok("runs", "--kind", "checkpoint", "--store", other, "-q").lines
    (made,) = ok(*DO_NOTHING, adopted, "--store", other).lines
    assert ok("show", made, "--store", other, "--json").json[0]["recipe"]["labels"]["forget"] == HALF


# --- a dataset that has changed since


def pets(folder: Path) -> str:
    for name in ("train/cat", "train/dog", "test/cat", "test/dog"):
        pictures(folder / name, 12)
    return f"folder:{folder}"


def train(spec: str, folder: Path, forget: str) -> tuple[Path, tuple[str, ...]]:
    """A file of a model that is to forget a list of paths, and where its store is."""
    store = ("--store", str(folder / "store"))
    (folder / "request.txt").write_text(forget)
    words = ("--dataset", spec, "--model", "resnet-tiny", "-p", "epochs=1", "--val-share", "0")
    ok("train", *words, "--forget", f"indices:{folder / 'request.txt'}", "--out", folder / "o.pt", *store)
    return folder / "o.pt", store


@pytest.fixture
def changed(tmp_path):
    """A model of pets, and a way to have it forget after `change` did something to the folder."""
    spec = pets(tmp_path / "pets")
    file, _ = train(spec, tmp_path, "train/cat/3.png\ntrain/dog/5.png\n")

    def after(change, *more):
        change(tmp_path / "pets")
        return call(*DO_NOTHING, file, *more, "--store", tmp_path / "new", "--json")

    after.spec = spec
    return after


def forgotten_paths(said, store: Path) -> list[str]:
    from deepunlearn_cli.data import load_dataset, load_forget

    recipe = ok("show", said.json[0]["id"], "--store", store, "--json").json[0]["recipe"]
    dataset = load_dataset(recipe["data"]["fingerprint"], store / "data")
    return [dataset.paths[index] for index in load_forget(recipe["forget"], store / "data").indices]


def test_pictures_that_were_deleted_since_are_named(changed, tmp_path):
    said = changed(lambda pets: (pets / "train/cat/3.png").unlink())
    assert said.code == 2
    assert "1 of the 2 pictures to forget" in said.err
    assert "train/cat/3.png" in said.err
    again = call(*DO_NOTHING, tmp_path / "o.pt", "--dataset", changed.spec, "--store", tmp_path / "new")
    assert again.code == 2, "no option leads to other pictures"
    assert "train/cat/3.png" in again.err


def test_a_picture_that_shows_something_else_now_is_named(changed):
    said = changed(lambda pets: shutil.copy(pets / "train/cat/0.png", pets / "train/cat/3.png"))
    assert said.code == 2
    assert "train/cat/3.png (another picture now)" in said.err


def test_others_may_come_and_go_once_agreed(changed, tmp_path):
    def change(pets: Path) -> None:
        (pets / "train/cat/0.png").unlink()
        pictures(pets / "train/ant", 3)
        pictures(pets / "test/ant", 3)
        (pets / "train/dog/5.png").rename(pets / "train/dog/a.png")

    said = changed(change)
    assert said.code == 2
    assert "those to forget are all there" in said.err
    assert f"--dataset {changed.spec}" in json.loads(said.err.splitlines()[-1])["hint"]


def test_pictures_are_found_by_what_they_show(changed, tmp_path):
    def change(pets: Path) -> None:
        (pets / "train/cat/0.png").unlink()
        (pets / "train/dog/5.png").rename(pets / "train/dog/a.png")

    said = changed(change, "--dataset", changed.spec)
    assert said.code == 0, said.err
    assert forgotten_paths(said, tmp_path / "new") == ["train/cat/3.png", "train/dog/a.png"]
    assert "its training, validation and test parts are drawn anew" in said.err


def test_of_equal_pictures_the_path_decides(tmp_path):
    spec = pets(tmp_path / "pets")
    shutil.copy(tmp_path / "pets/train/cat/0.png", tmp_path / "pets/train/cat/7.png")
    file, _ = train(spec, tmp_path, "train/cat/7.png\n")
    (tmp_path / "pets/train/dog/0.png").unlink()
    (tmp_path / "pets/train/cat/1.png").unlink()
    said = ok(*DO_NOTHING, file, "--dataset", spec, "--store", tmp_path / "new", "--json")
    assert forgotten_paths(said, tmp_path / "new") == ["train/cat/7.png"]


def test_a_file_that_knows_positions_only_is_not_believed(tmp_path):
    spec = pets(tmp_path / "pets")
    file, _ = train(spec, tmp_path, "train/cat/3.png\n")
    content = read(file)
    forget = {name: content.claims["forget"][name] for name in ("spec", "indices")}
    write(file, content.weights, {**content.claims, "forget": forget})
    ok(*DO_NOTHING, file, "--store", tmp_path / "same")
    (tmp_path / "pets/train/cat/0.png").unlink()
    words = (*DO_NOTHING, file, "--dataset", spec, "--store", tmp_path / "new")
    refused(*words, code=2, says=("by positions", "--forget indices:FILE"))


def test_digests_are_kept_beside_the_pictures(tmp_path):
    from deepunlearn_cli.data import open_dataset
    from deepunlearn_cli.data._digests import KEPT, digest_of, digests_of

    data = open_dataset("digits", tmp_path)
    first = digests_of(data)
    assert first[5] == digest_of(np.asarray(data.images[5]))
    assert (tmp_path / data.fingerprint / KEPT).is_file()
    assert digests_of(data) == first
    (tmp_path / data.fingerprint / KEPT).write_bytes(b"torn")
    assert digests_of(data) == first


# --- twins


@pytest.fixture
def twins(tmp_path):
    """Pets in which a training picture has a twin in its class, one in another, and one in the test part."""
    spec = pets(tmp_path / "pets")
    for twin in ("train/cat/9.png", "train/dog/2.png", "test/cat/4.png"):
        shutil.copy(tmp_path / "pets/train/cat/3.png", tmp_path / "pets" / twin)
    (tmp_path / "request.txt").write_text("train/cat/3.png\n")
    words = ("--dataset", spec, "--model", "resnet-tiny", "-p", "epochs=1", "--val-share", "0")
    store = ("--store", tmp_path / "store")
    ok("train", *words, "--forget", "class:dog:0.5", "--out", tmp_path / "o.pt", *store)
    return (*words, "--forget", f"indices:{tmp_path / 'request.txt'}", *store)


def test_twins_that_stay_are_warned_of_by_name(twins):
    said = ok("train", *twins)
    assert "2 retain pictures are byte for byte what is to be forgotten" in said.err
    assert "train/cat/9.png equals train/cat/3.png, train/dog/2.png equals train/cat/3.png" in said.err
    assert "--with-duplicates" in said.err
    assert "1 test pictures" in said.err
    assert "test/cat/4.png equals train/cat/3.png" in said.err


def test_twins_are_forgotten_too(twins, tmp_path):
    forget = (*twins[-4:], "--with-duplicates")
    said = ok(*DO_NOTHING, tmp_path / "o.pt", *forget, "--json")
    assert forgotten_paths(said, tmp_path / "store") == [
        "train/cat/3.png",
        "train/cat/9.png",
        "train/dog/2.png",
    ]
    assert "retain pictures" not in said.err
    assert "1 test pictures" in said.err
    (original,) = ok("train", *twins, "--with-duplicates", "-p", "batch_size=64").lines
    again = ok(*DO_NOTHING, original, *twins[-2:], "--json")
    assert again.json[0]["forget"] == said.json[0]["forget"]


# --- hard and easy pictures


def chosen(place: Bench, run: str) -> set[int]:
    from deepunlearn_cli.data import load_forget

    recipe = place.ok("show", run, "--json").json[0]["recipe"]
    return set(load_forget(recipe["forget"], place.store / "data").indices.tolist())


def losses(place: Bench) -> dict[int, float]:
    """The original's loss by training picture."""
    from scipy.special import log_softmax

    from deepunlearn_cli.store import Store

    part = Store.open(place.store, create=False).find(place.ids["original"]).outputs()["retain"]
    right = log_softmax(part["logits"], axis=1)[np.arange(len(part["labels"])), part["labels"]]
    return dict(zip(part["index"].tolist(), (-right).tolist(), strict=True))


@pytest.mark.parametrize(("form", "sign"), [("hardest", -1), ("easiest", 1)])
def test_hard_and_easy_pictures_by_the_models_own_confidence(place, form, sign):
    (made,) = place.ok(*DO_NOTHING, place.ids["original"], "--forget", f"{form}:0.1").lines
    order = sorted(losses(place).items(), key=lambda one: sign * one[1])  # digits are not augmented
    found = chosen(place, made)
    assert len(found) == 123
    assert len(found & {index for index, _ in order[:123]}) > 120
    assert place.ok(*DO_NOTHING, place.ids["original"], "--forget", f"{form}:0.1").lines == [made]


def test_before_training_there_is_no_model_to_ask(place, tmp_path):
    place.refused(*TRAIN, "--forget", "hardest:0.1", code=2, says=("there is none yet", "hardest:0.1:FILE"))
    scores = np.random.default_rng(0).random(1797)
    np.save(tmp_path / "m.npy", scores)
    place.ok(*TRAIN, "-p", "batch_size=64", "--forget", f"hardest:0.1:{tmp_path / 'm.npy'}")


@pytest.mark.parametrize("name", ["m.npy", "m.csv", "m.csv:memo"])
def test_hard_pictures_by_a_file_of_scores(place, tmp_path, name):
    scores = np.random.default_rng(0).random(1797)
    np.save(tmp_path / "m.npy", scores)
    lines = [f"{n},{score:.9f},{1 - score:.9f}" for n, score in enumerate(scores)]
    title = "index,memo,score" if name.endswith("memo") else "index,score,memo"
    (tmp_path / "m.csv").write_text("\n".join([title, *lines]))
    (made,) = place.ok(
        *DO_NOTHING, place.ids["original"], "--forget", f"hardest:0.05:{tmp_path / name}"
    ).lines
    trained = list(losses(place))
    assert chosen(place, made) == set(sorted(trained, key=lambda n: -scores[n])[: len(chosen(place, made))])


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("m.csv", "index,score\n5,1\n", "training pictures have no score"),
        ("m.csv", "index,score\n5,high\n", "'high' is not a score"),
        ("m.csv", "index,memo\n5,1\n", "0 columns are called score or"),
        ("m.csv", "id,score\n5,1\n", "none of its 2 columns is called index or path"),
        ("m.csv", "index,score\n", "is empty"),
        ("m.npy", "x", "cannot read"),
        ("none.csv", None, "no file"),
    ],
)
def test_files_of_scores_that_cannot_be_used(place, tmp_path, name, text, says):
    if text is not None:
        (tmp_path / name).write_text(text)
    said = place(*DO_NOTHING, place.ids["original"], "--forget", f"hardest:0.1:{tmp_path / name}")
    assert said.code in (2, 3)
    assert says in said.err


def test_numbers_in_a_file_of_samples_are_the_owners(tmp_path):
    """What an attack exposes can be asked for as it is written."""
    import csv

    for name in ("cat", "dog"):
        pictures(tmp_path / "pets" / name, 60)
    words = ("--dataset", f"folder:{tmp_path / 'pets'}", "--model", "resnet-tiny", "-p", "epochs=1")
    store = ("--store", tmp_path / "store")
    (original,) = ok("train", *words, "--forget", "class:cat:0.5", *store).lines
    (made,) = ok(*DO_NOTHING, original, *store).lines
    ok("attack", "umia", made, "--samples", tmp_path / "s.csv", *store)
    rows = [row for row in csv.DictReader((tmp_path / "s.csv").open()) if row["side"] == "forget"]
    (tmp_path / "again.txt").write_text("".join(f"{row['index']}\n" for row in rows))
    said = ok(*DO_NOTHING, original, "--forget", f"indices:{tmp_path / 'again.txt'}", "--json", *store)
    names = {f"cat/{n}.png" for n in range(60)}
    assert rows
    assert set(forgotten_paths(said, tmp_path / "store")) <= names
