"""`sweep list`, `show` and `rm`, ranges and choices, on the command line."""

from __future__ import annotations

import pytest
from cli_kit import Bench, bench, ok, on_terminal, refused

from deepunlearn_cli.sweep.presence import present

SWEEP = ("sweep", "--method", "ft", "--trials", "3", "--confirm", "0", "--sampler", "grid")
GRID = ("-p", "lr=1e-3,1e-2", "-p", "batch_size=64,128", "-p", "epochs=1", "-p", "weight_decay=1e-3")


@pytest.fixture
def place(tmp_path) -> Bench:
    return bench(tmp_path)


def test_from_a_grid_by_hand_to_its_list_its_trials_and_its_end(place):
    [model] = place.ok(*SWEEP, *GRID, "--ckpt", place.ids["original"]).lines
    [study] = place.ok("sweep", "list").lines
    assert study.startswith("ft-")
    [row] = place.ok("sweep", "list", "--json").json
    assert row["schema"] == "deepunlearn.study/1"
    assert (row["study"], row["dataset"], row["model"], row["method"]) == (
        study,
        "digits",
        "resnet-tiny",
        "ft",
    )
    assert (row["trials"], row["confirmed"], row["state"]) == (3, None, "chosen")
    assert place.ok("sweep", "list", "--method", "ga").lines == []

    rows = place.ok("sweep", "show", study, "--json").json
    trials = [row for row in rows if row["schema"] == "deepunlearn.trial/1"]
    assert [trial["trial"] for trial in trials] == [0, 1, 2]
    assert {trial["params"]["lr"] for trial in trials} <= {1e-3, 1e-2}
    assert {trial["params"]["batch_size"] for trial in trials} <= {64, 128}
    assert [(row["choice"], row["chosen"]) for row in rows if row not in trials if row["chosen"]] == [
        (1, True)
    ]
    runs = place.ok("sweep", "show", study[3:8]).lines
    assert runs == [run for trial in trials for run in trial["runs"]]
    shown = place.ok("show", runs[1], "--json").json[0]
    assert (shown["recipe"]["labels"]["study"], shown["recipe"]["labels"]["trial"]) == (study, 1)
    assert shown["log"]

    place.ok(*SWEEP, *GRID, "--ckpt", place.ids["original"], "--trials", "9")
    [row] = place.ok("sweep", "list", "--json").json
    assert row["trials"] == 4, "a grid of four points ends"

    with present(place.store / "studies", [study]):
        assert place.ok("sweep", "list", "--json").json[0]["state"] == "searching"
        place.refused("sweep", "rm", study, "--yes", code=2, says=(f"study {study} is being searched",))
        place.refused(
            "prune", runs[0], "--yes", code=2, says=(f"is a trial of {study}, which is being", "sweep list")
        )
    place.refused("sweep", "rm", study, code=2, says=("1 studies would be removed", "--yes"))
    assert place.ok("sweep", "rm", study, "--dry-run").lines == [study]
    assert place.ok("sweep", "rm", "-", "--yes", input=study + "\n").lines == [study]
    assert place.ok("sweep", "list").lines == []
    assert not list((place.store / "studies").glob("ft-*"))
    assert place.ok("show", model), "the runs stay"
    place.ok("prune", runs[0], "--yes")


def test_a_terminal_sees_tables(place):
    place.ok(*SWEEP, *GRID, "--ckpt", place.ids["original"])
    for words, says in ((("list",), ("chosen", "ft-")), (("show", "ft-"), ("dRA", "Choice", "complete"))):
        code, out, _ = on_terminal("sweep", *words, "--store", str(place.store), cwd=place.home, width=200)
        assert code == 0
        assert all(text in out for text in says), out


@pytest.mark.slow
def test_a_search_with_an_early_end_and_cost_is_a_study_of_its_own(place):
    words = ("sweep", "--method", "ft", "--ckpt", place.ids["original"], "--trials", "2", "--confirm", "0")
    place.ok(*words, "--sampler", "random")
    place.ok(*words, "--sampler", "random", "--objective", "cost")
    place.ok(*words, "--sampler", "random", "--early-stop", "0.1")
    assert len(place.ok("sweep", "list").lines) == 3


@pytest.mark.slow
def test_a_database_is_listed_too(place):
    address = f"sqlite:///{place.home}/x.db"
    place.ok(*SWEEP, *GRID, "--ckpt", place.ids["original"], "--database", address)
    assert place.ok("sweep", "list").lines == []
    [study] = place.ok("sweep", "list", "--database", address).lines
    assert len(place.ok("sweep", "show", study, "--database", address).lines) == 3
    place.ok("sweep", "rm", study, "--database", address, "--yes")
    assert place.ok("sweep", "list", "--database", address).lines == []


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("-p", "lr=1e-2..1e-4"), 2, ("it does not end above", "-p lr=0.0001..0.01")),
        (("-p", "batch_size=64,100"), 2, ("batch_size=100 is not one of 64, 128, 256",)),
        (("-p", "lr=1..2..3"), 2, ("a range has two ends",)),
        (("-p", "lrr=1..2"), 2, ("unknown hyperparameter 'lrr'",)),
        (("--objective", "costs"), 2, ("unknown objective 'costs'", "cost")),
        (("--early-stop", "-1"), 2, ("--early-stop -1 is not 0 or more",)),
        (("--early-stop", "nan"), 2, ("--early-stop nan is no number",)),
        (("--sampler", "grd"), 2, ("unknown sampler 'grd'", "grid")),
    ],
)
def test_what_cannot_be_searched_is_refused_before_anything_is_made(place, words, code, says):
    place.refused("sweep", "--method", "ft", "--ckpt", place.ids["original"], *words, code=code, says=says)


def test_studies_that_there_are_not(place):
    place.refused("sweep", "show", "ft-nosuch", code=3, says=("no study is called ft-nosuch", "sweep list"))
    place.refused("sweep", "rm", "ft-nosuch", "--yes", code=3, says=("no study is called",))
    refused("sweep", "list", "--store", place.home / "none", code=3, says=("no store",))


def test_sweep_alone_still_searches():
    text = ok("sweep", "--help").out
    assert "--method" in text
    assert "sweep list" in text
    assert "deepunlearn sweep show [OPTIONS]" in ok("sweep", "show", "--help").out
