"""Commands load what they use: every heavy library costs seconds of every command and every worker."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from cli_kit import TRAIN, python

from deepunlearn_cli.cli.shelf import COMMANDS
from deepunlearn_cli.system import machine

SLOW = ("torch", "torch._dynamo", "torch._inductor", "torchvision", "timm", "optuna")


def slow_modules_of(words: list[str], cwd: Path) -> tuple[str, list[str]]:
    """What a command printed, and which slow modules it loaded."""
    code = f"""
import sys
from deepunlearn_cli.cli.app import app
try:
    app({words!r}, prog_name="deepunlearn")
except SystemExit as end:
    assert end.code == 0, end.code
print(*[name for name in {SLOW!r} if name in sys.modules])
"""
    printed, loaded = python(code, cwd=cwd).splitlines()
    return printed, loaded.split()


@pytest.mark.slow
def test_training_and_unlearning_load_nothing_that_they_do_not_use(tmp_path: Path):
    original, loaded = slow_modules_of([*TRAIN, "-q"], tmp_path)
    assert loaded == ["torch"]
    words = ["unlearn", "--method", "iu", "--ckpt", original, "--forget", "random:0.1", "-q"]
    assert slow_modules_of(words, tmp_path)[1] == ["torch"]


@pytest.mark.slow
@pytest.mark.skipif(machine.may_have_cuda(), reason="torch must say which device there is")
def test_what_the_store_holds_needs_no_torch(tmp_path: Path):
    made, _ = slow_modules_of([*TRAIN, "-q"], tmp_path)
    assert slow_modules_of([*TRAIN, "-q"], tmp_path) == (made, [])


def test_no_cuda_is_certain():
    assert machine.may_have_cuda() or not torch.cuda.is_available()


@pytest.mark.parametrize(
    ("words", "files"),
    [
        ("", set()),
        ("--help", set()),
        ("unlearn --help", {"unlearn"}),
        ("rank --help", {"rank"}),
        ("sweep list --help", {"sweep", "sweeps"}),
    ],
)
def test_only_the_command_that_is_called_is_loaded(words: str, files: set[str], tmp_path: Path):
    """A start is what every call in a script, every help and every completion waits for."""
    every = sorted({file for shelved in COMMANDS.values() for file in shelved.files})
    code = f"""
import sys
from deepunlearn_cli.cli.app import app
try:
    app({words.split()!r}, prog_name="deepunlearn")
except SystemExit:
    print()
    print(*[name for name in {every!r} if f"deepunlearn_cli.cli.{{name}}" in sys.modules])
"""
    assert set(python(code, cwd=tmp_path).splitlines()[-1].split()) == files


def test_no_command_loads_at_its_start_what_only_some_need(tmp_path: Path):
    """`--help` and completion wait for all of it."""
    unneeded = (
        *SLOW,
        "numpy",
        "sqlite3",
        "ssl",
        "email",
        "http.client",
        "pickle",
        "ray",
        "deepunlearn_cli.store",
    )
    code = f"""
import sys, importlib
from deepunlearn_cli.cli.shelf import COMMANDS
for shelved in COMMANDS.values():
    for file in shelved.files:
        importlib.import_module("deepunlearn_cli.cli." + file)
print(*[name for name in {unneeded!r} if name in sys.modules])
"""
    assert python(code, cwd=tmp_path).split() == []
