"""The guide's pages, and the command that shows them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from cli_kit import ok, on_terminal, refused

from deepunlearn_cli import guide
from deepunlearn_cli.cli.console import Console, Result
from deepunlearn_cli.core.errors import NotFound

TWO = {
    "deletion.md": "# Deleting\n\nHow a picture\nis forgotten.\n\n"
    "<!-- run -->\n\n```sh\ndeepunlearn train   # comment\n```\n\n| a | b |\n|---|---|\n| 1 | [2](x.md) |\n\n"
    + "word " * 60
    + "\n",
    "deployment.md": "# Deploying\n\nWhere it runs.\n",
}


@pytest.fixture
def pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A guide of two pages."""
    for name, text in TWO.items():
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(guide, "FOLDER", tmp_path)
    return tmp_path


def test_a_page_says_its_title_and_summary(pages: Path) -> None:
    page = guide.page("deletion")
    assert (page.title, page.summary) == ("Deleting", "How a picture is forgotten.")
    assert guide.topics() == ["deletion", "deployment"]


@pytest.mark.parametrize("topic", ["deletion", "del", "Deletion", "deletion.md"])
def test_a_topic_may_be_cut_short(pages: Path, topic: str) -> None:
    assert ok("guide", topic).out == TWO["deletion.md"]


@pytest.mark.parametrize(
    ("topic", "says"),
    [("deletoin", "did you mean deletion"), ("dep-", "deepunlearn guide"), ("de", "deletion, deployment begin so"), ("", "deepunlearn guide")],
)  # fmt: skip
def test_an_unknown_topic_is_suggested_for(pages: Path, topic: str, says: str) -> None:
    with pytest.raises(NotFound) as caught:
        guide.page(topic)
    assert says in caught.value.hint
    if topic:
        refused("guide", topic, code=3, says=(f"unknown topic '{topic}'", says))


def test_the_list_tells_what_each_page_tells(pages: Path) -> None:
    assert ok("guide").lines == [
        "topic\twhat it tells",
        "deletion\tHow a picture is forgotten.",
        "deployment\tWhere it runs.",
    ]
    assert ok("guide", "--json").json[1] == {
        "schema": "deepunlearn.guide/1",
        "topic": "deployment",
        "title": "Deploying",
        "summary": "Where it runs.",
    }


def test_json_has_the_whole_page(pages: Path) -> None:
    page = {"topic": "deletion", "title": "Deleting", "text": TWO["deletion.md"]}
    assert ok("guide", "deletion", "--json").json == [{"schema": "deepunlearn.guide-page/1", **page}]


def test_the_guide_needs_no_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert ok("guide", "words").out.startswith("# Words\n")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("topic", "width"), [*((topic, 80) for topic in guide.topics()), ("words", 200)])
def test_every_page_fits_a_terminal(tmp_path: Path, topic: str, width: int) -> None:
    code, out, _ = on_terminal("guide", topic, cwd=tmp_path, width=width)
    assert code == 0
    lines = [line.rstrip() for line in plain(out).splitlines()]
    assert max(map(len, lines)) <= min(width, 100)
    assert guide.page(topic).title in lines[0]
    assert "# " not in lines[0], "the page is laid out"


def test_a_pager_gets_the_page_laid_out(pages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    monkeypatch.setattr("pydoc.pager", shown.append)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    Console().show(Result(markdown=TWO["deletion.md"]))
    (text,) = map(plain, shown)
    assert "Deleting" in text
    assert "deepunlearn train   # comment" in text
    assert "run -->" not in text, "what tests read is not shown"
    assert max(len(line.rstrip()) for line in text.splitlines()) <= 80


def plain(text: str) -> str:
    """Without colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def test_every_page_is_a_page() -> None:
    for topic in guide.topics():
        page = guide.page(topic)
        assert page.text.startswith(f"# {page.title}\n\n"), topic
        assert page.summary.endswith("."), topic
        assert topic == topic.lower().replace("_", "-"), topic
