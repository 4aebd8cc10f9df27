"""README, guide, CHANGELOG and completions say what the code does."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import generated
import pytest
from docs_kit import README, Page, pages

from deepunlearn_cli import __version__
from deepunlearn_cli.cli.environment import VARIABLES
from deepunlearn_cli.core.errors import MEANING, ExitCode

PACKAGE = generated.ROOT / "deepunlearn_cli"
TEXT = Page(README).text
every_page = pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
topics = pytest.mark.parametrize("page", pages()[1:], ids=lambda page: page.name)


@pytest.mark.parametrize("name", generated.BLOCKS)
def test_generated_block_is_current_and_stands_once(name: str) -> None:
    assert [generated.block(name) in page.text for page in pages()].count(True) == 1, (
        "run python tests/generated.py"
    )


@every_page
def test_page_has_no_block_that_nobody_makes(page: Page) -> None:
    markers = re.findall(r"<!-- (.+?) -->", page.text)
    assert {name.removeprefix("end of ") for name in markers} <= set(generated.BLOCKS)
    assert len(re.findall("<!--", page.text)) == len(markers) == 2 * len(generated.MARKED.findall(page.text))


def test_readme_is_no_longer_than_people_read() -> None:
    assert len(TEXT.splitlines()) <= 250


@every_page
def test_lines_fit(page: Page) -> None:
    long = [line for line in page.text.splitlines() if len(line) > 120 and not line.startswith(("|", "- `"))]
    assert not long


@topics
def test_topic_starts_with_a_title_and_one_sentence(page: Page) -> None:
    lines = page.text.splitlines()
    assert re.fullmatch(r"# \S.*", lines[0])
    summary = page.text.split("\n\n")[1].replace("\n", " ")
    assert re.fullmatch(r"[A-Z][^#|<`*\[]*\.", summary), summary
    assert summary.count(". ") == 0, "one sentence"


@topics
def test_code_of_a_topic_fits_a_terminal_of_80_columns(page: Page) -> None:
    wide = [line for block in page.blocks for line in block.text.splitlines() if len(line) > 78]
    assert not wide


@every_page
def test_links_lead_somewhere(page: Page) -> None:
    for link in page.links:
        file, _, anchor = link.partition("#")
        if re.match(r"https?://", link):
            continue
        target = Page((page.path.parent / file).resolve() if file else page.path)
        assert target.path.is_file(), link
        assert not anchor or anchor in target.anchors, link


def test_readme_leads_to_every_topic() -> None:
    linked = {Path(link).stem for link in Page(README).links if "guide/" in link}
    assert linked == {page.name for page in pages()[1:]}


@pytest.mark.parametrize("shell", generated.COMPLETIONS)
def test_completion_is_current(shell: str) -> None:
    path = generated.ROOT / "completions" / generated.COMPLETIONS[shell]
    assert path.read_text("utf-8") == generated.completion(shell), "run python tests/generated.py"
    assert "deepunlearn" in path.read_text("utf-8")


def test_zsh_recognises_its_completion() -> None:
    assert (generated.ROOT / "completions/_deepunlearn").read_text().startswith("#compdef deepunlearn\n")


def test_the_two_commands_at_the_top() -> None:
    first = re.findall(r"```sh\n(.*?)```", TEXT, flags=re.DOTALL)[0].strip().splitlines()
    assert len(first) == 2
    assert all(line.startswith("python3 -m venv .venv && .venv/bin/pip install ") for line in first)
    assert first[0].endswith("deepunlearn bench quick")
    assert first[1].endswith("-m pytest")


def test_ci_runs_the_readme_test_command() -> None:
    command = re.findall(r"```sh\n(.*?)```", TEXT, flags=re.DOTALL)[0].strip().splitlines()[1]
    assert command in (generated.ROOT / ".ci/run").read_text().splitlines()


def test_every_module_has_its_room_on_the_map() -> None:
    rooms = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in PACKAGE.rglob("*.py")}
    missing = [room for room in rooms - {"__init__", "__main__"} if f"`{room}" not in TEXT]
    assert not missing


def test_every_exit_code_has_a_meaning() -> None:
    assert list(MEANING) == list(ExitCode)


def test_every_variable_is_documented() -> None:
    source = "".join(path.read_text("utf-8") for path in PACKAGE.rglob("*.py"))
    read = set(re.findall(r"\"(DEEPUNLEARN_[A-Z]+)\"", source))
    assert read == {name for name in VARIABLES if re.fullmatch(r"DEEPUNLEARN_[A-Z]+", name)}


def test_changelog_starts_with_this_version() -> None:
    headings = re.findall(r"^## (\S+)", (generated.ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert headings[0] == __version__


def test_top_level_is_what_was_agreed() -> None:
    command = ["git", "ls-files"]
    tracked = subprocess.run(command, cwd=generated.ROOT, capture_output=True, text=True, check=False).stdout
    top = {Path(name).parts[0] for name in tracked.splitlines()}
    agreed = {"pyproject.toml", "deepunlearn_cli", "tests", "completions", "README.md", "CHANGELOG.md"}
    assert {name for name in top if not name.startswith(".")} <= agreed


def test_dependencies_have_lower_bounds_only() -> None:
    project = tomllib.loads((generated.ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    for requirement in [*project["dependencies"], *project["optional-dependencies"]["test"]]:
        assert re.fullmatch(r"[a-z0-9-]+>=[\d.]+", requirement), requirement


@pytest.mark.parametrize(
    "tool",
    [
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        pytest.param(["mypy"], marks=pytest.mark.slow),
    ],
    ids=" ".join,
)
def test_static_checks(tool: list[str]) -> None:
    run = subprocess.run(
        [sys.executable, "-m", *tool], cwd=generated.ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_files_and_functions_stay_small() -> None:
    import ast

    long = [path.name for path in PACKAGE.rglob("*.py") if len(path.read_text("utf-8").splitlines()) > 300]
    assert not long
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef):
                body = (node.end_lineno or 0) - node.body[0].lineno + 1
                assert body <= 50, f"{path.name}: {node.name} is {body} lines long"
