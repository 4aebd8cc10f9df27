"""Checkpoint files: what is read, what is refused with the way out, what is written."""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
from pathlib import Path

import foreign_kit
import numpy as np
import pytest
import torch
from torch import nn

from deepunlearn_cli.checkpoints.file import read, write
from deepunlearn_cli.core.errors import UsageFailure

WEIGHTS = {"a.weight": torch.arange(6.0).view(2, 3), "a.bias": torch.zeros(2)}
CLAIMS = {"dataset": "digits", "created": 5.0}


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_files_are_plain_state_dicts_with_claims_as_metadata(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out{suffix}"
    write(path, WEIGHTS, CLAIMS)
    back = read(path)
    assert back.claims == CLAIMS
    assert all(torch.equal(value, back.weights[name]) for name, value in WEIGHTS.items())
    if suffix == ".pt":
        plain = torch.load(path, weights_only=True)
        assert list(plain) == list(WEIGHTS)
        model = nn.ModuleDict({"a": nn.Linear(3, 2)})
        assert str(model.load_state_dict(plain)) == "<All keys matched successfully>"


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_file_modes_follow_the_umask(tmp_path: Path, suffix: str, umask: int) -> None:
    before = os.umask(umask)
    try:
        write(tmp_path / f"out{suffix}", WEIGHTS, {})
    finally:
        os.umask(before)
    assert (tmp_path / f"out{suffix}").stat().st_mode & 0o777 == 0o666 & ~umask


def test_files_of_version_0_2_are_read(tmp_path: Path) -> None:
    torch.save({"deepunlearn": '{"dataset": "digits"}', "state_dict": WEIGHTS}, tmp_path / "old.pt")
    assert read(tmp_path / "old.pt").claims == {"dataset": "digits"}


def test_options_and_numbers_beside_weights_do_no_harm(tmp_path: Path) -> None:
    beside = {"args": argparse.Namespace(lr=0.1), "best": np.float64(0.9), "classes": ["a", "b"]}
    torch.save({"state_dict": WEIGHTS, **beside}, tmp_path / "timm.pth.tar.pth")
    assert read(tmp_path / "timm.pth.tar.pth").classes == ("a", "b")


SLOW = pytest.mark.slow


@pytest.mark.parametrize("kind", ["script", *(pytest.param(k, marks=SLOW) for k in ("whole", "wrapped"))])
def test_programs_are_refused_with_a_command_that_makes_weights_of_them(tmp_path: Path, kind: str) -> None:
    (tmp_path / "their_net.py").write_text(foreign_kit.NET)
    maker = (
        "import torch, their_net; m = their_net.net(4); "
        + {
            "script": "torch.jit.script(m).save('it s.pt')",
            "whole": "torch.save(m, 'it s.pt')",
            "wrapped": "torch.save({'model': m, 'epoch': 3}, 'it s.pt')",
        }[kind]
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", maker], cwd=tmp_path, check=True)
    with pytest.raises(UsageFailure) as failure:
        read(tmp_path / "it s.pt")
    assert "\n" not in failure.value.message + failure.value.hint
    command = failure.value.hint[failure.value.hint.index("python -c") :]
    words = [sys.executable, *shlex.split(command)[1:]]
    subprocess.run(words, cwd=tmp_path, check=True, capture_output=True)
    assert "fc.weight" in read(tmp_path / "it s-weights.pth").weights
