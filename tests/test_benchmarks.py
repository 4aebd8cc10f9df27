"""Benchmarks are run by hand; what they import must still be there."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "benchmarks"
FILES = sorted(FOLDER.glob("*.py"))
assert FILES


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_benchmark_can_be_imported(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(FOLDER)
    spec = spec_from_file_location(file.stem, file)
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    monkeypatch.setitem(sys.modules, file.stem, module)
    spec.loader.exec_module(module)


def cell(folder: Path, *words: object, **settings: str) -> subprocess.CompletedProcess[str]:
    """`cell.sh WORDS...` with this Python, in a folder of its own."""
    python = folder / "bin" / "python3"
    python.parent.mkdir(exist_ok=True)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    env = os.environ | {"PATH": f"{python.parent}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1"} | settings
    command = ["bash", str(FOLDER / "cell.sh"), *map(str, words)]
    return subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, timeout=300, check=False
    )


def pictures(folder: Path) -> Path:
    """A few of four classes, in folders whose names shells and `sed` take for more than names."""
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(0)
    for part, count in (("train", 60), ("test", 24)):
        for label in range(4):
            (place := folder / part / f"class {label}").mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(0, 80, (8, 8, 3), dtype=np.uint8)
                pixels[4 * (label // 2) :, 4 * (label % 2) :][:4, :4] += 120
                Image.fromarray(pixels).save(place / f"{number}.png")
    return folder


def test_a_cell_without_what_it_takes_says_what_that_is(tmp_path: Path) -> None:
    for words in ((), (tmp_path, "soon", tmp_path / "out"), (tmp_path / "none", "9", tmp_path / "out")):
        said = cell(tmp_path, *words)
        assert (said.returncode, "MINUTES" in said.stderr) == (2, True), said
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_cell_is_cut_off_and_gone_on_with_in_the_same_folder(tmp_path: Path) -> None:
    plan, here = tmp_path / "my plan.toml", pictures(tmp_path / "R&D #1 pictures")
    plan.write_text(
        'datasets = ["digits"]\nmodels = ["resnet18"]\nmethods = ["ga"]\nseeds = "0-1"\ntables = ["scores"]\n'
        "[training]\nepochs = 2\n"
    )
    more = {"JOBS": "1", "WORK": str(tmp_path / "work folder")}
    first = cell(tmp_path, here, "0.52", tmp_path / "one out", plan, "resnet-tiny", **more)
    assert first.returncode == 6, first
    second = cell(tmp_path, here, "4", tmp_path / "two out", plan, "resnet-tiny", **more)
    assert second.returncode == 0, second
    assert "R&D #1" in (tmp_path / "two out" / "figures.jsonl").read_text()
    assert "| GA" in (tmp_path / "two out" / "tables.md").read_text()
    plan.write_text(plan.read_text().replace('["digits"]', '["digits", "mnist"]'))
    several = cell(tmp_path, here, "4", tmp_path / "three", plan, "resnet-tiny", **more)
    assert (several.returncode, "several datasets" in several.stderr) == (2, True), several
