"""Streams that are closed, full or of another encoding; signals in a burst and during start-up."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from cli_kit import LONG, TRAIN, bench, clean_environment, on_terminal, refused, running, until
from store_kit import put

from deepunlearn_cli.store import Store

COMMAND = [sys.executable, "-m", "deepunlearn_cli"]


def shell(words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    line = f"{sys.executable} -m deepunlearn_cli {words}"
    return subprocess.run(
        ["bash", "-c", line], env=clean_environment(**environment), capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-", "2>/dev/full"])
def test_a_missing_stream_counts_as_a_pipe(closed):
    said = shell(f"attacks {closed}")
    assert (said.returncode, said.stderr) == (0, "")


def test_ids_from_a_stdin_that_is_closed_are_none(tmp_path):
    said = shell(f"attack umia - --store {tmp_path / 'store'} <&-")
    assert said.returncode == 2
    assert "no run id or checkpoint was given" in said.stderr


def test_a_stdin_that_cannot_be_read_is_told(tmp_path):
    said = shell(f"attack umia - --store {tmp_path / 'store'} 0> {tmp_path / 'file'}")
    assert said.returncode == 2
    assert [line.split(":")[0] for line in said.stderr.splitlines()] == ["error", "hint"]
    assert "stdin cannot be read" in said.stderr


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_json_is_json_in_any_encoding(tmp_path, encoding):
    name = "npz:caf\u00e9 \u6570\u636e \N{GRINNING FACE} \x7f"
    put(Store.open(tmp_path / "store", create=True), labels={"dataset": name, "forget": "random:0.1"})
    said = shell(f"runs --json --store {tmp_path / 'store'}", PYTHONIOENCODING=encoding)
    (row,) = [json.loads(line) for line in said.stdout.splitlines()]
    assert (said.returncode, row["dataset"]) == (0, name)


@pytest.mark.slow
def test_a_dumb_terminal_gets_plain_text(tmp_path):
    words = (*TRAIN[:-1], "epochs=20", "--store", str(tmp_path / "store"))
    code, out, err = on_terminal(*words, cwd=tmp_path, term="dumb")
    assert code == 0
    assert "result" in out
    assert "\x1b" not in out + err


@pytest.mark.parametrize("words", ["attacks", "--help", "train -h", "--version", ""])
def test_a_reader_that_has_left_is_no_failure(words):
    said = shell(f"{words} | true; exit ${{PIPESTATUS[0]}}")
    assert (said.returncode, said.stderr) == (0, "")


@pytest.mark.parametrize("words", ["attacks", "--help", "--version"])
def test_a_full_stdout_is_told_in_one_line(words):
    said = shell(f"{words} > /dev/full")
    assert said.returncode == 1
    assert [line.split(":")[0] for line in said.stderr.splitlines()] == ["error", "hint"]
    assert "stdout cannot be written" in said.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_during_start_up_says_nothing(number):
    for wait in (0, 0.02, 0.08):
        with subprocess.Popen([*COMMAND, "methods"], env=clean_environment(), stdout=-1, stderr=-1) as child:
            until(lambda: catches(child.pid, signal.SIGHUP))
            time.sleep(wait)
            os.kill(child.pid, number)
            _, err = child.communicate(timeout=60)
        assert child.returncode in (0, 128 + number), err
        assert b"Traceback" not in err, err


def catches(pid: int, number: int) -> bool:
    """Whether a process has a handler for a signal (Linux)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    caught = next((line.split()[1] for line in lines if line.startswith("SigCgt")), "0")
    return bool(int(caught, 16) >> (number - 1) & 1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_burst_of_one_signal_is_one(tmp_path, number):
    store = tmp_path / "store"
    with running(*LONG, "--store", store, cwd=tmp_path) as child:
        until(lambda: list(store.glob("runs/*/.*.lock")))
        time.sleep(0.3)
        with suppress(ProcessLookupError):  # it may be gone before the last
            for _ in range(12):
                child.send(number)
                time.sleep(0.002)
        said = child.wait()
    assert said.code == 128 + number, said
    assert "Traceback" not in said.err
    assert not list(store.glob("runs/*/.*")), "something was left behind"


def test_a_hang_up_ends_the_workers_too(tmp_path):
    store = tmp_path / "store"
    with running(*LONG, "--seeds", "0-3", "--jobs", "2", "--store", store, cwd=tmp_path) as child:
        until(lambda: len(list(store.glob("runs/*/.*.lock"))) == 2)
        workers = below(child.process.pid)
        assert len(workers) >= 2
        child.send(signal.SIGHUP)
        said = child.wait()
    assert said.code == 129, said
    assert "Traceback" not in said.err
    until(lambda: not [pid for pid in workers if alive(pid)], 10)
    assert not list(store.glob("runs/*/.*")), "something was left behind"


@pytest.mark.slow
def test_a_reader_of_stderr_that_leaves_stops_no_run(tmp_path):
    read, write = os.pipe()
    words = (*TRAIN, "--seeds", "0-2", "--store", str(tmp_path / "store"))
    with subprocess.Popen(
        [*COMMAND, *words], env=clean_environment(), stdout=subprocess.PIPE, stderr=write, text=True
    ) as child:
        os.close(write)
        assert os.read(read, 1), "it says something before it is done"
        os.close(read)
        assert child.stdout
        made = child.stdout.read().split()
        assert child.wait(60) == 0
    assert len(made) == 3


def below(pid: int | None) -> list[int]:
    """Processes that a process started, and those that they did (Linux)."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:  # it has ended
            continue
    found, new = [], [pid]
    while new:
        new = [child for child, parent in parents.items() if parent in new]
        found += new
    return found


def alive(pid: int) -> bool:
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_second_signal_at_once_does_not_interrupt_the_clean_up(tmp_path):
    store = tmp_path / "store"
    with running(*LONG, "--store", store, cwd=tmp_path) as child:
        until(lambda: list(store.glob("runs/*/.*.lock")))
        time.sleep(0.3)
        for _ in range(4):
            child.send(signal.SIGTERM)
            time.sleep(0.005)
        said = child.wait()
    assert said.code == 143, said
    assert "Traceback" not in said.err
    assert not list(store.glob("runs/*/.*")), "something was left behind"


def test_ids_from_stdin_may_begin_with_a_mark_and_are_told_shortened(tmp_path):
    place = bench(tmp_path)
    assert place.ok("show", "-", "--json", input="\ufeff" + place.ids["ga"] + "\n").json
    said = refused(
        "show", "-", "--store", place.store, code=2, says=("is no run id",), input="abcd" * 100_000
    )
    assert len(said) < 1000
