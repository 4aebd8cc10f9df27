"""Every command line in README and guide exists: its command, its options, its files."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from docs_kit import ROOT, Page, pages

from deepunlearn_cli.cli.app import app
from deepunlearn_cli.cli.parameter import Family

ROOT_COMMAND: Any = typer.main.get_command(app)
HELP = {"--help", "-h"}
SEPARATORS = {"|", "||", "&&", ";", "&", "(", ")", "{", "}"}
every_page = pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)


def calls(text: str) -> Iterator[list[str]]:
    """The words of every `deepunlearn ...` in a piece of shell, or in the lines after `$ ` of a session."""
    if re.search(r"^\$ ", text, re.MULTILINE):
        text = "\n".join(re.findall(r"^\$ ((?:.*\\\n)*.*)$", text, re.MULTILINE))
    text = re.sub(r"<<'?(\w+)'?\n.*?\n\1$", "", text.replace("\\\n", " "), flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"python -c \"\n.*?\"", "", text, flags=re.DOTALL)
    for line in text.splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split, lexer.commenters = True, "#"
        words: list[str] = []
        for word in [*lexer, ";"]:
            if word not in SEPARATORS:
                words.append(word)
                continue
            start = next((i for i, one in enumerate(words) if one.endswith("deepunlearn")), None)
            if start is not None and words[start - 1 : start] not in (["install"], ["-m"]):
                yield words[start + 1 :]
            words = []


def check(words: list[str]) -> None:
    """Raises `AssertionError` for a command or an option that does not exist."""
    command, rest = ROOT_COMMAND, list(words)
    while rest and (below := getattr(command, "commands", {})) and not re.match(r"-|[A-Z]+$|\./", rest[0]):
        if isinstance(command, Family) and rest[0] not in below:
            break  # an argument of its own
        *others, last = rest.pop(0).split("|")  # a line of the table of commands names all of a group
        assert {*others, last} <= below.keys(), f"no command {[*others, last]}: {words}"
        command = below[last]
    known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    known |= HELP
    unknown = [word for word in rest if re.match(r"--?[a-z]", word) and word.split("=")[0] not in known]
    assert not unknown, f"{unknown} in: deepunlearn {' '.join(words)}"


def test_the_checker_finds_what_is_wrong() -> None:
    (words,) = calls("deepunlearn runs --kind train | grep x  # deepunlearn nothing")
    assert words == ["runs", "--kind", "train"]
    for text in ("deepunlearn trian", "a | deepunlearn train --sedes 3", "$ deepunlearn attack umla x\nout"):
        with pytest.raises(AssertionError):
            check(*calls(text))


@every_page
def test_commands_in_blocks_exist(page: Page) -> None:
    for block in page.blocks:
        for words in calls(block.text) if block.language in ("sh", "console") else ():
            check(words)


@every_page
def test_commands_in_the_text_exist(page: Page) -> None:
    for span in page.spans:
        for words in calls(span) if span.startswith("deepunlearn ") else ():
            check(words)


@every_page
def test_options_in_the_text_exist(page: Page) -> None:
    leaves = [
        leaf
        for one in ROOT_COMMAND.commands.values()
        for leaf in (one, *getattr(one, "commands", {}).values())
    ]
    known = {name for leaf in (ROOT_COMMAND, *leaves) for parameter in leaf.params for name in parameter.opts}
    named = {word for span in page.spans for word in re.findall(r"(?:^|\s)(--[a-z][a-z-]+)", span)}
    assert named <= known | HELP


@every_page
def test_files_of_ours_that_are_named_exist(page: Page) -> None:
    for name in re.findall(r"\btests/[\w/]+\.py", page.text):
        assert (ROOT / name).is_file(), name
