"""What a CI job asks for: a control that must be there, and figures that may not get worse."""

from __future__ import annotations

import re
import shlex

import numpy as np
import pytest
from cli_kit import TRAIN, call, ok, refused


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A store with an original and what FT made of it, nothing retrained."""
    store = tmp_path_factory.mktemp("gate") / "store"
    original = ok(*TRAIN, "--forget", "random:0.1", "--store", store, "-q").out.strip()
    run = ok("unlearn", original, "--method", "ft", "-p", "epochs=1", "--store", store, "-q").out.strip()
    return store, run


def test_a_missing_control_is_told_with_the_command_that_makes_it(made):
    store, run = made
    words = ("attack", "umia", run, "--require-control", "retrained", "--store", store)
    said = refused(*words, code=3, says=("no retrained model to compare ft",))
    (command,) = re.findall(r"deepunlearn (unlearn .*)", said)
    ok(*shlex.split(command), "--store", store, "-q")
    assert call(*words).code == 0


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (("--require-control", "original"), "no control of attacks"),
        (("--require-control", "retrained", "--fail-above", "0.6"), "compares with that model"),
    ],
)
def test_it_takes_one_name_and_one_rule(made, more, says):
    store, run = made
    refused("attack", "umia", run, *more, "--store", store, code=2, says=(says,))


def test_saved_scores_want_theirs_too(tmp_path):
    for seed, name in enumerate(("a", "b")):
        np.savez(tmp_path / f"{name}.npz", values=np.random.default_rng(seed).normal(size=100))
    files = ("--scores", tmp_path / "a.npz", "--against", tmp_path / "b.npz")
    refused("attack", "umia", *files, "--require-control", "retrained", code=3, says=("--control FILE FILE",))


def test_two_runs_and_two_stores_are_compared(made):
    store, run = made
    other = ok("unlearn", "--ckpt", ok("show", run, "--store", store, "--json").json[0]["inputs"]["original"],
               "--method", "ga", "--store", store, "-q").out.strip()  # fmt: skip
    rows = ok("report", "--diff", run, other, "--store", store, "--json").json
    assert {row["measure"] for row in rows} >= {"RA", "FA", "TA"}
    assert all(row["gap_low"] <= row["gap"] <= row["gap_high"] for row in rows if row["gap_low"] is not None)
    same = ok("report", "--diff", store, store, "--fail-on-regression", "--json")
    assert {row["gap"] for row in same.json} == {0}


def test_diff_refuses_what_cannot_be_compared(made, tmp_path):
    store, run = made
    at = ("--store", store)
    refused("report", "--diff", run, store, *at, code=2, says=("one is a run",))
    refused("report", "--fail-on-regression", *at, code=2, says=("--fail-on-regression compares two",))
    refused("report", "--diff", run, "ffff", *at, code=3)
