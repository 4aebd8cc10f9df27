"""The one list of tables: `report --table`, plans, help and completion go by it; so do formats and metrics."""

from __future__ import annotations

import re

import pytest
import store_kit
from cli_kit import ok, refused

from deepunlearn_cli.cli.tables import TABLES, TERMINAL
from deepunlearn_cli.reporting.formats import FORMATS
from deepunlearn_cli.reporting.measures import metrics_of_rank
from deepunlearn_cli.store import Store

PLAN = f"""
datasets = ["digits"]
models = ["resnet-tiny"]
methods = ["ft", "do-nothing", "retrain"]
seeds = "0-1"
attacks = []
tables = {[name for name in TABLES if name not in ("sizes", "classes")]}
[training]
epochs = 1
[sweep]
trials = 2
originals = 1
confirm = 0
"""
SCHEMAS = {"rank", "report.rte", "report.scores", "report.weights", "report.sweep"}


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    """A store, and what a plan that asks for every table of it said."""
    home = tmp_path_factory.mktemp("tables")
    plan = home / "plan.toml"
    plan.write_text(PLAN.replace("'", '"'))
    return home / "store", ok("bench", plan, "--store", home / "store", "--json")


def test_a_plan_may_ask_for_every_table(planned):
    _, said = planned
    assert {row["schema"] for row in said.json} == {f"deepunlearn.{name}/1" for name in SCHEMAS}


def test_progress_on_an_empty_store_counts_what_is_made(planned):
    _, said = planned
    counts = [(int(done), int(total)) for done, total in re.findall(r"\[(\d+)/(\d+)\]", said.err)]
    assert all(done <= total for done, total in counts)
    assert "already" not in said.err


@pytest.mark.parametrize("name", [name for name in TABLES if name not in ("sizes", "classes")])
def test_report_prints_what_the_plan_printed(planned, name):
    store, said = planned
    rows = ok("report", "--table", name, "--store", store, "--json").json
    assert rows
    assert all(row in said.json for row in rows)


@pytest.mark.parametrize("name", [one for one in FORMATS if one != "html"])
def test_every_format_of_the_list_prints(planned, name, tmp_path):
    store, _ = planned
    text = ok("report", "--store", store, "--format", name).out
    assert "FT" in text or "ft" in text
    suffix = FORMATS[name].suffix
    if suffix:
        ok("report", "--store", store, "--out", tmp_path / f"x{suffix}")
        assert (tmp_path / f"x{suffix}").read_text().strip() == text.strip()


def test_help_names_what_there_is():
    report, rank = (re.sub(r"[\s│]+", " ", ok(name, "--help").out) for name in ("report", "rank"))
    assert all(f"{choice.name} ({choice.meaning})" in report for choice in TABLES.values())
    assert ", ".join((TERMINAL, *FORMATS)) in report
    assert ", ".join(metrics_of_rank()) in rank


def test_a_misspelt_table_is_not_found(tmp_path):
    refused("report", "--table", "score", "--store", tmp_path, code=3, says=("scores",))


def test_what_is_no_method_here_is_left_out_and_told(tmp_path):
    store = Store.open(tmp_path / "store", create=True)
    scores = {"RA": 0.9, "FA": 0.9, "VA": 0.9, "TA": 0.9}
    start = store_kit.recipe()
    for name, kind in (("retrain", "train"), ("ft", "unlearn"), ("gone", "unlearn")):
        inputs = {"original": start} if kind == "unlearn" else {}
        store_kit.put(store, scores=scores, kind=kind, name=name, forget="f0", inputs=inputs)
    said = ok("rank", "--json", "--store", store.root)
    assert sorted(row["method"] for row in said.json) == ["ft", "retrain"]
    assert "left out: 1 runs of gone, which is no method of this version" in said.err
