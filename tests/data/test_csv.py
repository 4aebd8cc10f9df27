"""`csv:FILE`: tables of path and label that can be used, and every one that cannot."""

import re

import numpy as np
import pytest
from PIL import Image

from deepunlearn_cli.core.errors import NotFound, UsageFailure
from deepunlearn_cli.data import forget_set, open_dataset, split

RNG = np.random.default_rng(0)


@pytest.fixture
def home(tmp_path):
    return tmp_path / "store" / "data"


@pytest.fixture
def table(tmp_path):
    """Writes a table of twelve pictures `img/0.png`, ..., or of what is given."""
    (tmp_path / "img").mkdir()
    for number in range(12):
        picture = RNG.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(picture).save(tmp_path / "img" / f"{number}.png")

    def write(header="path,label", lines=None, encoding="utf-8"):
        lines = [f"img/{i}.png,{'cat' if i % 2 else 'dog'}" for i in range(12)] if lines is None else lines
        file = tmp_path / "own.csv"
        file.write_text("\n".join([header, *lines]) + "\n", encoding)
        return f"csv:{file}"

    return write


def refusal(spec, home, **options):
    with pytest.raises((UsageFailure, NotFound)) as failure:
        open_dataset(spec, home, **options)
    assert failure.value.hint
    assert "\n" not in failure.value.message + failure.value.hint
    return failure.value


def test_without_a_split_a_fifth_is_held_out(home, table, tmp_path):
    data = open_dataset(table(), home)
    order = np.random.default_rng(123).permutation(12)
    assert (data.name, data.classes, data.train_size) == ("csv:own", ("cat", "dog"), 10)
    assert data.paths == tuple(f"img/{i}.png" for i in [*order[2:], *order[:2]])
    assert data.labels.tolist() == [int(i % 2 == 0) for i in [*order[2:], *order[:2]]]
    for index, path in enumerate(data.paths):
        assert np.array_equal(data.images[index], np.asarray(Image.open(tmp_path / path)))
    assert (data.flip, data.pad, data.image_shape) == (True, 1, (8, 8, 3))


def test_with_a_split_lines_stay_in_order(home, table):
    lines = [f"x, img/{i}.png ,{10 - i % 2},{'Test' if i % 3 == 0 else ' train'}" for i in range(12)]
    data = open_dataset(table("note,FileName,Class,SPLIT", lines, "utf-8-sig"), home)
    train = [i for i in range(12) if i % 3]
    order = [*train, *range(0, 12, 3)]
    assert (data.train_size, data.paths) == (8, tuple(f"img/{i}.png" for i in order))
    assert data.classes == ("9", "10"), "numbers are sorted as numbers"
    assert data.labels.tolist() == [int(i % 2 == 0) for i in order]


def test_numbers_are_one_class_however_they_are_written(home, table):
    lines = [f"img/{i}.png,{('01', '1', '-2')[i % 3]}" for i in range(12)]
    assert open_dataset(table(lines=lines), home).classes == ("-2", "1")
    lines[0] = "img/0.png,1.0"
    assert open_dataset(table(lines=lines), home).classes == ("-2", "01", "1", "1.0")


def test_forget_sets_by_class_name_and_by_path(home, table, tmp_path):
    data = open_dataset(table(), home)
    parts = split(data, 0.2, 0)
    chosen = data.paths[parts.train[0]]
    (tmp_path / "forget.txt").write_text(chosen + "\n")
    forget = forget_set(f"indices:{tmp_path / 'forget.txt'}", data, parts)
    assert [data.paths[index] for index in forget.indices] == [chosen]
    cats = forget_set("class:cat", data, parts)
    assert {data.classes[data.labels[index]] for index in cats.indices} == {"cat"}


def test_a_changed_picture_or_table_is_decoded_again(home, table, tmp_path):
    first = open_dataset(table(), home)
    assert open_dataset(table(), home).fingerprint == first.fingerprint
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "img" / "3.png")
    second = open_dataset(table(), home)
    assert second.fingerprint != first.fingerprint
    lines = [f"img/{i}.png,{'cat' if i % 3 else 'dog'}" for i in range(12)]
    assert open_dataset(table(lines=lines), home).fingerprint != second.fingerprint


HALVES = [f"img/{i}.png,{i % 2},{'test' if i > 7 else 'train'}" for i in range(12)]


@pytest.mark.parametrize(
    ("header", "lines", "named"),
    [
        ("picture,label", None, "no column path or file or filename or image, only picture, label"),
        ("path,kind", None, "no column label or class or target, only path, kind"),
        ("path,label,Class", ["img/0.png,cat,1"], "several columns for the label: label and class"),
        ("path,label,file", ["img/0.png,cat,x"], "several columns for the path: path and file"),
        ("path,label,path", ["img/0.png,cat,x"], "several columns for the path: path and path"),
        ("path;label", ["img/0.png;cat"], "no column path .*only path;label"),
        ("path,label", [], "names no pictures"),
        ("", [], "names no pictures"),
        ("path,label", ["img/0.png,cat", "img/1.png", "img/2.png,cat,x"], "2 lines have more or fewer cells: 3, 4"),
        ("path,label", ["img/0.png,cat", "img/1.png, ", ",dog"], r"2 lines lack .*: 3 \(img/1.png\), 4"),
        ("path,label", ["img/0.png,cat", "img/../img/0.png,dog"], r"twice: 2 \(img/0.png\), 3 \(img/../img/0.png\)"),
        ("path,label", ["img/0.png,cat", "img/1.png,cat"], "the label cat only"),
        ("path,label", ["img/0.png,01", "img/1.png,1"], "the label 1 only"),
        ("path,label", ["img/0.png,a", "no.png,b", "img,b"], r"2 lines .*not there: 3 \(no.png\), 4 \(img\)"),
        ("path,label", ["img/0.png,a", "img/1.png,b"], "too few to set 20% aside"),
        ("path,label,split", [*HALVES, "own.csv,0,val"], r"neither train nor test: 14 \(own.csv\)"),
        ("path,label,split", HALVES[:8], "no test pictures of 2 classes: 0, 1"),
        ("path,label,split", HALVES[:9], "no test pictures of 1 classes: 1"),
        ("path,label,split", [*HALVES, "own.csv,1,train"], r"cannot be read: 14 \(own.csv\)"),
        ("path,label", ['"img/0.png,cat'], "no table of text"),
    ],
)  # fmt: skip
def test_tables_that_cannot_be_used(home, table, header, lines, named):
    assert re.search(named, refusal(table(header, lines), home).message)
    assert not list(home.glob("*"))


def test_many_faulty_lines_are_named_by_the_first_few(home, table):
    lines = [f"no/{i}.png,{i % 2}" for i in range(9)]
    message = refusal(table(lines=lines), home).message
    assert "9 lines name pictures that are not there: 2 (no/0.png)" in message
    assert message.endswith("6 (no/4.png), ...")


def test_files_that_are_no_tables(home, table, tmp_path):
    assert refusal(f"csv:{tmp_path / 'none.csv'}", home).code == 3
    table()
    assert f"csv:{tmp_path / 'own.csv'}" in refusal(str(tmp_path / "own.csv"), home).hint
    (tmp_path / "own.csv").write_bytes(b"path,label\n\xff\xfe,cat\n")
    assert "no table of text" in refusal(f"csv:{tmp_path / 'own.csv'}", home).message


def test_pictures_of_two_sizes_and_torn_ones(home, table, tmp_path):
    Image.fromarray(np.zeros((9, 8, 3), np.uint8)).save(tmp_path / "img" / "0.png")
    assert "differ in size" in refusal(table(), home).message
    assert len(open_dataset(table(), home, image_size=8)) == 12
    file = tmp_path / "img" / "3.png"
    file.write_bytes(file.read_bytes()[:100])
    assert "3.png" in refusal(table(), home, image_size=8).message
