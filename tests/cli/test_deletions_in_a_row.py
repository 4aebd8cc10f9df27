"""Requests that follow each other: what was forgotten stays forgotten, in runs, files, audits and tables."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from cli_kit import Bench, bench, ok, refused

from deepunlearn_cli.checkpoints.file import read, write
from deepunlearn_cli.cli.listing import row_table
from deepunlearn_cli.data import load_forget
from deepunlearn_cli.execution.forgetting import chain
from deepunlearn_cli.reporting.audits import audit_table
from deepunlearn_cli.reporting.records import records
from deepunlearn_cli.store import Store

UNLEARN = ("unlearn", "--method", "ft", "-p", "epochs=1")
FIRST, SECOND, THIRD = "class:3:0.3", "random:0.1", "class:3"


class Chained(Bench):
    """A store with two requests in a row on one original, as runs and files, and the reference of both."""

    @property
    def v1(self) -> Path:
        return self.home / "v1.pt"

    @property
    def v2(self) -> Path:
        return self.home / "v2.pt"


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Chained:
    made = bench(tmp_path_factory.mktemp("chained"))
    one = made.ok(*UNLEARN, made.ids["original"], "--forget", FIRST, "--out", made.home / "v1.pt").lines[0]
    two = made.ok(*UNLEARN, one, "--forget", SECOND, "--out", made.home / "v2.pt").lines[0]
    reference = made.ok("unlearn", "--method", "retrain", one, "--forget", SECOND).lines[0]
    return Chained(made.home, made.ids | {"one": one, "two": two, "reference": reference})


def first(place: Bench) -> str:
    return place.ids["one"]


def second(place: Bench, *_: object) -> str:
    return place.ids["two"]


def parts(place: Bench, run: str) -> dict[str, set[int]]:
    outputs = Store.open(place.store, create=False).find(run).outputs()
    return {name: {*map(int, arrays["index"])} for name, arrays in outputs.items()}


def test_what_was_forgotten_stays_forgotten(place):
    one = first(place)
    two = second(place, one)
    before, after = parts(place, one), parts(place, two)
    assert after["forgotten"] == before["forget"]
    assert after["retain"] == before["retain"] - after["forget"]
    assert not after["forget"] & before["forget"], "a draw is from what is left"
    assert len(after["forget"]) == np.ceil(0.1 * len(before["retain"]))
    recipe = place.ok("show", two, "--json").json[0]["recipe"]
    assert recipe["data"]["forgotten"] == [recipe["inputs"]["original"]["forget"]]
    assert recipe["inputs"]["original"]["inputs"]["original"]["name"] == "original"


def test_a_file_and_its_run_are_gone_on_from_alike(place):
    one = first(place)
    assert place.ok(*UNLEARN, place.v1, "--forget", SECOND).lines == [second(place, one)]


def test_the_reference_is_trained_without_the_union(place):
    one = first(place)
    two = second(place, one)
    reference = place.ids["reference"]
    assert parts(place, reference) == parts(place, two)
    store = Store.open(place.store, create=False)
    told = chain(store.find(two).recipe, store.data)
    listed = place.home / "all.txt"
    union = sorted(parts(place, two)["forget"] | parts(place, two)["forgotten"])
    listed.write_text("".join(f"{index}\n" for index in union))
    at_once = place.ok(
        "unlearn", "--method", "retrain", place.ids["original"], "--forget", f"indices:{listed}"
    ).lines[0]
    assert store.find(at_once).recipe.forget == told.union
    ours, theirs = [store.find(run).weights() for run in (reference, at_once)]
    assert all(torch.equal(weight, theirs[name]) for name, weight in ours.items()), "the same training"


def test_which_requests_stand_behind_a_run(place):
    one, two = first(place), second(place)
    attacks = place.ok("attack", "ks", two).lines
    store = Store.open(place.store, create=False)
    told = chain(store.find(two).recipe, store.data)
    assert [(r.number, r.spec, r.method, r.run) for r in told.requests] == [
        (1, FIRST, "ft", one),
        (2, SECOND, "ft", two),
    ]
    counts = [len(parts(place, run)["forget"]) for run in (one, two)]
    assert [r.count for r in told.requests] == counts
    assert told.count == sum(counts)
    assert all(chain(store.find(run).recipe, store.data) == told for run in attacks)
    assert chain(store.find(place.ids["original"]).recipe, store.data).requests == ()
    kept = store.data / "forget" / f"{told.requests[0].sha256}.npz"
    kept.rename(place.home / "away")
    without = chain(store.find(two).recipe, store.data)
    (place.home / "away").rename(kept)
    assert (without.union, without.requests[0].count, without.requests[0].spec) == (None, None, FIRST)


def test_an_audit_asks_about_each_request_and_about_all(place):
    one, two = first(place), second(place)
    rows = place.ok("attack", "umia", two, "--json").json
    judged = [row for row in rows if row["verdict"]]
    assert [row["request"] for row in judged] == [2, 1, None]
    assert all(row["requests"] == [FIRST, SECOND] for row in rows if row["method"] != "do-nothing")
    sizes = [len(parts(place, run)["forget"]) for run in (two, one)]
    assert [row["n_forget"] for row in judged] == [*sizes, sum(sizes)]
    assert {row["reference"] for row in judged} == {"retrained"}
    nothing = {row["original"] for row in rows if row["method"] == "do-nothing"}
    assert nothing == {one, place.ids["original"]}, "what doing nothing left of each request, and of all"
    told = place("attack", "umia", two).err
    assert f"requests: 1 {FIRST}, 2 {SECOND}" in audit_table(rows, "umia", "", []).notes
    assert all(f"({one})" in told for one in ("request 1 of 2", "request 2 of 2", "all 2 requests"))
    (only, *_) = place.ok("attack", "umia", two, "--forget", FIRST, "--json").json
    assert only == judged[1]
    place.refused("attack", "umia", two, "--forget", "class:4", code=2, says=(SECOND, FIRST))


def test_an_attack_asks_about_the_pictures_of_its_request(place):
    two, store = second(place), Store.open(place.store, create=False)
    for run in place.ok("attack", "umia", two).lines:
        attack = store.find(run)
        asked = {*load_forget(attack.recipe.forget, store.data).indices.tolist()}
        seen = attack.outputs()["forget"]["index"].tolist()
        assert seen
        assert {*seen} <= asked
    given = store.find(two).outputs()["forgotten"]
    read_well = (given["logits"].argmax(1) == given["labels"]).mean()
    assert store.find(two).scores["OA"] == pytest.approx(read_well)


def test_every_table_names_the_whole_chain(place):
    place.ok("unlearn", "--method", "retrain", place.ids["original"], "--forget", FIRST)
    place.ok("unlearn", "--method", "ft", "-p", "epochs=1", place.ids["original"], "--forget", SECOND)
    whole = f"{SECOND} after {FIRST}"
    labels = {row["pair"] for row in place.ok("report", "--table", "scores", "--json").json}
    assert any(label.endswith(whole) for label in labels), labels
    assert any(label.endswith(f" {FIRST}") for label in labels)
    assert any(whole in cells for cells in row_table(place.runs()).cells())


def test_an_attack_on_an_earlier_request_is_no_figure_of_the_newest(place):
    two = second(place)
    judged = [row for row in place.ok("attack", "umia", two, "--json").json if row["verdict"]]
    found = {one.id: one for one in records(Store.open(place.store, create=False).rows(), {})}
    assert found[two].umia == judged[0]["accuracy"]


def test_overlaps_are_told_and_nothing_comes_back(place):
    two = second(place)
    said = place.ok(*UNLEARN, two, "--forget", THIRD)
    assert f"request 1 ({FIRST})" in said.err
    after, before = parts(place, said.lines[0]), parts(place, two)
    assert before["forgotten"] <= after["forget"], "a class is named whole"
    assert not after["retain"] & (before["forget"] | before["forgotten"])
    assert after["forgotten"] == before["forget"] - after["forget"]


def test_the_next_request_must_be_named(place):
    for ref in (first(place), place.v1):
        place.refused(*UNLEARN, ref, code=2, says=("not an original", FIRST, "--forget"))


@pytest.mark.slow
def test_files_carry_the_chain_to_another_store(place, tmp_path):
    v2, third = place.v2, ("--forget", "class:5:0.2")
    three = place.ok(*UNLEARN, v2, *third, "--out", tmp_path / "v3.pt").lines[0]
    other = tmp_path / "other"
    said = ok(*UNLEARN, v2, *third, "--store", other)
    assert f"forgot {SECOND} after {FIRST}" in said.err
    ours = parts(place, three)
    store = Store.open(other, create=False)
    there = store.find(said.lines[0])
    assert {n: {*map(int, a["index"])} for n, a in there.outputs().items()} == ours
    assert [r.spec for r in chain(there.recipe, store.data).requests] == [FIRST, SECOND, "class:5:0.2"]
    mine, yours = Store.open(place.store, create=False).find(three).weights(), there.weights()
    assert all(torch.equal(weight, yours[name]) for name, weight in mine.items())
    claims = read(tmp_path / "v3.pt").claims
    assert [one["spec"] for one in claims["forgotten"]] == [SECOND, FIRST]
    asked = ok("attack", "umia", tmp_path / "v3.pt", "--store", tmp_path / "third", "--json").json
    assert [row["request"] for row in asked if row["verdict"]] == [3, 2, 1, None]


def test_a_file_that_lost_its_earlier_requests_is_refused(place, tmp_path):
    v2 = place.v2
    file = read(v2)
    write(v2, file.weights, {k: v for k, v in file.claims.items() if k != "forgotten"})
    refused(
        *UNLEARN, v2, "--forget", "class:5", "--store", tmp_path / "other", code=2, says=("earlier requests",)
    )


def test_a_bare_file_is_its_users_word(place, tmp_path):
    torch.save(read(place.v1).weights, tmp_path / "bare.pth")
    about = ("--dataset", "digits", "--model", "resnet-tiny", "--forget", "class:4")
    said = ok(*UNLEARN, tmp_path / "bare.pth", *about, "--store", tmp_path / "other")
    assert "whether anything was unlearned from it before" in said.err


def test_every_method_goes_on(place):
    one = first(place)
    said = place("unlearn", "--method", "all", one, "--forget", SECOND, "--dry-run", "--json")
    wanted = {row["name"] for row in said.json if "state" in row}
    from deepunlearn_cli.methods import METHODS

    untracked = {name for name in METHODS.names() if not METHODS.get(name).tracked}
    assert wanted >= untracked
    recipes = place.ok("unlearn", "--method", "do-nothing,retrain", one, "--forget", SECOND).lines
    shown = [json.dumps(place.ok("show", run, "--json").json[0]["recipe"]["data"]) for run in recipes]
    assert all("forgotten" in one for one in shown)


@pytest.mark.slow
def test_a_track_is_taken_back_once(place):
    tracked = ("train", "--dataset", "digits", "--model", "resnet-tiny", "-p", "epochs=1", "--track")
    plain = ("--approximate", "--forget", FIRST)
    (start,) = place.ok(*tracked, *plain).lines
    (one,) = place.ok("unlearn", "--method", "amnesiac", start).lines
    says = ("takes back what training did with the pictures it tracked", one)
    for method in ("amnesiac", "singlegradient"):
        place.refused("unlearn", "--method", method, one, "--forget", SECOND, code=2, says=says)
    (two,) = place.ok(*UNLEARN, one, "--forget", SECOND).lines
    judged = [row for row in place.ok("attack", "umia", two, "--json").json if row["verdict"]]
    assert [row["do_nothing"] is None for row in judged] == [False] * 3
    earlier = ("--earlier", place.ids["original"], "--approximate")
    (three,) = place.ok("unlearn", "--method", "singlegradient", two, "--forget", "class:5", *earlier).lines
    assert (
        parts(place, three)["forgotten"]
        >= parts(place, one)["forget"] | parts(place, two)["forget"] - parts(place, three)["forget"]
    )


def test_noise_of_an_earlier_request_does_not_come_again(place):
    one = first(place)
    store = Store.open(place.store, create=False)
    recipe = store.find(second(place, one)).recipe
    assert recipe.random_seed != recipe.seed == store.find(one).recipe.random_seed
