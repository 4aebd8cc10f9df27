"""`deepunlearn check`: what it prints, how it ends."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_kit import call, ok, refused

from deepunlearn_cli.exam import paper
from deepunlearn_cli.exam.paper import QUESTIONS

FAILING = '''
from dataclasses import dataclass

from deepunlearn_cli.methods import Method


@dataclass(frozen=True)
class Mine(Method):
    """Fail."""

    title = "Mine"
    paper = "a test"

    def unlearn(self, model, task):
        print("here it prints")
        return {}["gone"]

    def work(self, n):
        return 0
'''
QUICK = ("defaults", "bad-values", "cnn", "input")


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(FAILING, "utf-8")
    return path


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few questions, which take no time."""
    monkeypatch.setattr(paper, "QUESTIONS", {name: QUESTIONS[name] for name in QUICK})


def test_a_sound_method_ends_with_0_and_every_question_is_an_object() -> None:
    rows = ok("check", "do-nothing", "--json").json
    assert [row["question"] for row in rows] == list(QUESTIONS)
    for row in rows:
        assert row["schema"] == "deepunlearn.answer/1"
        assert row["method"] == "do-nothing"
        assert row["outcome"] in ("passed", "not applicable")
        assert row["asks"].endswith("?")
        assert bool(row["reason"]) or row["outcome"] == "passed"


@pytest.mark.usefixtures("quick")
def test_a_fault_ends_with_4_and_its_place_without_a_traceback(mine: Path) -> None:
    said = call("check", mine)
    assert said.code == 4
    lines = [line.split("\t") for line in said.lines]
    assert lines[0] == ["question", "outcome", "asks", "why"]
    assert lines[3][:2] == ["cnn", "failed"]
    assert lines[3][3] == "KeyError: 'gone' (mine.py:16)"
    assert lines[4][1::2] == ["not applicable", "its plainest run fails"]
    assert "here it prints" not in said.out
    assert "here it prints" in said.err
    assert "Traceback" not in said.err
    assert "2 passed, 1 failed, 1 not applicable" in said.err


@pytest.mark.usefixtures("quick")
def test_debug_shows_the_traceback(mine: Path) -> None:
    said = call("check", f"{mine}:Mine", "--debug")
    assert said.code == 4
    assert said.err.count("Traceback") == 1
    assert 'return {}["gone"]' in said.err


@pytest.mark.usefixtures("quick")
def test_several_methods_are_told_apart() -> None:
    said = ok("check", "ft,ga")
    assert said.lines[0].split("\t")[0] == "method"
    assert [line.split("\t")[0] for line in said.lines[1:]] == ["ft"] * 4 + ["ga"] * 4
    assert "ft: 4 passed" in said.err


@pytest.mark.parametrize(
    ("name", "text", "code", "words"),
    [
        ("scrubb", "", 3, "unknown method"),
        ("{path}:Other", FAILING, 3, "Other"),
        ("{path}", "def", 2, "SyntaxError"),
        ("{path}", "import nowhere_to_be_found", 2, "nowhere_to_be_found"),
        ("./nowhere.py", "", 3, "nowhere.py"),
        ("nowhere_to_be_found:Mine", "", 3, "nowhere_to_be_found"),
    ],
)
def test_what_cannot_be_loaded_is_refused_in_a_line(
    mine: Path, name: str, text: str, code: int, words: str
) -> None:
    mine.write_text(text, "utf-8")
    refused("check", name.format(path=mine), code=code, says=(words,))
