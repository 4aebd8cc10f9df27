"""Is this machine fit to work on?"""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from cli_kit import call, clean_environment, ok

from deepunlearn_cli import doctor


@pytest.fixture
def mismatch(tmp_path):
    """An environment in which torchvision fails at import, as a wheel made for another torch does."""
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision/__init__.py").write_text(
        "raise RuntimeError('operator torchvision::nms does not exist')\n"
    )
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    return clean_environment(PYTHONPATH=path)


def run(environment, *words):
    command = [sys.executable, "-m", "deepunlearn_cli", *map(str, words)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_a_healthy_machine(tmp_path):
    rows = ok("doctor", "--json", "--store", tmp_path / "store").json
    assert all(row["ok"] for row in rows), rows
    assert {"python", "torch", "torch with torchvision", "device", "store", "disk"} <= {
        row["name"] for row in rows
    }
    assert not (tmp_path / "store").exists()


def test_the_mismatch_and_its_cure(mismatch, tmp_path):
    said = run(mismatch, "doctor", "--json", "--store", tmp_path / "store")
    assert said.returncode == 1
    (bad,) = [row for row in map(json.loads, said.stdout.splitlines()) if not row["ok"]]
    assert "torchvision::nms" in bad["found"]
    assert "pip install torch torchvision" in bad["cure"]


def test_other_commands_name_the_cure_too(mismatch, tmp_path):
    said = run(mismatch, "train", "--dataset", "digits", "--model", "resnet18", "--store", tmp_path / "store")
    assert said.returncode == 1
    assert "Traceback" not in said.stderr
    error, hint = said.stderr.splitlines()[-2:]
    assert error.startswith("error: torchvision does not work with this torch")
    assert "pip install torch torchvision" in hint


def test_what_is_missing_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(doctor, "LIBRARIES", ("numpy", "no_such_library"))
    monkeypatch.setattr(doctor, "ENOUGH_DISK", 10**18)
    said = call("doctor", "--store", tmp_path / "store")
    assert said.code == 1
    assert "pip install no_such_library" in said.out
    assert "make room" in said.out
