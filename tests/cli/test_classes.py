"""Which class is which: the order of a model's outputs is known, or asked for."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from cli_kit import call, ok, refused
from PIL import Image

from deepunlearn_cli.checkpoints.file import read

NATURAL = ("grade 1", "grade 2", "grade 10")  # as their owner counts; sorted: 1, 10, 2


@pytest.fixture(scope="module")
def grades(tmp_path_factory) -> Path:
    """Pictures of three shades, and a bare state dict of a model that was trained in natural order."""
    place = tmp_path_factory.mktemp("grades")
    rng = np.random.default_rng(0)
    for part, count in (("train", 40), ("test", 10)):
        for number, name in enumerate(NATURAL):
            folder = place / "pics" / part / name
            folder.mkdir(parents=True)
            for one in range(count):
                picture = rng.integers(0, 60, (8, 8, 3), dtype=np.uint8) + np.uint8(90 * number)
                Image.fromarray(picture).save(folder / f"{one}.png")
    (place / "order.txt").write_text("\n".join(NATURAL))
    (place / "order.json").write_text(json.dumps({name: n for n, name in enumerate(NATURAL)}))
    words = ("--dataset", f"folder:{place / 'pics'}", "--model", "resnet-tiny", "-p", "epochs=8")
    order = ("--classes", place / "order.txt")
    ok("train", *words, *order, "--out", place / "ours.pt", "--store", place / "store")
    torch.save(read(place / "ours.pt").weights, place / "theirs.pth")
    return place


def theirs(place: Path, *more: object) -> tuple[object, ...]:
    data = ("--dataset", f"folder:{place / 'pics'}", "--model", "resnet-tiny")
    words = (
        "unlearn",
        place / "theirs.pth",
        "--method",
        "do-nothing",
        *data,
        "--forget",
        "class:grade 10:0.5",
    )
    return (*words, *more)


def test_a_model_whose_classes_are_in_another_order_is_refused(grades, tmp_path):
    said = refused(*theirs(grades), "--store", tmp_path / "s", code=2, says=("classes in another order",))
    assert "--classes 'grade 1,grade 2,grade 10'" in said
    assert "on 2 of them" in said


@pytest.mark.parametrize("order", ["grade 1,grade 2,grade 10", "order.txt", "order.json"])
def test_its_order_can_be_said(grades, tmp_path, order):
    given = grades / order if order.startswith("order") else order
    (row,) = ok(*theirs(grades, "--classes", given), "--store", tmp_path / "s", "--json").json
    assert row["scores"]["FA"] > 0.9, "what its owner sees"
    shown = ok("show", row["id"], "--store", tmp_path / "s").out
    assert "0 grade 1, 1 grade 2, 2 grade 10" in shown
    (shown,) = ok("show", row["id"], "--store", tmp_path / "s", "--json").json
    assert shown["classes"] == list(NATURAL)


def test_a_file_of_ours_keeps_its_order(grades, tmp_path):
    words = ("unlearn", grades / "ours.pt", "--method", "do-nothing", "--forget", "class:grade 10:0.5")
    (row,) = ok(*words, "--store", tmp_path / "s", "--json").json
    assert row["scores"]["FA"] > 0.9


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("grade 1,grade 2", ("2 classes", "grade 10 is not named")),
        ("grade 1,grade 2,grade 3", ("no grade 3", "grade 10 is not named")),
        ("grade 1", ("one class",)),
        ("grade 1,grade 1,grade 2", ("twice",)),
    ],
)
def test_other_classes_are_refused(grades, tmp_path, given, says):
    words = theirs(grades, "--classes", given)
    refused(*words, "--store", tmp_path / "s", code=2, says=("--classes", *says))


@pytest.mark.parametrize("text", ["{", '{"a": 0, "b": 2}', "[1, 2]", '"a"'])
def test_files_of_classes_that_cannot_be_read(grades, tmp_path, text):
    (tmp_path / "order.json").write_text(text)
    words = theirs(grades, "--classes", tmp_path / "order.json")
    refused(*words, "--store", tmp_path / "s", code=2, says=("--classes",))


def test_numbers_get_names(tmp_path):
    from cli_kit import small_npz

    words = ("--dataset", small_npz(tmp_path / "four.npz"), "--model", "resnet-tiny", "-p", "epochs=1")
    store = ("--store", tmp_path / "s")
    ok("train", *words, "--classes", "north,east,south,west", "--forget", "class:east", *store)
    assert call("train", *words, "--forget", "class:east", *store).code == 3
