"""One sitting after another: what is passed on, what stays chosen, and what a dry run says of the next one."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from cli_kit import call, ok
from sittings_kit import carried_out

from deepunlearn_cli.execution.runner import Runner

PLAN = """
datasets = ["digits"]
models = ["resnet-tiny"]
methods = ["ga", "do-nothing", "retrain"]
seeds = "0-1"
tables = ["scores"]
[training]
epochs = 1
[params.ga]
epochs = 1
"""
SEARCH = """
[sweep]
sampler = "random"
trials = 60
originals = 1
confirm = 0
timeout = "1s"
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    return carried_out(tmp_path_factory.mktemp("made"), PLAN)


@pytest.fixture
def kinds(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The kinds of the runs that are made from now on."""
    made: list[str] = []
    usual = Runner._make

    def counted(runner: Runner, recipe: Any) -> Any:
        made.append(recipe.kind)
        return usual(runner, recipe)

    monkeypatch.setattr(Runner, "_make", counted)
    return made


def told(file: Path) -> set[str]:
    return {line["run"] for line in map(json.loads, file.read_text().splitlines()) if "run" in line}


def left(*words: object) -> dict[str, int]:
    """How many runs of each kind a dry run says are to be made."""
    rows = ok(*words, "--dry-run", "--json").json
    return {row["kind"]: row["runs"] - row["there"] for row in rows if row["runs"] > row["there"]}


def without_models_of_seed_1(file: Path) -> str:
    """A file of figures that was cut off before a method's model of the second seed."""
    lines = file.read_text().splitlines(keepends=True)
    seeds = {}
    for line in map(json.loads, lines):
        if "recipe" in line and line["recipe"]["kind"] == "unlearn" and line["recipe"]["name"] == "ga":
            seeds[line["recipe"]["seed"]] = line
    first = next(n for n, line in enumerate(lines) if json.loads(line) == seeds[1])
    return "".join(lines[:first])


def test_a_file_says_all_that_the_one_before_it_said(tmp_path, made):
    """Of seeds that this plan has not, and of originals of which nothing was to be made."""
    plan, first, second = tmp_path / "plan.toml", made / "figures.jsonl", tmp_path / "second.jsonl"
    plan.write_text(PLAN.replace('"0-1"', '"0"'))
    ok("bench", plan, "--store", tmp_path / "store", "--resume-from", first, "--export", second)
    assert told(second) == told(first)
    assert (
        ok("report", "--table", "scores", "--json", "--from", second).out
        == ok("report", "--table", "scores", "--json", "--store", made / "store").out
    )


def test_what_is_told_late_is_told_with_what_it_is_made_of(tmp_path, made, kinds):
    file, fresh = tmp_path / "late.jsonl", tmp_path / "fresh"
    ok("bench", made / "plan.toml", "--store", made / "store", "--export", file)
    assert told(file) == told(made / "figures.jsonl")
    ok("bench", made / "plan.toml", "--store", fresh, "--resume-from", file)
    assert not kinds
    assert call("verify", "--store", fresh).code == 0


def test_a_dry_run_counts_originals_that_are_made_again_for_their_weights(tmp_path, made, kinds):
    file, store = tmp_path / "part.jsonl", tmp_path / "store"
    file.write_text(without_models_of_seed_1(made / "figures.jsonl"))
    words = ("bench", made / "plan.toml", "--store", store, "--resume-from", file)
    said = left(*words)
    assert said["originals"] == 1
    ok(*words)
    counts = Counter(kinds)
    assert counts["train"] == said["originals"] + said.get("retrained", 0)
    assert counts["unlearn"] == said["models"] + said.get("do nothing", 0)
    assert counts["attack"] == said["attacks"]
    assert not left(*words)


def test_a_search_that_its_time_ended_keeps_its_choice_elsewhere(tmp_path, kinds):
    """Otherwise its models would be those of one choice, and what is made later those of another."""
    plan, first, second = tmp_path / "plan.toml", tmp_path / "1.jsonl", tmp_path / "2.jsonl"
    plan.write_text(PLAN + SEARCH)
    ok("bench", plan, "--store", tmp_path / "one", "--export", first)
    assert 0 < kinds.count("trial") < 60
    kinds.clear()
    words = ("bench", plan, "--store", tmp_path / "two", "--resume-from", first)
    assert not left(*words)
    ok(*words, "--export", second)
    assert not kinds
    tables = [ok("report", "--table", "scores", "--json", "--from", one).out for one in (first, second)]
    assert tables[0] == tables[1]
    plan.write_text(PLAN + SEARCH.replace('"1s"', '"2s"'))
    assert left(*words)["search trials"], "a longer search goes on"


@pytest.mark.slow
def test_a_dry_run_looks_at_the_newest_attempt_for_what_is_timed_again(tmp_path, monkeypatch):
    plan, store = tmp_path / "plan.toml", tmp_path / "store"
    plan.write_text(PLAN.replace('"0-1"', '"0"') + "[timing]\nseed = 0\n")
    words = ("bench", plan, "--jobs", "1", "--store", store)
    _busy(monkeypatch, others=1)
    ok(*words)
    assert left(*words)["timed again"] == 3
    _busy(monkeypatch, others=0)
    ok(*words)
    assert not left(*words), "attempts that were alone are there"


def _busy(monkeypatch: pytest.MonkeyPatch, others: int) -> None:
    """So many runs beside ours, whatever the machine does."""
    from deepunlearn_cli.engine import cost

    monkeypatch.setattr(cost, "_presence", lambda: nullcontext(lambda: others))
    monkeypatch.setattr(cost._Machine, "was_crowded", lambda self: False)


def test_a_page_of_figures_says_what_it_leaves_out(tmp_path, made):
    pytest.importorskip("matplotlib")
    said = ok("report", "--format", "html", "--out", tmp_path / "r.html", "--from", made / "figures.jsonl")
    assert "not on this page" in said.err
    assert "removed classes" in said.err


def test_a_full_disk_leaves_no_half_line(tmp_path, made, monkeypatch):
    from deepunlearn_cli.cli.record import taken
    from deepunlearn_cli.core.errors import UsageFailure
    from deepunlearn_cli.store import Store, figures

    store = Store.open(made / "store", create=False)
    run = store.find(ok("runs", "--kind", "unlearn", "--store", made / "store").lines[0])
    file = figures.FiguresFile(tmp_path / "figures.jsonl")
    usual = figures.os.write
    with monkeypatch.context() as patched:
        patched.setattr(figures.os, "write", lambda to, data: usual(to, data[: len(data) // 2]))
        with pytest.raises(UsageFailure, match="No space left"):
            file.tell(run, taken)
    file.tell(run, taken)
    assert set(figures.Figures.of([file.path]).runs) == {run.id}
