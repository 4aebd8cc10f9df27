"""The study of deletions in a row, carried out: which runs it takes, and what they are held against."""

from __future__ import annotations

import pytest
from cli_kit import TRAIN, ok, refused

from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.studies.plan_file import built_in, load

PLAN = """datasets = ["digits"]
models = ["resnet-tiny"]
methods = ["ft", "do-nothing"]
seeds = "0-1"
forget = "random:0.05:{seed}"
[params.ft]
epochs = 1
[training]
epochs = 1
[repeated]
requests = 2
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("repeated")
    (folder / "plan.toml").write_text(PLAN)
    return folder


@pytest.mark.slow
def test_the_study_is_carried_out_once(place):
    words = ("bench", place / "plan.toml", "--store", place / "store", "--json")
    told = ok(*words, "--figure", place / "figure.svg").json
    assert (place / "figure.svg").stat().st_size > 1000
    rows = {(r["measure"], r["method"], r["way"]): r for r in told if r["schema"] == "deepunlearn.repeated/1"}
    assert {r["method"] for r in told if r["schema"] == "deepunlearn.repeated-due/1"} == {"ft", "do-nothing"}
    at_once, in_a_row = (rows["TA", "ft", way] for way in ("at once", "in a row"))
    assert at_once["1_runs"] == in_a_row["1_runs"], "one request is one request"
    assert at_once["2_runs"] != in_a_row["2_runs"]
    assert rows["RetDev", "retrain", "anew"]["2_mean"] == 0
    ran = {r["id"]: r for r in ok("runs", "--store", place / "store", "--json").json}
    in_row = [ran[one] for one in in_a_row["2_runs"]]
    assert all(r["forgotten_labels"] == [r["forget_label"]] for r in in_row)
    assert all(ran[r["target"]]["forget"] == r["forgotten"][0] for r in in_row)
    spent = sum(ran[one]["work"] + ran[ran[one]["target"]]["work"] for one in in_a_row["2_runs"]) / 2
    assert rows["work", "ft", "in a row"]["2_mean"] == pytest.approx(spent)
    counts = [len([r for r in ran.values() if r["name"] == name]) for name in ("original", "retrain", "ft")]
    assert counts == [2, 4, 6], "retrained models stand beside those in a row and those at once"
    assert ok(*words).json == told
    assert {r["state"] for r in ok(*words, "--dry-run").json} == {"made"}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("requests = 2", "requests = 1"), "not a whole number from 2"),
        (("requests = 2", "at_once = [1]"), "does not say how many"),
        (("requests = 2", "requests = 2\nat_once = [3]"), "not a number of requests, 1 to 2"),
        (("requests = 2", "requests = 2\nat_once = 2"), "not a list of numbers"),
        (("requests = 2", 'requests = "2"'), "not a whole number from 2"),
        (("requests = 2", "times = 2"), "unknown key 'times'"),
        (("[params.ft]", 'tables = ["1"]\n[params.ft]'), "[repeated] takes the place of tables"),
        (('"random:0.05:{seed}"', '["random:0.1", "class:3"]'), "draws every request alike"),
        (("seeds", 'attacks = ["ks"]\nseeds'), "[repeated] takes the place of tables"),
    ],
)
def test_what_makes_no_study_is_refused(place, change, says):
    (place / "bad.toml").write_text(PLAN.replace(*change))
    with pytest.raises(UsageFailure) as refusal:
        load(str(place / "bad.toml"))
    assert says in refusal.value.message


def test_more_requests_than_pictures_are_refused_in_words(place):
    (place / "much.toml").write_text(PLAN.replace("0.05", "0.9").replace("requests = 2", "requests = 60"))
    words = ("bench", place / "much.toml", "--dry-run", "--store", place / "much")
    refused(*words, code=2, says=("all that is left",))


def test_the_plan_is_built_in_and_small():
    assert "repeated-deletion" in built_in()
    plan = load("repeated-deletion")
    assert (plan.repeated["requests"], plan.seeds, plan.datasets) == (10, "0-4", ["digits"])
    assert TRAIN[2] == plan.datasets[0]
