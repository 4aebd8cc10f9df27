"""Streams that are closed, full or of another encoding; signals in a burst and during start-up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cli_kit import LONG, clean_environment, running, until

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
