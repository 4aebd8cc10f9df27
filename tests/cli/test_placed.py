"""Commands that are printed name the store that the call named, so that they run as printed."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from cli_kit import call

from deepunlearn_cli.cli.console import Console, Result
from deepunlearn_cli.cli.placed import placed
from deepunlearn_cli.reporting.table import Table, field_column

STORE = Path("my store")
NAMED = "--store 'my store'"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("`deepunlearn verify` says what is wrong", f"`deepunlearn verify {NAMED}` says what is wrong"),
        ("deepunlearn runs lists them all", f"deepunlearn runs {NAMED} lists them all"),
        ("deepunlearn show 3f9c", f"deepunlearn show {NAMED} 3f9c"),
        ("deepunlearn attack umia 3f9c", f"deepunlearn attack umia {NAMED} 3f9c"),
        ("deepunlearn attack ./mine.py:Mine 3f9c", None),
        ("deepunlearn certify policy p.toml", f"deepunlearn certify policy {NAMED} p.toml"),
        ("deepunlearn certify 3f9c --request 7", f"deepunlearn certify {NAMED} 3f9c --request 7"),
        ("deepunlearn sweep list", f"deepunlearn sweep list {NAMED}"),
        ("deepunlearn sweep listed", f"deepunlearn sweep {NAMED} listed"),
        ("deepunlearn store merge OTHER", f"deepunlearn store merge {NAMED} OTHER"),
        (
            "deepunlearn runs -q | deepunlearn attack umia -",
            f"deepunlearn runs {NAMED} -q | deepunlearn attack umia {NAMED} -",
        ),
        (
            "deepunlearn train makes one; --store DIR names another",
            f"deepunlearn train {NAMED} makes one; --store DIR names another",
        ),
        (
            "`deepunlearn runs --store x`, `deepunlearn rank`",
            f"`deepunlearn runs --store x`, `deepunlearn rank {NAMED}`",
        ),
        ("deepunlearn methods lists them", "deepunlearn methods lists them"),
        ("deepunlearn guide words", "deepunlearn guide words"),
        ("deepunlearn is no command, nor is deepunlearn runsome", None),
        ("pip install 'deepunlearn[ray]'", None),
    ],
)
def test_a_command_within_a_text_names_the_store(text, wanted):
    if wanted is None and "attack" in text:
        wanted = f"deepunlearn attack {NAMED} ./mine.py:Mine 3f9c"
    assert placed(text, STORE) == (wanted or text)
    assert placed(text, None) == text


def test_hints_run_in_the_store_that_the_call_named(tmp_path, monkeypatch):
    store = tmp_path / "my store"
    said = call("runs", "--store", store)
    assert said.code == 3
    hint = said.err.splitlines()[-1]
    assert f"deepunlearn train --store {shlex.quote(str(store))}" in hint
    assert "--store" not in call("runs").err.splitlines()[-1].split(";")[0]
    monkeypatch.setenv("DEEPUNLEARN_STORE", str(store))
    assert "deepunlearn train --dataset" in call("runs").err, "the variable holds for the next command too"


def test_programs_are_told_the_same(tmp_path):
    said = call("runs", "--json", "--store", tmp_path / "none")
    assert f"train --store {tmp_path / 'none'}" in json.loads(said.err)["hint"]


@pytest.mark.parametrize("terminal", [True, False])
def test_notes_under_tables_too(terminal, capsys, monkeypatch):
    monkeypatch.setattr(Console, "interactive", terminal)
    table = Table(
        "deepunlearn.x/1", "", [field_column("id")], [{"id": "3f9c"}], ["`deepunlearn runs` has more"]
    )
    Console(store=Path("s")).show(Result(tables=[table], notes=["next: `deepunlearn rank`"]))
    said = "".join(capsys.readouterr())
    assert "`deepunlearn runs --store s` has more" in said
    assert "next: `deepunlearn rank --store s`" in said
