"""A plan that could never end in its tables is refused before anything is trained; its controls are there."""

from __future__ import annotations

import re
import shlex

import pytest
from cli_kit import TRAIN, call, ok, refused

from deepunlearn_cli.studies import plan_file

PLAN = """
datasets = ["digits"]
models = ["resnet-tiny"]
methods = ["ft"]
{}
[training]
epochs = 1
[params.ft]
epochs = 1
"""


def plan_of(tmp_path, more: str = ""):
    file = tmp_path / "plan.toml"
    file.write_text(PLAN.format(more))
    return file


def test_the_controls_are_always_there(tmp_path):
    plan = plan_file.load(str(plan_of(tmp_path)))
    assert plan.method_names == ["ft", "do-nothing", "retrain"]
    again = plan_file.load(str(plan_of(tmp_path, "").rename(tmp_path / "other.toml")))
    assert again.method_names.count("retrain") == 1


def test_a_dry_run_counts_them_and_the_bench_ends_in_tables(tmp_path):
    plan, store = plan_of(tmp_path), tmp_path / "store"
    rows = ok("bench", plan, "--dry-run", "--store", store, "--json").json
    counts = {row["kind"]: row["runs"] for row in rows}
    assert counts == {"originals": 1, "retrained": 1, "models": 1, "do nothing": 1, "attacks": 3}
    labels = {row["label"] for row in ok("bench", plan, "--store", store, "--json").json}
    assert labels == {"FT", "Do nothing", "Retrained"}


@pytest.mark.parametrize("dry_run", [True, False])
@pytest.mark.parametrize(
    ("more", "says"),
    [
        ('tables = ["sizes"]', ('table "sizes" compares fractions',)),
        ('tables = ["sizes"]\nforget = ["random:0.1:1", "random:0.1:2"]', ("has 1",)),
        ('tables = ["classes"]', ('table "classes" shows removed classes',)),
        ('val_share = 0\nattacks = [{ name = "umia", against = "val" }]', ("val_share = 0",)),
        ('forget = "random:0.005"', ("U-MIA takes 10 pictures a side", "forget set of random:0.005")),
        ('forget = ["random:0.1", "class:77"]', ("unknown class '77'",)),
    ],
)
def test_what_could_never_end_in_tables_is_refused_first(tmp_path, more, says, dry_run):
    plan, store = plan_of(tmp_path, more), tmp_path / "store"
    said = call("bench", plan, "--store", store, *(("--dry-run",) if dry_run else ()))
    assert said.code in (2, 3)
    assert all(text in said.err for text in says), said.err
    assert not ok("runs", "--store", store).lines if store.exists() else True


def test_methods_that_read_validation_pictures_want_some(tmp_path):
    plan = tmp_path / "plan.toml"
    plan.write_text(PLAN.format("val_share = 0").replace('["ft"]', '["ft", "nablatau"]'))
    refused("bench", plan, "--dry-run", "--store", tmp_path / "s", code=2, says=("read them: nablatau",))


def test_the_cure_for_a_missing_retrained_model_works_as_printed(tmp_path):
    """Whatever the training was, and of several seeds with a draw each."""
    at = ("--store", tmp_path / "store")
    for seed in (0, 1):
        words = (*TRAIN, "-p", "lr=0.05", "--forget", f"random:0.1:{seed}", "--seeds", seed, "-q")
        original = ok(*words, *at).out.strip()
        ok("unlearn", original, "--method", "ft", "-p", "epochs=1", *at, "-q")
    said = call("rank", *at).err
    (command,) = re.findall(r"deepunlearn (unlearn .*)", said)
    ok(*shlex.split(command), *at, "-q")
    assert {row["label"] for row in ok("rank", *at, "--json").json} == {"FT", "Retrained"}


@pytest.mark.parametrize("dry_run", [True, False])
@pytest.mark.parametrize(
    ("more", "hint"),
    [
        ('seeds = "3-1"', 'seeds = "0-9", say'),
        ("[sweep]\nsampler = 'x'", "sampler takes tpe, nsga3, random, grid"),
        ("[sweep]\nobjective = 'x'", 'objective = "cost"'),
        ("[sweep]\ntimeout = 'x'", 'timeout = "10m", 90s or 1h30m'),
        ("attacks = [{ name = 'umia', feature = 'x' }]", 'feature = "loss" is the default'),
        ('forget = "random:0.005"', 'attacks = [{ name = "umia", folds = 7 }]'),
        ("val_share = 0.002\n[sweep]\ntrials = 2\noriginals = 1", "use a larger val_share"),
        ("val_share = 0\n[sweep]\ntrials = 2\noriginals = 1", "val_share = 0.15, or leave them out"),
    ],
)
def test_a_cure_is_spelt_as_the_plan_spells_it(tmp_path, more, hint, dry_run):
    store = tmp_path / "store"
    said = call("bench", plan_of(tmp_path, more), "--store", store, *(("--dry-run",) if dry_run else ()))
    assert said.code == 2
    assert f"hint: {hint}" in said.err, said.err
    assert not ok("runs", "--store", store).lines if store.exists() else True


def test_the_cure_for_an_attack_on_few_pictures_works_as_printed(tmp_path):
    store, more = tmp_path / "store", 'forget = "random:0.005"'
    said = call("bench", plan_of(tmp_path, more), "--dry-run", "--store", store)
    (cure,) = re.findall("hint: (.*)", said.err)
    ok("bench", plan_of(tmp_path, f"{more}\n{cure}"), "--dry-run", "--store", store)


def test_methods_that_start_from_tracked_originals_are_none_for_a_plan(tmp_path):
    plan = tmp_path / "plan.toml"
    plan.write_text(PLAN.format("").replace('["ft"]', '["ft", "singlegradient"]'))
    refused("bench", plan, "--dry-run", "--store", tmp_path / "s", code=2, says=("leave singlegradient out",))


@pytest.mark.parametrize(
    ("more", "tables"),
    [
        ("attacks = []", ["1"]),
        ("attacks = []\ntables = ['1', '2', 'scores']", ["1", "scores"]),
        ("attacks = [{ name = 'umia', feature = 'entropy' }]", ["1"]),
        ("forget = 'class:3'\ntables = ['classes']", ["classes"]),
        ("forget = 'class:3'\ntables = ['classes']\nattacks = [{ name = 'umia', against = 'class' }]", []),
        ("", []),
    ],
)
def test_tables_whose_attack_is_not_made_are_told_before_any_work(tmp_path, more, tables):
    said = ok("bench", plan_of(tmp_path, more), "--dry-run", "--store", tmp_path / "store")
    assert re.findall(r"table (\S+) \([^)]*\) has no figure of an attack", said.err) == tables


def test_where_every_retrained_model_is_useless_no_command_makes_it_again(tmp_path):
    """A training too short: the same command would only find what is there."""
    plan = tmp_path / "plan.toml"
    text = PLAN.format("seeds = '0-1'\nimage_size = 1").replace(
        "epochs = 1\n[params", "epochs = 1\nlr = 1e-5\n[params"
    )
    plan.write_text(text)
    lines = refused("bench", plan, "--store", tmp_path / "store", code=3, says=("at chance for 10 classes",))
    (command,) = re.findall("hint: deepunlearn (show .*)", lines)
    assert "retrain" in ok(*command.split(), "--store", tmp_path / "store").out
