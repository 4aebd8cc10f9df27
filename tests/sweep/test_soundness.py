"""What `verify` finds wrong beside the runs: searches, what originals were trained for, which runs were sealed."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_kit import TRAIN, call, ok

ENTRY = '{"op_code": 0, "worker_id": "w"}\n'
PRESET = """schema = "deepunlearn.preset/1"
method = "ft"
[params]
lr = "high"
"""


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = tmp_path_factory.mktemp("sound") / "store"
    ok(*TRAIN, "--forget", "random:0.2", "--store", store)
    (store / "studies").mkdir()
    (store / "studies" / "ft-1.journal").write_text(ENTRY * 3)
    assert call("verify", "--store", store).code == 0
    return store


def damaged(store: Path, file: Path, content: bytes) -> list[dict[str, str]]:
    """What is found once a file holds something else; it is put back."""
    before = file.read_bytes() if file.exists() else None
    file.write_bytes(content)
    try:
        said = call("verify", "--json", "--store", store)
    finally:
        file.unlink() if before is None else file.write_bytes(before)
    assert said.code == (7 if said.json else 0)
    return said.json


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"garbage\n" * 9, "is not an Optuna journal"),
        ((ENTRY + "garb\n" + ENTRY).encode(), "line 2 is not what was written"),
        ((ENTRY + "[" * 10_000 + "\n").encode(), "line 2"),
        (b"\0" * 100, "is not an Optuna journal"),
        ((ENTRY + ENTRY[:9]).encode(), None),
        (b"", None),
    ],
)
def test_journals(sound, content, what):
    found = damaged(sound, sound / "studies" / "ft-1.journal", content)
    assert [what in one["problem"] for one in found] == [True] * bool(what)


@pytest.mark.parametrize("content", [PRESET.encode(), b"\xff\xfe", b"a = [[[[", b"method = 5"])
def test_presets(sound, content):
    (found,) = damaged(sound, sound / "studies" / "ft.toml", content)
    assert (found["id"], found["file"]) == ("studies", "ft.toml")


def test_what_runs_were_trained_for(sound):
    (kept,) = (sound / "purposes").glob("*/*.json")
    for content in (b"", b"{}", b'{"spec": 5, "named": true}', b"[" * 10_000):
        (found,) = damaged(sound, kept, content)
        assert found["file"] == f"{kept.parent.name}/{kept.name}"


def test_which_runs_were_sealed(sound):
    lines = (sound / "sealed").read_bytes()
    (found,) = damaged(sound, sound / "sealed", lines + b"garbage\n")
    assert "lines are not what was written" in found["problem"]
    assert damaged(sound, sound / "sealed", lines + b"+12ab") == [], "torn: a killed process was writing it"
