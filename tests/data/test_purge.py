"""Purged pictures: no byte of them is left, the rest is as it was, and they do not come back."""

import os
import re
import shutil
import signal
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from store_kit import FORK

from deepunlearn_cli import data
from deepunlearn_cli.core.errors import StoreCorrupt, UsageFailure
from deepunlearn_cli.data import _cache, _purge, _readers
from deepunlearn_cli.data._digests import digests_of

ABOUT = {"request": "4711", "at": "2026-01-01T00:00:00Z"}
RNG = np.random.default_rng(7)
RUN = 64  # bytes


@pytest.fixture
def home(tmp_path):
    return tmp_path / "store" / "data"


def pets(folder: Path, count: int = 10) -> str:
    for name in "ab":
        (folder / name).mkdir(parents=True)
        for number in range(count):
            save(folder / name / f"{name}{number}.png")
    return f"folder:{folder}"


def save(path: Path, shape=(12, 12, 3)) -> None:
    Image.fromarray(RNG.integers(0, 256, shape, dtype=np.uint8)).save(path)


def contents(root: Path) -> dict[str, bytes]:
    """Every file below a folder, and what is inside of archives."""
    found = {}
    for path in root.rglob("*"):
        if path.is_file():
            found[str(path)] = path.read_bytes()
            if zipfile.is_zipfile(path):
                with zipfile.ZipFile(path) as archive:
                    found |= {f"{path}!{name}": archive.read(name) for name in archive.namelist()}
    return found


def holding(root: Path, pictures, run: int = RUN) -> list[str]:
    """Files below a folder that hold `run` bytes in a row of one of these pictures."""
    wanted = set()
    for picture in pictures:
        raw = picture.tobytes()
        half = run // 2
        wanted |= {raw[start : start + half] for start in range(0, len(raw) - half + 1, half)}
    pattern = re.compile(b"|".join(map(re.escape, sorted(wanted))), re.DOTALL)
    return sorted(name for name, content in contents(root).items() if pattern.search(content))


def purged(home, fingerprint, indices, **options):
    planned = data.erasures(home, fingerprint, indices, **options)
    return data.purge(home, planned, data.FAMILIES.residents(), ABOUT)


def test_no_byte_is_left_and_the_rest_is_as_it_was(home, tmp_path):
    spec = pets(tmp_path / "pets")
    before = data.open_dataset(spec, home)
    gone = [1, 5, 11]
    deleted, rest = before.images[gone].copy(), np.delete(np.array(before.images), gone, axis=0)
    names = [before.paths[index] for index in gone]
    digests_of(before)
    assert holding(tmp_path / "store", deleted)
    erased = purged(home, before.fingerprint, gone)
    assert erased.pictures == {before.fingerprint: 3}
    assert erased.locked
    assert holding(tmp_path / "store", deleted) == []
    every = contents(tmp_path / "store")
    assert not [name for name in names for content in every.values() if name.encode() in content]
    after = data.load_dataset(before.fingerprint, home)
    assert after.purged.tolist() == gone
    assert not after.images[gone].any()
    assert np.array_equal(np.delete(np.array(after.images), gone, axis=0), rest)
    assert np.array_equal(after.labels, before.labels)
    assert (after.mean, after.std) == (before.mean, before.std)
    assert list(data.differences(home)) == []


@pytest.mark.parametrize("index", [0, 1, 11])
def test_a_flipped_byte_is_found_in_what_is_left_and_in_what_is_blank(home, tmp_path, index):
    before = data.open_dataset(pets(tmp_path / "pets"), home)
    purged(home, before.fingerprint, [1, 5])
    path = home / before.fingerprint / "images.npy"
    times = path.stat()
    content = bytearray(path.read_bytes())
    content[len(content) - before.images.nbytes + index * before.images[0].nbytes + 7] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert before.fingerprint in [where for where, _, _ in data.differences(home)]


def test_the_source_that_still_holds_them_gives_blanks(home, tmp_path):
    spec = pets(tmp_path / "pets")
    before = data.open_dataset(spec, home)
    deleted = before.images[[2]].copy()
    purged(home, before.fingerprint, [2])
    again = data.open_dataset(spec, home)
    assert (again.fingerprint, again.purged.tolist()) == (before.fingerprint, [2])
    shutil.rmtree(home / "sources")  # decoded anew
    shutil.rmtree(home / before.fingerprint)
    again = data.open_dataset(spec, home)
    assert (again.fingerprint, again.purged.tolist()) == (before.fingerprint, [2])
    assert holding(tmp_path / "store", deleted) == []
    assert list(data.differences(home)) == []


def test_another_picture_beside_them_does_not_bring_them_back(home, tmp_path):
    spec = pets(tmp_path / "pets")
    before = data.open_dataset(spec, home)
    deleted, name = before.images[[2]].copy(), before.paths[2]
    purged(home, before.fingerprint, [2])
    save(tmp_path / "pets" / "a" / "new.png")
    more = data.open_dataset(spec, home)
    assert more.fingerprint != before.fingerprint
    assert len(more.purged) == 1
    assert holding(tmp_path / "store", deleted) == []
    (tmp_path / "pets" / name).unlink()
    less = data.open_dataset(spec, home)
    assert len(less.purged) == 0
    assert len(less) == len(more) - 1
    assert list(data.differences(home)) == []


def test_other_sizes_go_too_and_stay_away(home, tmp_path):
    spec = pets(tmp_path / "pets")
    small = data.open_dataset(spec, home)
    large = data.open_dataset(spec, home, image_size=24)
    name = small.paths[4]
    there = large.paths.index(name)
    deleted = large.images[[there]].copy()
    erased = purged(home, small.fingerprint, [4])
    assert erased.pictures == {small.fingerprint: 1, large.fingerprint: 1}
    assert holding(tmp_path / "store", deleted) == []
    huge = data.open_dataset(spec, home, image_size=30)
    assert huge.purged.tolist() == [there]


def test_another_picture_under_the_name_of_one_that_was_purged_is_taken(home, tmp_path):
    spec = pets(tmp_path / "pets")
    before = data.open_dataset(spec, home)
    name = before.paths[4]
    purged(home, before.fingerprint, [4])
    save(tmp_path / "pets" / name)
    assert len(data.open_dataset(spec, home).purged) == 0


def test_arrays_are_known_by_their_numbers(home, tmp_path):
    images, labels = RNG.integers(0, 256, (40, 9, 9), dtype=np.uint8), np.arange(40) % 2
    np.savez(tmp_path / "scans.npz", x_train=images, y_train=labels)
    spec = f"npz:{tmp_path / 'scans.npz'}"
    before = data.open_dataset(spec, home)
    number = before.number_of(3)
    purged(home, before.fingerprint, [3])
    other = data.open_dataset(spec, home, image_size=18)
    assert [other.number_of(index) for index in other.purged] == [number]


def test_equal_pictures_are_told_and_go_if_asked(home, tmp_path):
    spec = pets(tmp_path / "pets")
    shutil.copy(tmp_path / "pets/a/a1.png", tmp_path / "pets/a/twin.png")
    before = data.open_dataset(spec, home)
    one, twin = before.paths.index("a/a1.png"), before.paths.index("a/twin.png")
    (planned,) = data.erasures(home, before.fingerprint, [one])
    assert (planned.indices, planned.twins) == ((one,), (twin,))
    (planned,) = data.erasures(home, before.fingerprint, [one], with_duplicates=True)
    assert (planned.indices, planned.twins) == (tuple(sorted((one, twin))), ())
    assert planned.size == 2 * before.images[0].nbytes


def test_a_second_purge_keeps_the_first(home, tmp_path):
    before = data.open_dataset(pets(tmp_path / "pets"), home)
    deleted = before.images[[2, 9]].copy()
    purged(home, before.fingerprint, [2])
    (planned,) = data.erasures(home, before.fingerprint, [2, 9])
    assert (planned.indices, planned.gone) == ((2, 9), (2,))
    purged(home, before.fingerprint, [2, 9])
    assert data.load_dataset(before.fingerprint, home).purged.tolist() == [2, 9]
    assert holding(tmp_path / "store", deleted) == []
    requests = data.read_record(home).datasets[before.fingerprint].requests
    assert [one["count"] for one in requests] == [1, 1]


def test_a_claim_still_finds_the_places_of_what_was_purged(home, tmp_path):
    before = data.open_dataset(pets(tmp_path / "pets"), home)
    split = data.split(before)
    forget = data.forget_from("mine", split.train[:3].tolist(), before, split)
    claim = data.claim_of(forget, before)
    purged(home, before.fingerprint, forget.indices)
    located = data.locate(claim, data.load_dataset(before.fingerprint, home))
    assert (sorted(located.indices), located.missing) == (forget.indices.tolist(), [])
    assert data.twins(forget, data.load_dataset(before.fingerprint, home)) == []


STEPS = ("write_record", "_zeroed", "flush", "write_atomically", "raw_files", "remove_left")


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("after", [False, True])
def test_killed_anywhere_it_ends_the_next_time(home, tmp_path, step, after):
    spec = pets(tmp_path / "pets")
    before = data.open_dataset(spec, home)
    data.open_dataset(spec, home, image_size=24)
    deleted, fingerprint = before.images[[1, 5]].copy(), before.fingerprint
    del before

    def killed() -> None:
        real = getattr(_purge, step)

        def dying(*given, **named):
            done = real(*given, **named) if after else None
            os.kill(os.getpid(), signal.SIGKILL)
            return done

        setattr(_purge, step, dying)
        purged(home, fingerprint, [1, 5])

    process = FORK.Process(target=killed)
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    found = [what for _, what, _ in data.differences(home)]
    assert all("purge" in what for what in found), found
    purged(home, fingerprint, [1, 5])
    assert list(data.differences(home)) == []
    assert holding(tmp_path / "store", deleted) == []
    assert data.load_dataset(fingerprint, home).purged.tolist() == [1, 5]
    assert not [path for path in home.rglob("*") if ".staging-" in path.name]


def test_it_waits_for_nobody_who_reads(home, tmp_path):
    fingerprint = data.open_dataset(pets(tmp_path / "pets"), home).fingerprint
    ready, done = FORK.Event(), FORK.Event()

    def reading() -> None:
        _readers._open.clear()
        mapped = data.load_dataset(fingerprint, home)
        ready.set()
        done.wait(60)
        assert mapped.images[1].any()

    process = FORK.Process(target=reading)
    process.start()
    assert ready.wait(60)
    planned = data.erasures(home, fingerprint, [1])
    with pytest.raises(UsageFailure, match="in use by a command that runs"):
        data.purge(home, planned, {}, ABOUT)
    assert data.read_record(home) is None
    done.set()
    process.join(60)
    assert process.exitcode == 0
    assert data.purge(home, planned, {}, ABOUT).pictures == {fingerprint: 1}


def test_readers_leave_with_their_pictures(home, tmp_path):
    dataset = data.open_dataset(pets(tmp_path / "pets"), home)
    path = str(home / dataset.fingerprint / "images.npy")
    assert len(_readers._open[path]) == 1
    part = dataset.images[2:4]
    del dataset
    assert len(_readers._open[path]) == 1
    del part
    assert not _readers._open[path]


def test_a_reader_that_left_takes_no_lock_of_another_with_it(home, tmp_path):
    dataset = data.open_dataset(pets(tmp_path / "pets"), home)
    path = home / dataset.fingerprint / "images.npy"
    with _readers.alone(path):
        pass  # what this process had mapped counts no longer, and its descriptor's number is given anew
    later = data.load_dataset(dataset.fingerprint, home)
    del dataset
    assert len(_readers._open[str(path)]) == 1

    def erasing() -> None:
        _readers._open.clear()
        with pytest.raises(UsageFailure), _readers.alone(path):
            pass

    process = FORK.Process(target=erasing)
    process.start()
    process.join(60)
    assert process.exitcode == 0, "the second reader still holds its lock"
    assert later.images[1].any()


def test_what_is_damaged_is_not_rewritten(home, tmp_path):
    before = data.open_dataset(pets(tmp_path / "pets"), home)
    planned = data.erasures(home, before.fingerprint, [1])
    with (home / before.fingerprint / "images.npy").open("r+b") as file:
        file.seek(-5, os.SEEK_END)
        file.write(b"\0\1\2\3\4")
    with pytest.raises(StoreCorrupt):
        data.purge(home, planned, {}, ABOUT)
    assert data.read_record(home) is None


def test_a_damaged_record_stops_every_reader(home, tmp_path):
    before = data.open_dataset(pets(tmp_path / "pets"), home)
    purged(home, before.fingerprint, [1])
    (home / "purged.json").write_text((home / "purged.json").read_text().replace("[1]", "[2]"))
    with pytest.raises(StoreCorrupt, match="record of purged pictures"):
        data.load_dataset(before.fingerprint, home)
    assert [where for where, _, _ in data.differences(home)] == ["purged.json"]
    (home / "purged.json").unlink()
    with pytest.raises(StoreCorrupt):
        data.load_dataset(before.fingerprint, home)


def test_what_is_being_decoded_meanwhile_does_not_bring_them_back(home, tmp_path):
    spec = pets(tmp_path / "pets")
    before = data.open_dataset(spec, home)
    fingerprint, deleted = before.fingerprint, before.images[[4]].copy()
    (home / "sources").rename(home / "old")  # as if nobody had decoded it yet
    del before
    decoded, go = FORK.Event(), FORK.Event()

    def decoding() -> None:
        real = _cache.hold

        def late(*given):
            decoded.set()
            go.wait(60)
            return real(*given)

        _cache.hold = late
        assert data.open_dataset(spec, home, image_size=24).purged.tolist() == [4]
        assert data.open_dataset(spec, home).purged.tolist() == [4]

    process = FORK.Process(target=decoding)
    process.start()
    assert decoded.wait(60)
    (home / "old").rename(home / "sources")
    purged(home, fingerprint, [4])
    go.set()
    process.join(60)
    assert process.exitcode == 0
    assert holding(tmp_path / "store", deleted) == []
    assert list(data.differences(home)) == []


def test_raw_files_of_public_datasets_go(home, monkeypatch):
    from deepunlearn_cli.data.mnist import Mnist

    monkeypatch.delenv("DEEPUNLEARN_DATA", raising=False)
    images = RNG.integers(0, 256, (20, 28, 28), dtype=np.uint8)
    mnist(home / "raw" / "MNIST" / "raw", images)
    dataset = data.open_dataset("mnist", home, offline=True)
    deleted = images[[3]]
    assert holding(home, deleted)
    assert len(Mnist("", home / "raw").files_of(lambda _: True)) == 4
    erased = purged(home, dataset.fingerprint, [3, 23])
    assert len(erased.files) == 4
    assert holding(home, deleted) == []
    assert data.open_dataset("mnist", home, offline=True).purged.tolist() == [3, 23]
    mnist(home / "raw" / "MNIST" / "raw", images)  # somebody gets them again
    assert data.open_dataset("mnist", home, image_size=14, offline=True).purged.tolist() == [3, 23]
    assert holding(home, deleted) == []


def mnist(raw, images):
    """The public dataset's files, with these pictures in both parts."""
    raw.mkdir(parents=True, exist_ok=True)
    for part in ("train", "t10k"):
        head = np.array([0x803, 20, 28, 28], dtype=">i4").tobytes()
        (raw / f"{part}-images-idx3-ubyte").write_bytes(head + images.tobytes())
        labels = np.array([0x801, 20], dtype=">i4").tobytes() + bytes(i % 10 for i in range(20))
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(labels)
