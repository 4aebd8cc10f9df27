"""U-LiRA in several sittings: what travels of its models, tables elsewhere, and going on with them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from cli_kit import call, ok

from deepunlearn_cli.execution.runner import Runner
from deepunlearn_cli.system.alarm import TimeUp

ULIRA = (
    *("attack", "ulira", "--dataset", "digits", "--model", "resnet-tiny", "--training", "epochs=1"),
    *("--splits", "5", "--forget-sets", "2", "--share", "0.4", "--method", "ft", "-p", "epochs=1"),
)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A folder with a store and what was written down."""
    place = tmp_path_factory.mktemp("ulira")
    ok(*ULIRA, "--store", place / "store", "--export", place / "figures.jsonl")
    return place


def table(*words: object) -> str:
    return ok(*words, "--json").out


def test_tables_of_an_export_are_those_of_the_store(tmp_path, made):
    store, file, nowhere = made / "store", made / "figures.jsonl", ("--store", tmp_path / "none")
    assert table(*ULIRA, "--store", store) == table("attack", "ulira", "--from", file, *nowhere)
    rank = ("rank", "--metric", "ulira")
    assert table(*rank, "--store", store) == table(*rank, "--from", file, *nowhere)
    assert not (tmp_path / "none").exists()
    assert file.stat().st_size < 250_000


def test_what_travels_is_enough_for_all_that_is_asked_of_the_models(tmp_path, made, monkeypatch):
    store, file, fresh = made / "store", made / "figures.jsonl", tmp_path / "fresh"
    dry = ok(*ULIRA, "--store", fresh, "--resume-from", file, "--dry-run", "--json").json
    assert {row["to_make"] for row in dry} == {0}
    assert not ok("runs", "--store", fresh).lines, "a dry run leaves nothing"
    made_now = counting(monkeypatch)
    assert table(*ULIRA, "--store", store) == table(*ULIRA, "--store", fresh, "--resume-from", file)
    correct = (*ULIRA, "--statistic", "correctness")
    assert table(*correct, "--store", store) == table(*correct, "--store", fresh)
    assert set(made_now) == {"attack"}, "no model"
    assert call("verify", "--store", fresh).code == 0


def counting(monkeypatch: pytest.MonkeyPatch, most: int = 10**6) -> list[str]:
    """The kinds of the runs that are made from now on; time is up when there are `most`."""
    kinds: list[str] = []
    usual = Runner._make

    def counted(runner: Runner, recipe: Any) -> Any:
        if len(kinds) == most:
            raise TimeUp
        kinds.append(recipe.kind)
        return usual(runner, recipe)

    monkeypatch.setattr(Runner, "_make", counted)
    return kinds


@pytest.mark.slow
@pytest.mark.parametrize("most", [9, 30])
def test_cut_off_and_gone_on_with_elsewhere(tmp_path, made, most, monkeypatch):
    """After some models of the first control; after both controls, whose tables are shown."""
    file = tmp_path / "figures.jsonl"
    with monkeypatch.context() as patched:
        counting(patched, most)
        said = call(*ULIRA, "--store", tmp_path / "first", "--export", file)
    assert said.code == 6, said
    assert f"--resume-from {file}" in said.err
    assert ("Retrained" in said.out) == (most == 30)
    last = tmp_path / "last"
    kinds = counting(monkeypatch)
    assert table(*ULIRA, "--store", last, "--resume-from", file, "--export", file) == table(
        *ULIRA, "--store", made / "store"
    )
    assert len([kind for kind in kinds if kind == "shadow"]) < 35
    assert table("attack", "ulira", "--from", file) == table(*ULIRA, "--store", last)


def test_a_dry_run_counts_originals_that_are_made_again_for_their_weights(tmp_path, made, monkeypatch):
    lines = (made / "figures.jsonl").read_text().splitlines(keepends=True)
    last = max(n for n, line in enumerate(lines) if '"outputs":{"forget"' in line)
    file = tmp_path / "figures.jsonl"
    file.write_text("".join(line for n, line in enumerate(lines) if n != last))
    words = (*ULIRA, "--store", tmp_path / "fresh", "--resume-from", file)
    dry = {row["models"]: row["to_make"] for row in ok(*words, "--dry-run", "--json").json}
    assert sum(dry.values()) == 2, "a model, and its original"
    assert dry["original"] == 1
    kinds = counting(monkeypatch)
    ok(*words)
    assert len([kind for kind in kinds if kind != "attack"]) == 2


def test_a_cut_off_without_tables_writes_no_file_of_them(tmp_path, monkeypatch):
    counting(monkeypatch, 0)
    out, file = tmp_path / "tables.csv", tmp_path / "figures.jsonl"
    said = call(*ULIRA, "--store", tmp_path / "store", "--export", file, "--out", out)
    assert (said.code, said.out) == (6, ""), said
    assert not out.exists()
    refused = call("attack", "ulira", "--from", file)
    assert (refused.code, f"--resume-from {file}" in refused.err) == (3, True), refused


def test_a_file_without_what_it_takes_is_refused(tmp_path, made):
    lines = (made / "figures.jsonl").read_text().splitlines(keepends=True)
    file = tmp_path / "figures.jsonl"
    file.write_text("".join(lines[:40]))
    said = call("attack", "ulira", "--from", file)
    assert (said.code, "no whole analysis" in said.err) == (3, True), said
    last = max(n for n, line in enumerate(lines) if '"outputs":{"forget"' in line)
    file.write_text("".join(line for n, line in enumerate(lines) if n != last))
    said = call("attack", "ulira", "--from", file)
    assert (said.code, "told in none of these files" in said.err) == (3, True), said
    shutil.copy(made / "figures.jsonl", file)
    for more in (("--dry-run",), ("--export", tmp_path / "other.jsonl"), ("--time-limit", "1m"), ("3f9c",)):
        said = call("attack", "ulira", "--from", file, *more)
        assert (said.code, "makes nothing" in said.err) == (2, True), said
    assert call("attack", "ulira", "--from", file, "--dataset", "mnist").code == 3
