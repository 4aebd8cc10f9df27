"""Plans as files: whatever would go unheard is told, and [sweep] is as good as the options of `sweep`."""

from __future__ import annotations

import json

import pytest
from cli_kit import ok, refused

from deepunlearn_cli.cli.tables import unshown
from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.studies import plan_file
from deepunlearn_cli.sweep import Search

PLAN = """
datasets = ["digits"]
models = ["resnet-tiny"]
methods = ["ft", "do-nothing", "retrain"]
seeds = "0-1"
"""
CELL = '[[cells]]\ndatasets = ["digits"]\nmodels = ["resnet-tiny"]\n'
UNROLLED = 'datasets = ["digits"]\nmodels = ["resnet-tiny"]\n{}\n[unrolling]\ngammas = [0.0]\n'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (PLAN + "[params.msg]\nlr = 0.1", ("[params.msg] is of no method of the plan", 'add "msg"')),
        (PLAN + "[params.ft]\nlrr = 0.1", ("lrr", "lr")),
        (PLAN + '[params."ng+"]\nlr = 0.1', ("[params.ngplus]",)),
        (PLAN + CELL + "training = { epochs = 3 }", ("two cells train resnet-tiny on digits",)),
        (
            'datasets = []\nmodels = []\n[[cells]]\ndatasets = ["folder:x/../y"]\nmodels = ["m"]\n'
            '[[cells]]\ndatasets = ["folder:y"]\nmodels = ["m"]\ntraining = { lr = 0.3 }',
            ("two cells train m on",),
        ),
        (PLAN + "[sweep]\noriginals = 3", ("originals = 3, and the plan has 2",)),
        (PLAN + "[sweep]\nmax_failures = 0", ("max_failures = 0 is not 1 or more",)),
        (PLAN + '[sweep]\ntimeout = "soon"', ("timeout = 'soon' is not a time", 'timeout = "10m"')),
        (PLAN + "[sweep]\nseed = 3", ("unknown key 'seed'", "sampler_seed")),
        (PLAN + '[sweep]\nsampler_seed = "x"', ("sampler_seed = 'x' is not a whole number",)),
        (PLAN + '[sweep.ranges.msg]\nlr = "1e-4..1e-2"', ("ranges.msg is of no method that is searched",)),
        (PLAN + '[sweep.ranges.ft]\nlr = "0.1..0.01"', ("cannot be searched",)),
        (PLAN + "[sweep.ranges.ft]\nlr = 0.1", ("lr = 0.1 is no range and no choices", "[params.ft]")),
        (PLAN + "[sweep.ranges.ft]\nlrr = [0.05, 0.1]", ("lrr", "lr")),
        (PLAN + '[params.ft]\nlr = 0.1\n[sweep.ranges.ft]\nlr = "1e-4..1e-2"', ("params.ft fixes it",)),
        ('tables = ["sweep"]\n' + PLAN, ('table "sweep" shows searches, and there are none',)),
        (UNROLLED.format('methods = ["ft"]'), ("methods: [unrolling] takes the place",)),
        (UNROLLED.format('tables = ["1"]'), ("tables: [unrolling] takes the place",)),
        (PLAN.replace('"0-1"', "3"), ("seeds = 3 is not a text of seeds", 'seeds = "0-9"')),
        (PLAN.replace('["ft",', '[3, "ft",'), ("methods", "is not a list of texts")),
        ('val_share = "much"\n' + PLAN, ("val_share = 'much' is not a number",)),
        ("augment = 1\n" + PLAN, ("augment = 1 is not true or false",)),
        ("image_size = true\n" + PLAN, ("image_size = True is not a whole number",)),
        ("params = 3\n" + PLAN, ("params = 3 is not a table",)),
        ("params = { ft = 3 }\n" + PLAN, ("ft = 3 is not a table",)),
        ("forget = [1]\n" + PLAN, ("forget = [1] is not a forget set or a list of them",)),
        (PLAN + CELL + "training = 3", ("training = 3 is not a table",)),
        (PLAN + '[[cells]]\ndatasets = "digits"\nmodels = ["m"]', ("is not a list of texts",)),
    ],
)
def test_what_would_go_unheard_is_refused(tmp_path, text, says):
    plan = tmp_path / "plan.toml"
    plan.write_text(text)
    refused("bench", plan, "--store", tmp_path / "store", code=2, says=says)
    assert not (tmp_path / "store").exists()


def loaded(tmp_path, text: str):
    file = tmp_path / "plan.toml"
    file.write_text(text)
    return plan_file.load(str(file))


def test_equal_cells_and_aliases_are_no_fault(tmp_path):
    plan = loaded(tmp_path, PLAN.replace('"ft",', '"ng+",') + CELL + '[params."ng+"]\nlr = 0.01')
    assert len(plan.setups) == 1
    assert plan.params == {"ngplus": {"lr": 0.01}}


def test_attacks_that_no_table_shows_are_told(tmp_path):
    text = 'attacks = ["umia", {}]\ntables = {}\n' + PLAN

    def told(attack: str, tables: str = '["1", "2"]') -> list[str]:
        return unshown(loaded(tmp_path, text.replace("{}", attack, 1).replace("{}", tables, 1)))

    (said,) = told('{ name = "umia", against = "val" }')
    assert "attack umia against=val is shown in no table of the plan (1, 2)" in said
    (said,) = told('{ name = "umia", feature = "entropy" }')
    assert "add sizes to tables" in said
    assert told('{ name = "umia", feature = "entropy" }', '["sizes"]') == []
    assert len(told('{ name = "umia", cv = "shuffle" }')) == 1, "the other of its kind is shown"
    assert len(told('"ks"')) == 1
    assert len(told('"umia"', '["2"]')) == 2
    plan = tmp_path / "plan.toml"
    plan.write_text(text.replace("{}", '{ name = "umia", against = "val" }', 1).replace("{}", '["1"]'))
    said = ok("bench", plan, "--dry-run", "--store", tmp_path / "store")
    assert "warning: attack umia against=val" in said.err


@pytest.mark.parametrize("name", plan_file.built_in())
def test_built_in_plans_show_all_that_they_make(name):
    assert unshown(plan_file.load(name)) == []


@pytest.mark.slow
def test_the_search_of_a_plan_is_that_of_the_command(tmp_path):
    """Where it is kept, what draws it, how long it goes on, and what it searches."""
    text = (
        PLAN.replace('"0-1"', '"0"').replace(', "do-nothing", "retrain"', "")
        + f"""
tables = ["sweep"]
attacks = []
[training]
epochs = 1
[params.ft]
epochs = 1
[sweep]
trials = 3
originals = 1
confirm = 0
sampler = "random"
sampler_seed = 5
study = "mine"
timeout = "1h"
max_failures = 2
database = "sqlite:///{tmp_path}/plan.db"
[sweep.ranges.ft]
lr = "1e-3..2e-3"
batch_size = [64, 128]
"""
    )
    plan = loaded(tmp_path, text)
    assert plan.tuning
    assert plan.tuning.seconds == 3600
    store = ("--store", tmp_path / "store")
    (row,) = ok("bench", tmp_path / "plan.toml", *store, "--json").json
    assert (row["sampler"], row["seed"], row["label"], row["trials"]) == ("random", 5, "mine", 3)
    assert set(row["tuned"]) >= {"lr", "batch_size"}
    for trial in ok("runs", "--kind", "trial", *store, "--json").json:
        assert 1e-3 <= trial["params"]["lr"] <= 2e-3
        assert trial["params"]["batch_size"] in (64, 128)
    assert not list((tmp_path / "store" / "studies").glob("*.journal")), "all of it is in the database"
    environment = {"DEEPUNLEARN_DATABASE": f"sqlite:///{tmp_path}/plan.db"}
    (told,) = ok("report", "--table", "sweep", *store, "--json", env=environment).json
    assert told == row
    dry = ok("bench", tmp_path / "plan.toml", "--dry-run", *store, "--json").json
    assert all(one["runs"] == one["there"] for one in dry), json.dumps(dry)


def test_a_range_is_no_fixed_value_for_bench(tmp_path):
    plan = loaded(tmp_path, PLAN + "[sweep]\noriginals = 2\n[sweep.ranges.ft]\nlr = [0.05, 0.1]")
    assert plan.tuning
    assert plan.tuning.search == Search("tpe", 0, "")
    with pytest.raises(UsageFailure):
        loaded(tmp_path, PLAN + "[sweep.ranges]\nft = 3")


def test_a_plan_searches_with_cost_and_an_early_end(tmp_path):
    plan = loaded(tmp_path, PLAN + '[sweep]\noriginals = 2\nobjective = "cost"\nearly_stop = 0.1')
    assert plan.tuning
    assert plan.tuning.search == Search("tpe", 0, "", "work", 0.1)
    for wrong, says in (
        ('objective = "costs"', "unknown objective 'costs'"),
        ("early_stop = -1", "early_stop = -1 is not 0 or more"),
        ('early_stop = "soon"', "is not a number"),
    ):
        with pytest.raises(UsageFailure, match=says):
            loaded(tmp_path, PLAN + f"[sweep]\noriginals = 2\n{wrong}")


def test_an_address_that_is_none_is_refused_before_anything_is_trained(tmp_path):
    from cli_kit import call

    plan = tmp_path / "plan.toml"
    plan.write_text(
        'datasets = ["digits"]\nmodels = ["resnet-tiny"]\nmethods = ["ft"]\n[sweep]\ndatabase = "zz"\n'
    )
    for more in ((), ("--dry-run",)):
        said = call("bench", plan, *more, "--store", tmp_path / "store")
        assert said.code == 2
        assert "'zz' is not an address" in said.err
    assert not list(tmp_path.glob("store/runs/*"))
