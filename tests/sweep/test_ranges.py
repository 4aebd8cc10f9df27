"""Hyperparameters by hand: values, ranges and choices, and what a search then proposes."""

from __future__ import annotations

import pytest
from sweep_kit import Formula, order, question, store

from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.sweep import by_hand, search
from deepunlearn_cli.sweep.presence import Presence


def asked(method: str = "ft", sampler: str = "random", **given: object):
    hand = by_hand(method, given)
    return question(method, sampler, fixed=hand.fixed, ranges=hand.ranges)


def proposals(tmp_path, of, wanted: int = 12) -> list[dict]:
    runner = Formula(store(tmp_path))
    search(order(runner.store, of, wanted=wanted), 1, runner, lambda _: None)
    return [dict(recipe.params) for recipe in runner.asked]


def test_a_range_is_searched_on_the_declared_scale_and_nothing_outside_it(tmp_path):
    of = asked(lr="1e-4..1e-2", epochs="2..3", weight_decay="0.001")
    domain = of.domains["lr"]
    assert (domain.low, domain.high, domain.log) == (1e-4, 1e-2, True)
    assert "weight_decay" not in of.domains
    points = proposals(tmp_path, of)
    assert all(1e-4 <= point["lr"] <= 1e-2 and point["epochs"] in (2, 3) for point in points)
    assert {point["weight_decay"] for point in points} == {0.001}
    assert sum(point["lr"] < 1e-3 for point in points) > 2, "evenly over the decades"


def test_choices_are_searched_and_nothing_else(tmp_path):
    points = proposals(tmp_path, asked(batch_size="64,128", lr="0.02,0.003", weight_decay="0,1e-4"))
    assert {point["batch_size"] for point in points} == {64, 128}
    assert {point["lr"] for point in points} == {0.02, 0.003}
    assert {point["weight_decay"] for point in points} == {0.0, 1e-4}


def test_a_list_of_a_plan_is_what_commas_are():
    assert by_hand("ft", {"batch_size": [64, 128]}) == by_hand("ft", {"batch_size": "64, 128"})


def test_the_first_trial_is_as_near_to_the_defaults_as_people_allow(tmp_path):
    [first] = proposals(tmp_path, asked(lr="1e-4..1e-3", batch_size="64,128"), 1)
    assert (first["lr"], first["batch_size"]) == (1e-3, 128), "the defaults are 0.01 and 256"
    assert first["weight_decay"] == 5e-4


def test_what_is_never_searched_by_itself_is_where_a_range_is_given():
    assert "momentum" not in asked().domains
    assert asked(momentum="0.5..0.9").domains["momentum"].high == 0.9


def test_the_ranges_are_part_of_the_studys_key():
    keys = [
        asked(**given).key for given in ({}, {"lr": "1e-4..1e-2"}, {"lr": "1e-4..1e-3"}, {"lr": "1e-4,1e-2"})
    ]
    assert len(set(keys)) == 4
    assert keys[0] == question("ft", "random").key == "ft-81704e993d93b6d8", "as it was before there were any"


def test_workers_and_the_storage_know_the_range(tmp_path):
    of = asked(lr="1e-4..1e-2")
    [study] = order(store(tmp_path), of).open(Presence(None), {})
    assert study.optuna.user_attrs["space"]["domains"]["lr"] == {
        "low": 1e-4,
        "high": 1e-2,
        "log": True,
        "whole": False,
    }


@pytest.mark.parametrize(
    ("given", "says", "hint"),
    [
        ({"lr": "1e-2..1e-4"}, "it does not end above 0.01", "-p lr=0.0001..0.01"),
        ({"lr": "0.01..0.01"}, "it does not end above 0.01", "-p lr=0.01 keeps it there"),
        ({"lr": "1e-4.."}, "a range has two ends", "-p lr=1e-05..0.1"),
        ({"lr": "1e-4..1e-3..1e-2"}, "a range has two ends", "-p lr=1e-05..0.1"),
        ({"lr": "1e-9..1e-2"}, "lr=1e-9 is not a number from 1e-05 to 0.1", "default"),
        ({"lr": "a..b"}, "lr=a is not a number", "default"),
        ({"epochs": "1.5..3"}, "epochs=1.5 is not a whole number", "default"),
        ({"weight_decay": "0..1e-3"}, "the search is logarithmic", "-p weight_decay=1e-05..0.001"),
        ({"batch_size": "64..256"}, "which has no range", "-p batch_size=64,128"),
        ({"batch_size": "64,100"}, "batch_size=100 is not one of 64, 128, 256", "default"),
        ({"batch_size": "64,"}, "a choice is missing", "keeps it there"),
        ({"batch_size": "64,64"}, "64 is given twice", "once"),
        ({"weight_decay": "0,0"}, "0.0 is given twice", "once"),
        ({"batch_size": [64]}, "there is one choice", "-p batch_size=64 keeps it there"),
        ({"batch_size": []}, "a choice is missing", "keeps it there"),
        ({"lrr": "1e-4..1e-2"}, "unknown hyperparameter 'lrr'", "takes"),
        ({"lr": "7"}, "lr=7 is not", "default"),
    ],
)  # fmt: skip
def test_what_cannot_be_searched_is_one_line_with_a_hint(given, says, hint):
    with pytest.raises(UsageFailure) as caught:
        by_hand("ft", given)
    assert says in caught.value.message
    assert hint in caught.value.hint
    assert "\n" not in caught.value.message + caught.value.hint
