"""What can happen to a command: each of these has one run under it, and says in the history what it did."""

from __future__ import annotations

import importlib
import os
import pkgutil
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from cli_kit import Child, Said, call, clean_environment
from hostile import bad_words
from round_kit import MAKING, READING, SECONDS, Scene, check_gone, check_said, commands, made_from, members

import deepunlearn_cli

NUMBERS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
GENTLE = NUMBERS[1:]
USER = 54321  # another user, whom nobody need know


def signals(at: Scene) -> None:
    """A signal at any moment, or two within 30 ms; what was going on completes when it is said again."""
    _name, words = _one(at, MAKING)
    number, again = at.rng.choice(NUMBERS), at.rng.random() < 0.4
    child = at.start(*words)
    _until_it_hears(child.process.pid or 0)
    time.sleep(at.rng.uniform(0, 2.5))
    _send(at, child.process.pid, number)
    if again:
        time.sleep(at.rng.uniform(0, 0.03))
        _send(at, child.process.pid, at.rng.choice(GENTLE))
    said = child.wait(SECONDS)
    _ended_by_signal(at, child, said)
    at.verify()
    at.ok(*words)


def worker(at: Scene) -> None:
    """A worker process that dies: its run is told, and the others are made."""
    words = commands(at)["unlearn"]
    child = at.start(*words)
    end = time.monotonic() + at.rng.uniform(0.5, 4)
    while time.monotonic() < end and child.process.is_alive():
        time.sleep(0.05)
    others = [pid for pid in members(child.process.pid or 0) if pid != child.process.pid]
    if others:
        _send(at, at.rng.choice(others), at.rng.choice([signal.SIGKILL, signal.SIGTERM]))
    said = child.wait(SECONDS)
    at.check_end(child, said)
    assert said.code in (0, 6), at.tell(said)
    at.verify()
    at.ok(*words)


def pruning(at: Scene) -> None:
    """A prune that is killed: what it named is there whole or gone, and the same prune finishes."""
    names = [run.name for run in at.rng.sample([run for run in at.runs if run.name != at.original], 3)]
    names += sorted(made_from(at, names))
    at.given_up |= {*names}
    child = at.start("prune", *names, "--yes")
    _until_it_hears(child.process.pid or 0)
    time.sleep(at.rng.uniform(0, 0.6))
    _send(at, child.process.pid, at.rng.choice(NUMBERS))
    _ended_by_signal(at, child, child.wait(SECONDS))
    at.verify()
    if left := [run.name for run in at.runs if run.name in names]:
        at.ok("prune", *left, "--leftovers", "--yes")
    at.verify()
    at.ok("bench", at.home / "plan.toml")


def start_up(at: Scene) -> None:
    """A signal while the program loads: a process of its own, not forked from one that has loaded."""
    _, words = _one(at, ("runs", "train", "rank", "unlearn"))
    line = [sys.executable, "-m", "deepunlearn_cli", *map(str, words), "--store", str(at.store)]
    at.history.append(" ".join(line))
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(
        line, env=clean_environment(), cwd=at.home, text=True, start_new_session=True, **streams
    ) as child:
        _until_it_hears(child.pid)
        time.sleep(at.rng.uniform(0, 1.2))
        for _ in range(at.rng.choice([1, 2, 5])):
            _send(at, child.pid, number := at.rng.choice(GENTLE))
            time.sleep(at.rng.uniform(0, 0.01))
        out, err = child.communicate(timeout=SECONDS)
    said = Said(child.returncode, out, err)
    assert said.code in (0, 129, 130, 143), at.tell((number, said))
    check_said(said, at.tell(said))
    check_gone(child.pid, at.tell(said))
    at.verify()
    at.ok(*words)


def bad_input(at: Scene) -> None:
    """Something that nobody meant: told in one line, the store is as sound as before, and no pickle was executed."""
    for _ in range(4):
        words = bad_words(at.rng, at.home, at.original)
        said = at(*words)
        assert said.code in (0, 2, 3, 6), at.tell(said)
        assert not (at.home / "bang").exists(), at.tell("a pickle was executed")
    at.verify()
    at.ok(*_one(at, READING)[1])


def streams(at: Scene) -> None:
    """A stream that is closed, full, or that nobody reads any more."""
    _name, words = _one(at, ("runs", "rank", "report", "train", "unlearn", "attack"))
    broken = at.rng.choice(["<&-", ">&-", "2>&-", "<&- >&- 2>&-", "2>/dev/full", ">/dev/full", "0>IN"])
    line = " ".join(
        [sys.executable, "-m deepunlearn_cli", *(f"'{word}'" for word in words), "--store", str(at.store)]
    )
    line = at.rng.choice([f"{line} {broken}", f"{line} | head -c 1", f"{line} 2> >(head -c 1 >&2)"])
    at.history.append(line)
    with subprocess.Popen(
        ["bash", "-c", line], env=clean_environment(PYTHONIOENCODING=at.rng.choice(["ascii", "latin-1", "utf-8"])),
        cwd=at.home, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    ) as child:  # fmt: skip
        out, err = child.communicate(timeout=SECONDS)
    said = Said(child.returncode, out, err)
    check_gone(child.pid, at.tell(said))
    check_said(said, at.tell(said), unwritten="/dev/full" in line)
    assert said.code in (0, 1), at.tell(said)
    at.verify()
    at.ok(*words)


def other_user(at: Scene) -> None:
    """Another user, who may read and not write: what reads is served, what makes is refused in one line."""
    for _ in range(2):
        _, words = _one(at, READING)
        said = at(*words, at_first=partial(_become_another, words, at.store))
        assert said.code == 0 or "--out" in map(str, words), at.tell(said)
    before = _listing(at.store)
    words = _one(at, MAKING)[1]
    said = at(*words, at_first=partial(_become_another, ("runs",), at.store))
    assert said.code in (0, 2, 6), at.tell(said)
    assert _listing(at.store) == before, at.tell(said)
    at.verify()


def full_disk(at: Scene) -> None:
    """A disk that has no room for what is asked: one line; with room the same command completes."""
    _, words = _one(at, ("train", "train --out", "unlearn", "unlearn FILE", "attack", "sweep", "export"))
    with _disk(at, at.rng.randrange(0, 900_000)) as grow:
        before = at.sealed()
        child = at.start(*words)
        said = child.wait(SECONDS)
        at.check_end(child, said, unwritten=True)
        assert said.code in (0, 1, 2, 6), at.tell(said)
        at.check_kept(before)
        grow()
        at.verify()
        at.ok(*words)
        at.check_kept(before)


def _one(at: Scene, names: tuple[str, ...]) -> tuple[str, tuple[object, ...]]:
    name = at.rng.choice(names)
    return name, commands(at)[name]


def _send(at: Scene, pid: int | None, number: int) -> None:
    at.history.append(f"# {signal.Signals(number).name} to {pid}")
    with suppress(ProcessLookupError):
        os.kill(pid or 0, number)


def _ended_by_signal(at: Scene, child: Child, said: Said) -> None:
    assert said.code in (0, -signal.SIGKILL, 129, 130, 143), at.tell(said)
    at.check_end(child, said)


def _until_it_hears(pid: int) -> None:
    """Until a process has a handler for SIGHUP: before that the interpreter itself has not started."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        with suppress(OSError):
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
            caught = next((line.split()[1] for line in lines if line.startswith("SigCgt")), "0")
            if int(caught, 16) >> (signal.SIGHUP - 1) & 1:
                return
        time.sleep(0.002)


def _become_another(words: tuple[object, ...], store: Path) -> None:
    """Be another user, to whom the interpreter's own files may be closed: what the words take is loaded before."""
    call(*words, "--store", store)
    "".encode("cp437")  # as names in a zip file may be
    importlib.import_module("importlib.readers")  # as files of a package are found
    for module in pkgutil.walk_packages(deepunlearn_cli.__path__, "deepunlearn_cli."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    os.setgroups([])
    os.setgid(USER)
    os.setuid(USER)


def _listing(store: Path) -> dict[str, int]:
    files = (path for path in store.rglob("*") if path.is_file() and "index.sqlite" not in path.name)
    return {str(path): path.stat().st_mtime_ns for path in files}


@contextmanager
def _disk(at: Scene, spare: int) -> Iterator[Callable[[], None]]:
    """The store on a disk with so many bytes to spare; gives what makes it large."""
    at.history.append(f"# a disk with {spare:,} bytes to spare")
    aside = at.home / "aside"
    at.store.rename(aside)
    at.store.mkdir()
    _mount("-t", "tmpfs", "-o", "size=64m", "tmpfs", str(at.store))
    try:
        shutil.copytree(aside, at.store, dirs_exist_ok=True)
        size = shutil.disk_usage(at.store).used + spare
        _mount("-o", f"remount,size={size}", str(at.store))
        yield lambda: _mount("-o", "remount,size=64m", str(at.store))
    finally:
        subprocess.run(["umount", "-l", str(at.store)], check=True)
        at.store.rmdir()
        aside.rename(at.store)


def _mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True, capture_output=True)


def can_mount(folder: Path) -> bool:
    """Whether this user may mount a disk of memory."""
    folder.mkdir()
    try:
        _mount("-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder))
        subprocess.run(["umount", str(folder)], check=True)
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


def is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0
