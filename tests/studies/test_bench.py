"""Plans: their size beforehand, cells, searches, and that what is there is not made again."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Iterable
from contextlib import nullcontext

import pytest
from cli_kit import call, ok

from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.engine import cost
from deepunlearn_cli.studies import plan_file as plans
from deepunlearn_cli.studies.batches import Batch
from deepunlearn_cli.studies.bench import Bench
from deepunlearn_cli.studies.likely import likely

PLAN = """
datasets = ["digits"]
models = ["resnet-tiny"]
methods = ["ft", "do-nothing", "retrain"]
seeds = "0-1"
[training]
epochs = 2
[params.ft]
epochs = 1
"""
SEARCH = PLAN.replace("[params.ft]\nepochs = 1\n", "[sweep]\ntrials = 2\noriginals = 1\nconfirm = 0\n")


def counted(batches: Iterable[Batch]) -> dict[str, int]:
    counts = Counter[str]()
    for batch in batches:
        counts[batch.kind] += batch.runs
    return counts


@pytest.mark.slow
def test_the_paper_is_50220_models():
    plan = plans.load("paper")
    assert len(plan.setups) == 9
    assert ("utkface", "tinyvit") not in {(setup.dataset, setup.model) for setup in plan.setups}
    sizes = [counted(likely(plan, setup, 10)) for setup in plan.setups]
    assert all(size["search trials"] == 18 * 300 for size in sizes)
    assert all(size["models"] == 18 * 10 for size in sizes)
    assert sum(size["search trials"] + size["models"] for size in sizes) == 50_220


@pytest.mark.slow
def test_the_dry_run_of_the_paper_needs_no_data(tmp_path):
    said = ok("bench", "paper", "--dry-run", "--store", tmp_path, "--json")
    assert sum(row["runs"] for row in said.json if row["kind"] in ("search trials", "models")) == 50_220
    assert {row["there"] for row in said.json} == {0}
    assert {row["seconds"] for row in said.json if row["kind"] != "attacks"} == {None}


@pytest.mark.parametrize("name", plans.built_in())
def test_built_in_plans_load(name):
    assert plans.load(name).setups


def test_a_plan_is_carried_out_once(tmp_path):
    plan, store = tmp_path / "plan.toml", tmp_path / "store"
    plan.write_text(PLAN)
    before = {r["kind"]: (r["runs"], r["there"]) for r in
              ok("bench", plan, "--dry-run", "--store", store, "--json").json}  # fmt: skip
    assert before == {
        "originals": (2, 0), "retrained": (2, 0), "models": (2, 0), "do nothing": (2, 0), "attacks": (6, 0)
    }  # fmt: skip
    ok("bench", plan, "--store", store)
    runs = ok("runs", "--store", store).lines
    after = ok("bench", plan, "--dry-run", "--store", store, "--json").json
    assert all(row["there"] == row["runs"] for row in after)
    assert all(row["seconds"] == 0 for row in after)
    ok("bench", plan, "--store", store)
    assert ok("runs", "--store", store).lines == runs


def test_a_timed_seed_is_counted_once_where_it_is_made_alone_to_begin_with(tmp_path):
    """Several jobs or one: what is not there is made alone, and the machine is told of once."""
    plan = tmp_path / "plan.toml"
    plan.write_text(PLAN + "[timing]\nseed = 1\n")
    counts = []
    for jobs in ("1", "2", "auto"):
        said = ok("bench", plan, "--dry-run", "--jobs", jobs, "--store", tmp_path / "store", "--json")
        counts.append({row["kind"]: row["runs"] for row in said.json})
    assert counts[0] == counts[1] == counts[2]
    assert "timed again" not in counts[0]
    assert (
        ok("bench", plan, "--dry-run", "--store", tmp_path / "store").err.count("this machine carries") == 1
    )


def test_a_bench_ends_with_the_command_that_makes_its_page(tmp_path):
    plan, store = tmp_path / "plan.toml", tmp_path / "a store"
    plan.write_text(PLAN)
    (command,) = re.findall("verdicts first: `deepunlearn (.*)`", ok("bench", plan, "--store", store).err)
    words = shlex.split(command)
    words[words.index("report.html")] = str(tmp_path / "report.html")
    ok(*words)
    assert "Verdicts" in (tmp_path / "report.html").read_text()


@pytest.mark.slow
def test_runs_that_shared_the_machine_are_timed_again_alone(tmp_path, monkeypatch):
    """After several jobs, of one seed; once, whoever asks again."""
    plan, store = tmp_path / "plan.toml", tmp_path / "store"
    plan.write_text(PLAN + "[timing]\nseed = 1\n")
    monkeypatch.setattr(cost._Machine, "was_crowded", lambda self: False)
    monkeypatch.setattr(cost, "_presence", lambda: nullcontext(lambda: 0))
    with monkeypatch.context() as beside:
        beside.setattr(cost, "_presence", lambda: nullcontext(lambda: 1))
        beside.setattr(Bench, "timed", lambda self, judged: judged)
        ok("bench", plan, "--store", store)
        table = ok("report", "--table", "2", "--store", store, "--json").json
        assert [row["rte_n"] for row in table if row["label"] == "FT"] == [0]
    rows = ok("bench", plan, "--store", store, "--json").json
    timed = {row["label"]: row for row in rows if row["schema"] == "deepunlearn.report.rte/1"}
    assert timed["FT"]["rte_n"] == 1
    assert timed["FT"]["rte_mean"] > 0
    ranked = {row["label"]: row for row in rows if row["schema"].startswith("deepunlearn.rank")}
    assert ranked["FT"]["n"] == 2, "its attacks are there, too"
    runs = ok("runs", "--store", store, "--json").json
    again = {(row["name"], row["seed"]) for row in runs if row["attempt"] == 1 and row["kind"] != "attack"}
    assert again == {("ft", 1), ("retrain", 1), ("do-nothing", 1)}
    ok("bench", plan, "--store", store)
    assert ok("runs", "--store", store, "--json").json == runs


@pytest.mark.slow
def test_a_plan_predicts_memory_by_what_its_runs_took(tmp_path):
    plan, store = tmp_path / "plan.toml", tmp_path / "store"
    plan.write_text(PLAN)
    ok("bench", plan, "--store", store)
    plan.write_text(PLAN.replace("0-1", "0-2"))
    rows = ok("bench", plan, "--dry-run", "--store", store, "--json").json
    known = [
        row["peak_memory"] for row in ok("runs", "--store", store, "--json").json if row.get("peak_memory")
    ]
    assert {row["peak_memory"] for row in rows if row["kind"] == "models"} == {max(known, default=None)}
    assert all("peak_device_memory" in row for row in rows)


@pytest.mark.slow
def test_its_tables_are_about_its_own_runs(tmp_path):
    plan, other, store = tmp_path / "plan.toml", tmp_path / "other.toml", tmp_path / "store"
    plan.write_text(PLAN)
    other.write_text(PLAN.replace("[params.ft]", "[params.ft]\nlr = 0.0123456"))
    ok("bench", other, "--store", store)
    rows = ok("bench", plan, "--store", store, "--json").json
    assert {row["config"] for row in rows} == {""}
    both = ok("rank", "--store", store, "--json").json
    assert {row["config"] for row in both if row["method"] == "ft"} == {"lr=0.0123", "lr=0.01"}


@pytest.mark.slow
def test_a_search_tunes_what_is_judged(tmp_path):
    plan, store = tmp_path / "plan.toml", tmp_path / "store"
    plan.write_text("augment_unlearning = false\n" + SEARCH)
    ok("bench", plan, "--store", store)
    rows = ok("runs", "--store", store, "--json").json
    assert len(ok("runs", "--kind", "trial", "--store", store).lines) == 2
    judged = [row for row in rows if row["kind"] == "unlearn" and row["name"] == "ft"]
    tuned = ok("report", "--table", "sweep", "--store", store, "--json").json
    assert len({str(row["params"]) for row in judged}) == 1
    assert len(judged) == 2
    assert tuned
    trials = ok("runs", "--kind", "trial", "--store", store).lines
    shown = ok("show", *trials, *(row["id"] for row in judged), "--store", store, "--json").json
    assert {row["recipe"]["data"]["augment"] for row in shown} == {False}
    assert all("preset" in row["recipe"]["labels"] for row in shown if row["recipe"]["kind"] == "unlearn")


def test_cells_have_a_training_of_their_own(tmp_path):
    plan = tmp_path / "plan.toml"
    plan.write_text(
        'training = { epochs = 9 }\n[[cells]]\ndatasets = ["digits"]\nmodels = ["resnet-tiny"]\n'
        "training = { batch_size = 32 }\n"
    )
    (setup,) = plans.load(str(plan)).setups
    assert setup.training == {"epochs": 9, "batch_size": 32}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[[cells]]\ndataset = ["digits"]', "datasets"),
        ('[[cells]]\ndatasets = ["digits"]', "without datasets or models"),
        (PLAN + "[sweep]\ntrails = 3", "trials"),
        (PLAN + "[sweep]\ntrials = 0", "not 1 or more"),
        (PLAN + '[sweep]\nsampler = "tpee"', "tpe"),
        (PLAN + "[timing]\nseed = 7", "no seed of the plan's 0-1"),
        (PLAN + "[timing]\nseeds = 0", "seed"),
        (PLAN.replace('["ft"', '["fft"'), "fft"),
        (PLAN + 'attacks = ["ulira"]', "umia"),
    ],
)
def test_plans_that_make_no_sense(tmp_path, text, says):
    plan = tmp_path / "plan.toml"
    plan.write_text(text if "attacks" not in text else 'attacks = ["ulira"]\n' + PLAN)
    said = call("bench", plan, "--store", tmp_path / "store")
    assert said.code in (2, 3)
    assert says in " ".join(said.err.split())
    assert not list((tmp_path / "store").glob("runs/*/*"))


def test_work_is_counted_within_the_budget():
    plan = plans.load("quick")
    batches = list(likely(plan, plan.setups[0], 3))
    epochs = {kind: [one.like.epochs for one in batches if one.kind == kind] for kind in counted(batches)}
    assert epochs["originals"] == [40]
    assert epochs["retrained"] == [pytest.approx(20)]
    assert 0 < sum(epochs["models"]) / len(epochs["models"]) < 12
    with pytest.raises(UsageFailure):
        plans._plan({"models": ["resnet-tiny"]}, "x")
