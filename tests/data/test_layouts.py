"""Folders as people have them: which parts, which classes, what is left out; never a guess."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest
from family_kit import noise, pictures
from PIL import Image

from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.data import Dataset, forget_set, open_dataset, split


@pytest.fixture
def pets(tmp_path) -> Path:
    return tmp_path / "pets"


def fill(folder: Path, *places: str, count: int = 6) -> None:
    for place in places:
        pictures(folder / place, count)


def opened(folder: Path, **asked: object) -> Dataset:
    return open_dataset(f"folder:{folder}", folder.parent / "store" / "data", **asked)  # type: ignore[arg-type]


def refusal(folder: Path, **asked: object) -> UsageFailure:
    with pytest.raises(UsageFailure) as failure:
        opened(folder, **asked)
    assert failure.value.hint
    assert "\n" not in failure.value.message + failure.value.hint
    return failure.value


@pytest.mark.parametrize(
    ("train", "test"), [("Train", "Test"), ("training", "testing"), ("TRAIN_SET", "test-set"), ("trn", "tst")]
)
def test_the_usual_words_in_any_case(pets, train, test):
    fill(pets, f"{train}/cat", f"{train}/dog", f"{test}/cat", f"{test}/dog")
    data = opened(pets)
    assert (data.classes, data.train_size, len(data)) == (("cat", "dog"), 12, 24)
    assert data.paths[0] == f"{train}/cat/0.png"


def test_a_part_that_is_left_out_is_said(pets):
    fill(pets, *(f"{part}/{name}" for part in ("train", "val", "test") for name in ("cat", "dog")))
    (pets / "train" / "readme.txt").write_text("x")
    data = opened(pets)
    assert data.left_out == ("val/ (12 pictures)", "1 .txt (train/readme.txt)")
    assert opened(pets).left_out == data.left_out, "found again too"
    both = opened(pets, split_folders="train+val,test")
    assert (both.train_size, len(both), both.classes) == (24, 36, ("cat", "dog"))
    other = opened(pets, split_folders="train,val")
    assert {path.partition("/")[0] for path in other.paths} == {"train", "val"}
    assert other.left_out[0] == "test/ (12 pictures)"


@pytest.mark.parametrize(
    ("places", "says", "hint"),
    [
        (("train", "test1"), "train is called like a part, and holds pictures but no folders", "--classes"),
        (("PetImages/cat", "PetImages/dog"), "one class only, PetImages", "/pets/PetImages"),
        (("x/train/a", "x/train/b", "x/test/a", "x/test/b"), "one class only, x", "/pets/x"),
        (("cat",), "one class only, cat", "PATH/CLASS"),
        (("train/a", "test/a"), "one class only, a", "PATH/CLASS"),
        (("train/a", "train/b", "val/a", "val/b"), "has train/ but no test/", "--split-folders train,val"),
        (("train/a", "train/b", "training/a", "test/a"), "called like parts", "--split-folders"),
        (("cat", "dog", "val"), "called like parts: cat, dog, val", "--classes cat,dog,val"),
        (("a/cat", "a/dog", "b/cat", "b/dog"), "every folder in .* holds the folders cat, dog", "--classes"),
        (("cat/train", "cat/test", "dog/train", "dog/test"), "holds the folders test, train", "--classes"),
    ],
)  # fmt: skip
def test_layouts_that_leave_a_doubt(pets, places, says, hint):
    fill(pets, *places)
    failure = refusal(pets)
    assert re.search(says, failure.message), failure.message
    assert hint in failure.hint


def test_the_way_out_of_a_doubt_works(pets):
    fill(pets, "car/left", "car/right", "train/left", "train/right")
    data = opened(pets, classes=("train", "car"))
    assert (data.classes, len(data)) == (("train", "car"), 24)
    assert {data.paths[i].partition("/")[0] for i in np.flatnonzero(data.labels == 0)} == {"train"}


@pytest.mark.parametrize(
    ("asked", "says"),
    [("train", "two parts"), ("train,", "two parts"), ("train,train", "two parts"), ("train,tset", "tset")],
)
def test_parts_that_are_not_there(pets, asked, says):
    fill(pets, "train/a", "train/b", "test/a", "test/b")
    assert says in refusal(pets, split_folders=asked).message


def test_a_split_of_folders_is_of_folders(tmp_path):
    with pytest.raises(UsageFailure, match="--split-folders is of folder:PATH"):
        open_dataset("digits", tmp_path, split_folders="train,test")


def test_one_folder_below_every_class_is_no_doubt(pets):
    fill(pets, "train/n01/images", "train/n02/images", "test/n01/images", "test/n02/images")
    assert opened(pets).classes == ("n01", "n02")


# --- what is in a folder besides


def test_dangling_links_are_refused(pets, tmp_path):
    fill(pets, "cat", "dog")
    for number in range(3):
        (pets / "cat" / f"link{number}.png").symlink_to(tmp_path / "gone.png")
    assert "3 links" in refusal(pets).message
    assert "cat/link0.png" in refusal(pets).message
    for link in (pets / "cat").glob("link*"):
        link.unlink()
    (pets / "bird").symlink_to(tmp_path / "gone")
    assert "1 links in" in refusal(pets).message
    assert "lead nowhere: bird" in refusal(pets).message


def test_links_to_pictures_and_classes_are_followed(pets, tmp_path):
    fill(tmp_path / "there", "owl")
    fill(pets, "cat")
    (pets / "owl").symlink_to(tmp_path / "there" / "owl")
    (pets / "cat" / "link.png").symlink_to(tmp_path / "there" / "owl" / "0.png")
    assert len(opened(pets)) == 13


@pytest.mark.parametrize("to", [".", "..", "loop"])
def test_links_round_in_circles_are_refused(pets, to):
    fill(pets, "cat", "dog")
    (pets / "cat" / "loop").symlink_to(to)
    failure = refusal(pets)
    assert "lead nowhere: cat/loop" in failure.message or "in circles: cat/loop" in failure.message


def test_what_pillow_reads_is_read_and_the_rest_is_said(pets):
    fill(pets, "cat", "dog")
    picture = Image.fromarray(noise(8, 8, 3))
    for ending, form in ((".jfif", "JPEG"), (".gif", "GIF"), (".JPE", "JPEG")):
        picture.save(pets / "cat" / f"x{ending}", form)
    for name in ("a.heic", "b.heic", ".hidden.png", "notes.txt", ".DS_Store"):
        (pets / "dog" / name).write_bytes(b"x")
    fill(pets, "cat/@eaDir/0.png", count=2)
    data = opened(pets)
    assert len(data) == 15
    assert data.left_out == (
        "2 .heic (dog/a.heic, dog/b.heic)",
        "1 .txt (dog/notes.txt)",
        "1 hidden (dog/.hidden.png)",
        "2 in @eaDir (cat/@eaDir/0.png/0.png, cat/@eaDir/0.png/1.png)",
    )


def test_all_bad_files_are_named_at_once(pets):
    fill(pets, "cat", "dog")
    for name in ("cat/0.png", "dog/3.png", "dog/5.png"):
        (pets / name).write_bytes((pets / name).read_bytes()[:40])
    message = refusal(pets).message
    assert "3 pictures" in message
    assert all(name in message for name in ("cat/0.png", "dog/3.png", "dog/5.png"))
    for name in ("cat", "dog"):
        for file in (pets / name).iterdir():
            file.write_bytes(b"none")
    assert "12 pictures" in refusal(pets).message


def test_all_pictures_of_another_size_are_counted(pets):
    fill(pets, "cat", "dog")
    pictures(pets / "dog", 2, (9, 8, 3))
    assert "2 pictures differ in size" in refusal(pets).message


def test_pillow_says_nothing(pets, recwarn, capfd):
    fill(pets, "cat", "dog")
    palette = Image.fromarray(noise(8, 8, 3)).convert("P")
    palette.save(pets / "cat" / "p.png", transparency=b"\x00\x80")
    opened(pets)
    assert not recwarn.list
    assert capfd.readouterr() == ("", "")


def test_names_that_are_not_utf8(pets):
    fill(pets, "cat", "dog")
    (pets / "cat" / "0.png").rename(os.fsdecode(os.fsencode(pets / "cat") + b"/caf\xe9.png"))
    data = opened(pets)
    assert len([path for path in data.paths if os.fsencode(path).endswith(b"caf\xe9.png")]) == 1


def test_names_in_two_unicode_forms(pets):
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    fill(pets, f"train/{composed}", "train/tea", f"test/{decomposed}", "test/tea")
    data = opened(pets)
    assert data.classes == (composed, "tea")
    parts = split(data, 0)
    assert len(forget_set(f"class:{decomposed}", data, parts)) == 6
    listed = pets.parent / "list.txt"
    listed.write_text(f"train/{decomposed}/0.png\n")
    assert len(forget_set(f"indices:{listed}", data, parts)) == 1


def test_two_classes_that_look_the_same(pets):
    fill(pets, "caf\u00e9", "cafe\u0301", "tea")
    assert "Unicode form only" in refusal(pets).message


def test_a_class_whose_only_picture_is_drawn_for_the_test_part(pets):
    size = next(n for n in range(20, 99) if n - 1 in np.random.default_rng(123).permutation(n)[: n // 5])
    fill(pets, "a", count=size - 1 - 8)
    fill(pets, "b", count=8)
    fill(pets, "c", count=1)
    said = "1 classes have no training pictures (all that they have were drawn for the test part): c"
    assert said in refusal(pets).message
    fill(pets, "c", count=30)
    assert opened(pets).classes == ("a", "b", "c")


# --- whose order


def listed(folder: Path, data: Dataset, *numbers: int) -> list[str]:
    file = folder.parent / "list.txt"
    file.write_text("".join(f"{number}\n" for number in numbers))
    forget = forget_set(f"indices:{file}", data, split(data, 0))
    return sorted(data.paths[index] for index in forget.indices) if data.paths else forget.indices.tolist()


def test_numbers_are_imagefolders(pets):
    from torchvision.datasets import ImageFolder

    fill(pets, "a", "a-b", "b/deep", "b", count=7)
    data, theirs = opened(pets), ImageFolder(str(pets))
    own = [str(Path(path).relative_to(pets)) for path, _ in theirs.samples]
    assert sorted(data.paths) == sorted(own)
    trained = [number for number, path in enumerate(own) if data.paths.index(path) < data.train_size]
    chosen = trained[3:9]
    assert listed(pets, data, *chosen) == sorted(own[number] for number in chosen)
    assert [data.number_of(data.paths.index(path)) for path in own] == list(range(len(own)))
    again = opened(pets)
    assert (again.numbers, again.uncounted) == (data.numbers, data.uncounted)


def test_a_number_in_the_drawn_test_part_is_refused_as_typed(pets):
    fill(pets, "a", "b", count=10)
    data = opened(pets)
    number = data.number_of(len(data) - 1)
    with pytest.raises(UsageFailure, match=rf"of the test part.*: {number} .1 entry"):
        listed(pets, data, number)


def test_where_imagefolder_would_count_others_paths_are_asked_for(pets):
    fill(pets, "a", "b", count=10)
    (pets / "a" / ".hidden.png").write_bytes((pets / "a" / "0.png").read_bytes())
    data = opened(pets)
    with pytest.raises(UsageFailure, match="numbers do not say which picture") as failure:
        listed(pets, data, 3)
    assert "name paths, such as" in failure.value.hint


def test_numbers_of_an_array_are_its_positions(tmp_path):
    x, y = noise(30, 8, 8), np.arange(30) % 3
    np.savez(tmp_path / "own.npz", x_train=x, y_train=y)
    data = open_dataset(f"npz:{tmp_path / 'own.npz'}", tmp_path / "data")
    for number in range(30):
        index = data.by_number[number]
        assert np.array_equal(data.images[index, ..., 0], x[number])
        assert data.number_of(index) == number


def test_numbers_of_a_table_are_its_lines(tmp_path):
    fill(tmp_path, "img", count=12)
    lines = [f"img/{i}.png,{i % 2}" for i in range(12)]
    (tmp_path / "own.csv").write_text("\n".join(["path,label", *lines]))
    data = open_dataset(f"csv:{tmp_path / 'own.csv'}", tmp_path / "data")
    assert [data.paths[data.by_number[n]] for n in range(12)] == [f"img/{n}.png" for n in range(12)]
    parts = ["test" if i % 3 == 0 else "train" for i in range(12)]
    lines = [f"{line},{part}" for line, part in zip(lines, parts, strict=True)]
    (tmp_path / "own.csv").write_text("\n".join(["path,label,split", *lines]))
    assert "mixed" in open_dataset(f"csv:{tmp_path / 'own.csv'}", tmp_path / "data").uncounted


# --- how pictures are read: as torchvision's loader does


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "CMYK", "1", "gif", "exif"])
def test_pictures_are_read_as_torchvision_reads_them(pets, mode):
    from torchvision.datasets.folder import pil_loader

    fill(pets, "cat", "dog")
    picture = Image.fromarray(noise(8, 8, 3))
    file = pets / "cat" / "x.png"
    if mode == "CMYK":
        file = file.with_suffix(".jpg")
        picture.convert("CMYK").save(file)
    elif mode == "gif":
        file = file.with_suffix(".gif")
        picture.save(file, save_all=True, append_images=[Image.fromarray(noise(8, 8, 3))])
    elif mode == "exif":
        file = file.with_suffix(".jpg")
        exif = Image.Exif()
        exif[0x0112] = 6  # turn by 90 degrees
        picture.save(file, exif=exif)
    else:
        picture.convert("RGBA" if mode == "RGBA" else mode).save(file)
    data = opened(pets)
    index = data.paths.index(f"cat/{file.name}")
    assert np.array_equal(data.images[index], np.asarray(pil_loader(str(file))))
