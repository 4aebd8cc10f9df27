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
    refused("bench", plan, "--dry-run", "--store", tmp_path / "s", code=2, says=("nablatau read them",))


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
