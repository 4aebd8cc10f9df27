"""Requests in a row as recipes say them, without a model being made."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from split_kit import dataset

from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.core.recipe import Recipe
from deepunlearn_cli.data import ForgetSet, left_of, parts_of, split, union
from deepunlearn_cli.execution import chains, recipes

SCENE = recipes.Scene(dataset(), "cnn", 0.15, 123)
ORIGINAL = recipes.original(SCENE, {"epochs": 30}, 0)


def forget(number: int) -> ForgetSet:
    return ForgetSet(f"class:{number}", np.arange(2 * number, 2 * number + 2), f"{number:064d}")


def row(count: int, start: Recipe = ORIGINAL) -> Recipe:
    for number in range(count):
        start = recipes.unlearned(start, "ft", forget(number))
    return start


def test_a_recipe_names_all_that_came_before_the_newest_first():
    last = row(3)
    assert chains.behind(last) == tuple(forget(n).sha256 for n in (2, 1, 0))
    assert chains.specs(last) == ("class:2", "class:1", "class:0")
    assert [one.forget for one in chains.steps(last)] == list(chains.behind(last))
    assert chains.trained(last) is ORIGINAL
    assert last.setting == ORIGINAL.setting
    assert "forgotten" not in row(1).data
    assert "forgotten" not in row(1).labels


def test_a_chain_of_many_requests_is_read_as_it_was_written():
    last = row(chains.LONGEST)
    assert Recipe.from_json(json.loads(json.dumps(last.to_json()))).key == last.key
    with pytest.raises(UsageFailure) as refusal:
        recipes.unlearned(last, "ft", forget(200))
    assert "--method retrain --forget class:200" in refusal.value.hint
    anew = recipes.retrained(last, forget(200))
    following = recipes.unlearned(anew, "ft", forget(201))
    assert len(chains.behind(following)) == chains.LONGEST + 2


def test_hyperparameters_follow_the_original_s_training_whatever_came_between():
    short = recipes.unlearned(row(1), "ft", forget(5))
    assert short.params == row(1).params
    plain = recipes.unlearned(ORIGINAL, "ft", forget(0), augment=False, precision="bf16")
    after = recipes.unlearned(plain, "ft", forget(1))
    assert (after.data["augment"], after.precision) == (True, "fp32")
    assert recipes.retrained(after, forget(2)).params == ORIGINAL.params
    assert recipes.training_of(after) == ORIGINAL.params


def test_references_do_not_depend_on_how_the_requests_were_carried_out():
    by_ft = recipes.retrained(row(2), forget(2))
    start = ORIGINAL
    for number, method in enumerate(("ga", "retrain")):
        start = recipes.unlearned(start, method, forget(number))
    assert recipes.retrained(start, forget(2)).key == by_ft.key
    assert by_ft.setting == ORIGINAL.setting


def test_an_attack_names_what_else_was_forgotten():
    last = row(3)
    newest = recipes.attack(last, "ks")
    assert recipes.attack(last, "ks", forget=forget(2)).key == newest.key
    first = recipes.attack(last, "ks", forget=forget(0))
    assert first.forgotten == (forget(2).sha256, forget(1).sha256)
    every = union([forget(n) for n in range(3)])
    assert recipes.attack(last, "ks", forget=every).forgotten == chains.behind(last)
    assert chains.before_request(last, forget(1).sha256) is row(1) or (
        chains.before_request(last, forget(1).sha256).key == row(1).key
    )
    assert chains.before_request(last, every.sha256) is ORIGINAL
    assert [chains.number(last, forget(n).sha256) for n in range(3)] == [1, 2, 3]
    assert chains.number(last, every.sha256) is None


def test_parts_of_a_chain_leave_nothing_forgotten_in_retain():
    parts = split(dataset())
    gone = [ForgetSet("a", np.sort(parts.train[:7]), "a"), ForgetSet("b", np.sort(parts.train[5:12]), "b")]
    newest = ForgetSet("c", np.sort(parts.train[10:15]), "c")
    made = parts_of(parts, newest, gone)
    assert made["retain"].tolist() == parts.train[15:].tolist()
    assert made["forget"].tolist() == parts.train[10:15].tolist()
    assert made["forgotten"].tolist() == parts.train[:10].tolist()
    assert left_of(parts, gone).train.tolist() == parts.train[12:].tolist()
    at_once = parts_of(parts, union([newest, *gone]))
    assert at_once["retain"].tolist() == made["retain"].tolist(), "one request of the same pictures"
    assert parts_of(parts, newest).keys() == {"retain", "forget"}


def test_another_statement_of_the_training_reaches_through_the_chain():
    other = replace(ORIGINAL, labels={**ORIGINAL.labels, "training": "stated"}, seed=0)
    rooted = chains.rooted(row(2), other)
    assert chains.trained(rooted) is other
    assert rooted.key == row(2).key
