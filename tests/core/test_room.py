"""Full disks: room is taken before it is used, and what is missing is said in one line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from cli_kit import TRAIN, call

from deepunlearn_cli.core.room import DiskFull, full, is_full, reserve, room_for


@pytest.fixture
def small(tmp_path):
    """A disk of 1 MiB, where the system lets us have one."""
    place = tmp_path / "small"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(place)]
    if sys.platform != "linux" or os.getuid() or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("no disk can be mounted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk_is_known_behind_other_exceptions():
    error = RuntimeError("file write failed")
    error.__cause__ = OSError(28, "No space left on device")
    assert is_full(error)
    assert is_full(ValueError("I/O error: No space left on device (os error 28)"))
    assert not is_full(OSError(13, "Permission denied"))


def test_the_path_and_the_bytes_are_named():
    with (
        pytest.raises(DiskFull, match=r"no room for .*x: it needs 1,234 bytes") as caught,
        room_for(Path("x"), 1234),
    ):
        raise OSError(28, "No space left on device")
    assert caught.value.code == 1


def test_room_is_kept_before_it_is_written_to(tmp_path):
    file = tmp_path / "sparse"
    with file.open("wb") as made:
        made.write(b"head")
        made.truncate(1 << 20)
    assert file.stat().st_blocks * 512 < 1 << 20
    reserve(file)
    assert file.stat().st_blocks * 512 >= 1 << 20
    assert file.read_bytes()[:5] == b"head\0"


def test_room_that_there_is_not_is_refused(small):
    file = small / "sparse"
    with file.open("wb") as made:
        made.truncate(8 << 20)
    with pytest.raises(OSError, match="No space"):
        reserve(file)


@pytest.mark.parametrize("free", [0, 4096, 100_000, 400_000])
def test_a_command_on_a_full_disk_says_so_in_one_line(small, free, monkeypatch):
    monkeypatch.setattr("deepunlearn_cli.data._cache.SPARE", 0)
    usage = os.statvfs(small)
    (small / "filler").write_bytes(b"x" * max(0, usage.f_bavail * usage.f_frsize - free))
    said = call(*TRAIN, "--store", small / "store")
    assert said.code == 1
    error, hint = said.err.strip().splitlines()[-2:]
    assert str(small) in error
    assert "bytes" in error
    assert "report it" not in hint
    assert not list(small.rglob(".staging-*"))


def test_a_disk_without_room_for_another_file_says_so(tmp_path, monkeypatch):
    real = os.statvfs(tmp_path)
    none = os.statvfs_result([*real[:5], 100, 0, 0, *real[8:]])
    monkeypatch.setattr(os, "statvfs", lambda _: none)
    said = full(tmp_path / "no" / "x", 10).message
    assert "needs 10 bytes" in said
    assert "none of the disk's 100 files" in said


def test_a_limit_to_the_size_of_files_is_told(tmp_path, monkeypatch):
    import resource

    monkeypatch.setattr(resource, "getrlimit", lambda _: (1000, 1000))
    said = r"needs 5,000 bytes.*a file may have 1,000"
    with pytest.raises(DiskFull, match=said), room_for(tmp_path / "x", 5000):
        raise RuntimeError("I/O error: File too large (os error 27)")
