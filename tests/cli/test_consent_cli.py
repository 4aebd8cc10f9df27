"""Code that a run of the store names is imported only after somebody has named it too."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cli_kit import call, ok, refused

from deepunlearn_cli.checkpoints.file import read, write

NET = """
from pathlib import Path
from torch import nn
Path("imported").write_text("yes")
def make(num_classes): return nn.Sequential(nn.Flatten(), nn.Linear(64, num_classes))
"""
MODEL = ("--model", "own_net:make")


@pytest.fixture
def original(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An original of one's own code, which nobody has imported since."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEEPUNLEARN_STORE", str(tmp_path / "s"))
    (tmp_path / "own_net.py").write_text(NET)
    (run,) = ok("train", "--dataset", "digits", *MODEL, "-p", "epochs=1", "--out", "own.pt", "-q").lines
    forgotten()
    yield run
    sys.modules.pop("own_net", None)


def forgotten() -> None:
    sys.modules.pop("own_net", None)
    Path("imported").unlink(missing_ok=True)


@pytest.mark.parametrize(
    "words",
    [
        "unlearn RUN --method ft --dry-run",
        "unlearn RUN --method ft",
        "attack umia RUN --dry-run",
        "attack relearn RUN",
        "attack ulira RUN --dry-run",
        "sweep --method ft --ckpt RUN --trials 1 --dry-run",
    ],
)
def test_a_run_imports_nothing_unasked(original: str, words: str) -> None:
    said = refused(*words.replace("RUN", original).split(), code=2, says=("asks to import 'own_net:make'",))
    assert f"deepunlearn {words.replace('RUN', original)} --model own_net:make" in said
    assert not Path("imported").exists()


def test_the_hint_runs_as_printed(original: str) -> None:
    Path("a list.txt").write_text("3\n5\n")
    words = ("unlearn", original, "--method", "ft", "-p", "epochs=1", "--forget", "indices:a list.txt", "-q")
    command = json.loads(call(*words, "--json").err.splitlines()[-1])["hint"].partition(": ")[2]
    program, *hinted = shlex.split(command)
    assert program == "deepunlearn"
    ok(*hinted)
    assert Path("imported").exists()


def test_looking_imports_nothing(original: str) -> None:
    ids = ok("unlearn", original, "--method", "ft,retrain", *MODEL, "-q").lines
    forgotten()
    for run in (original, *ids):
        ok("show", run)
    for words in ("runs", "rank", "report", "verify", "report --table weights", f"report {ids[0]}"):
        ok(*words.split())
    assert not Path("imported").exists()
    told = ok("report", "--table", "weights", "--json")
    assert "--model own_net:make agrees to import" in told.err
    shown = {model: rows[0]["v_mean"] for model in ((), MODEL) if (rows := weights(*model))}
    assert shown[()] is None
    assert shown[MODEL] > 0


def weights(*model: str) -> list[dict[str, Any]]:
    rows = ok("report", "--table", "weights", *model, "--json").json
    return [row for row in rows if row["method"] == "ft"]


def test_another_model_beside_a_run_is_an_error(original: str) -> None:
    refused(
        "unlearn", original, "--method", "ft", "--model", "resnet-tiny", code=2, says=("own_net:make, not",)
    )
    plain = ok("train", "--dataset", "digits", "--model", "resnet-tiny", "-p", "epochs=1", "-q").lines[0]
    ok("unlearn", plain, "--method", "ft", "--model", "resnet-tiny", "--dry-run")
    says = ("resnet-tiny, not own_net:make", "leave it out")
    refused("unlearn", plain, "--method", "ft", *MODEL, code=2, says=says)
    assert not Path("imported").exists()


def test_a_file_whose_original_names_code_imports_nothing_unasked(original: str) -> None:
    """A claim may hide the name in what it says it was made from."""
    plain = ("train", "--dataset", "digits", "--model", "resnet-tiny", "-p", "epochs=1", "--out", "plain.pt")
    ok(*plain, "-q")
    ok("unlearn", "plain.pt", "--method", "do-nothing", "--out", "clean.pt", "-q")
    file = read(Path("clean.pt"))
    recipe = dict(file.claims["recipe"])
    inputs = {name: {**one, "model": "own_net:make"} for name, one in recipe["inputs"].items()}
    write(Path("evil.pt"), file.weights, dict(file.claims) | {"recipe": recipe | {"inputs": inputs}})  # type: ignore[arg-type]
    refused("attack", "umia", "evil.pt", "--store", "t", code=2, says=("own_net:make",))
    assert not Path("imported").exists()
