"""How many threads a process takes, what it does with freed memory, how it ends."""

from __future__ import annotations

import platform
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cli_kit import clean_environment, python

from deepunlearn_cli.system import machine


def tree(root: Path, **files: str) -> Path:
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def quotas(root: Path, group: str, files: dict[str, str]) -> list[float]:
    tree(root, proc__self__cgroup=group)
    for name, text in files.items():
        path = root / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return list(machine._quotas(root))


@pytest.mark.parametrize(
    ("group", "files", "limits"),
    [
        ("0::/\n", {"cpu.max": "150000 100000\n"}, [1.5]),
        ("0::/\n", {"cpu.max": "max 100000\n"}, []),
        ("0::/a/b\n", {"a/b/cpu.max": "400000 100000\n", "a/cpu.max": "200000 100000\n"}, [4, 2]),
        ("0::/hidden\n", {"cpu.max": "200000 100000\n"}, [2]),
        ("0::/\n", {}, []),
        ("3:cpu,cpuacct:/docker/1f\n2:memory:/docker/1f\n",
         {"cpu/cpu.cfs_quota_us": "50000\n", "cpu/cpu.cfs_period_us": "100000\n"}, [0.5]),
        ("3:cpu:/\n0::/\n", {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, []),
        ("2:cpuset:/\n", {"cpu/cpu.cfs_quota_us": "50000", "cpu/cpu.cfs_period_us": "100000"}, []),
    ],
)  # fmt: skip
def test_container_quotas(tmp_path, group, files, limits) -> None:
    assert quotas(tmp_path, group, files) == limits


@pytest.mark.parametrize(
    ("quota", "physical", "expected"),
    [([1.5], 4, 1), ([0.5], 4, 1), ([], 4, 4), ([8.0, 3.0], 4, 3), ([6.0], 4, 4)],
)
def test_cores_are_the_least_of_what_is_allowed(monkeypatch, quota, physical, expected) -> None:
    monkeypatch.setattr(machine, "_quotas", lambda: iter(quota))
    monkeypatch.setattr(machine, "_physical", lambda: physical)
    assert machine.cores() == expected


def test_two_threads_of_a_core_are_one_core(monkeypatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {0, 1, 2, 3})
    monkeypatch.setattr(
        machine, "_read", lambda path: "0,2\n" if path.parts[-3] in ("cpu0", "cpu2") else "1,3\n"
    )
    assert machine._physical() == 2
    monkeypatch.setattr(machine, "_read", lambda path: "")
    assert machine._physical() == 4


@pytest.mark.parametrize(
    ("asked", "alone", "halved"),
    [
        (None, 6, 3),
        ("4", 8, 3),
        ("1", 8, 1),
        ("16", 8, 3),
        ("2,1", 8, 2),
        ("", 6, 3),
        ("many", 6, 3),
        ("0", 6, 3),
    ],
)
def test_the_users_threads_win_and_jobs_share(monkeypatch, asked, alone, halved) -> None:
    """`alone`: of a torch that would take 8 (it has read OMP_NUM_THREADS itself) on 6 cores."""
    monkeypatch.setattr(machine, "cores", lambda: 6)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if asked is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", asked)
    assert machine.threads(8) == alone
    assert machine.share(2) == halved
    assert machine.share(99) == 1


@pytest.mark.parametrize(
    ("platform", "driver", "expected"),
    [
        ("linux", True, True),
        ("linux", False, False),
        ("darwin", True, False),
        ("win32", False, True),
    ],
)
def test_cuda_needs_its_driver(platform, driver, expected, monkeypatch):
    def load(name):
        if not driver:
            raise OSError(name)

    monkeypatch.setattr(machine.sys, "platform", platform)
    monkeypatch.setattr("ctypes.CDLL", load)
    monkeypatch.setattr(machine.Path, "exists", lambda self: False)
    assert machine.may_have_cuda() == expected


FAULTS = """
import ctypes, resource
from deepunlearn_cli.system import machine
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]
if {kept}:
    machine.keep_freed_memory()

def step():
    blocks = [libc.malloc(2**22) for _ in range(8)]
    for block in blocks:
        ctypes.memset(block, 1, 2**22)
    for block in blocks:
        libc.free(block)

for _ in range(4):
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(4):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the allocator of glibc")
def test_freed_memory_is_used_again_as_it_is():
    pages = 4 * 8 * 2**22 // resource.getpagesize()
    assert int(python(FAULTS.format(kept=False))) > pages / 2
    assert int(python(FAULTS.format(kept=True))) < pages / 100


ENDING = """
import atexit, sys
from deepunlearn_cli.system.machine import leave

class Slow:
    def __del__(self):
        print("freed")

slow = Slow()
atexit.register(print, "cleaned up")
print("worked")
try:
    leave(3)
except SystemExit as end:
    print("not written", file=sys.stderr)
    raise
"""


def ended(**streams: Any) -> subprocess.CompletedProcess[str]:
    """The end of a process whose output is buffered."""
    environment = clean_environment(PYTHONUNBUFFERED="")
    words = [sys.executable, "-c", ENDING]
    return subprocess.run(words, env=environment, stderr=subprocess.PIPE, text=True, check=False, **streams)


def test_a_process_leaves_with_all_it_said_and_frees_nothing():
    left = ended(stdout=subprocess.PIPE)
    assert (left.returncode, left.stdout, left.stderr) == (3, "worked\ncleaned up\n", "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full")
def test_python_tells_that_the_last_words_cannot_be_written():
    with Path("/dev/full").open("w") as full:
        left = ended(stdout=full)
    assert left.returncode not in (0, 3)
    assert left.stderr.startswith("not written")
    assert "No space left on device" in left.stderr
