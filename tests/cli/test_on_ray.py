"""`--on`: what it refuses, in one line and before anything is made; and Ray loaded by nothing else."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from cli_kit import TRAIN, call, ok, python, refused

SWEEP = ("sweep", "--method", "ft", "--ckpt", "abcd")
ATTACK = ("attack", "umia", "abcd")
UNLEARN = ("unlearn", "--method", "ft", "--ckpt", "abcd")
VERBS = (TRAIN, UNLEARN, ATTACK, ("bench", "quick"), SWEEP)


@pytest.mark.parametrize("words", VERBS, ids=lambda words: words[0])
@pytest.mark.parametrize(
    ("place", "says"),
    [
        (("--on", "slurm"), "--on slurm"),
        (("--on", "ray:"), "--on ray:"),
        (("--on", "ray", "--gpu-share", "1.5"), "--gpu-share 1.5"),
        (("--on", "ray", "--gpu-share", "-1"), "--gpu-share -1"),
        (("--gpu-share", "0.5"), "--on ray"),
        (("--cpus-per-job", "2"), "--on ray"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_places_that_there_are_not(tmp_path: Path, words: tuple[str, ...], place: tuple[str, ...], says: str):
    store = tmp_path / "store"
    refused(*words, *place, "--store", store, code=2, says=(says,))
    assert not (store / "runs").exists()


def test_nobody_at_an_address(tmp_path: Path):
    place = ("--on", "ray:127.0.0.1:1")
    refused(*TRAIN, *place, "--store", tmp_path / "store", code=3, says=("127.0.0.1:1", "ray start"))


def test_the_variable_says_where_too(tmp_path: Path):
    variable = {"DEEPUNLEARN_ON": "ray:127.0.0.1:1"}
    refused(*TRAIN, "--store", tmp_path / "store", env=variable, code=3, says=("127.0.0.1:1",))
    ok(*TRAIN, "--on", "here", "--store", tmp_path / "store", env=variable)


def test_without_ray_there_is_one_line_with_its_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    lines = refused(*TRAIN, "--on", "ray", "--store", tmp_path / "store", code=3)
    assert lines.splitlines()[-1] == "hint: pip install 'deepunlearn[ray]'"
    assert call(*TRAIN, "--store", tmp_path / "store").code == 0, "what stays here needs none"


def test_nothing_but_on_loads_ray():
    code = (
        "import sys, deepunlearn_cli, deepunlearn_cli.execution.cluster, deepunlearn_cli.cli.app\n"
        "import deepunlearn_cli.cli.bundles, deepunlearn_cli.system.actor_pool, deepunlearn_cli.sweep.slots\n"
        "print('ray' in sys.modules)"
    )
    assert python(code) == "False\n"
