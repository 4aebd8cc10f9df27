"""`deepunlearn replay`, and what `unlearn --dry-run` expects, from the command line."""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path

import pytest
from cli_kit import Bench, bench, call, ok, on_terminal, refused
from plugin_kit import METHOD, unaware, written
from test_consent_cli import MODEL, NET, forgotten

from deepunlearn_cli.store import Store, manifest
from deepunlearn_cli.store.index import row


@pytest.fixture
def at(tmp_path: Path) -> Bench:
    return bench(tmp_path)


def made_up(at: Bench, run: str) -> None:
    """Scores that nobody measured, sealed as if somebody had."""
    kept = Store.open(at.store, create=False).find(run)
    scores = kept.scores | dict.fromkeys(list(kept.scores)[:1], 0.123)
    (kept.path / "scores.json").write_text(json.dumps(scores))
    (kept.path / "manifest.json").unlink()
    manifest.write(kept.path, row(kept.recipe, scores, kept.facts))


def test_several_ids_on_stdin(at: Bench) -> None:
    ids = f"{at.ids['ft']}\n{at.ids['umia']}\n{at.ids['ft']}\n"
    said = at.ok("replay", "-", "--json", input=ids)
    assert [one["id"] for one in said.json] == [at.ids["ft"], at.ids["umia"]]
    assert {one["schema"] for one in said.json} == {"deepunlearn.replay/1"}
    first = said.json[0]
    assert (first["state"], first["apart"], first["asked"], first["made"]) == ("equal", {}, True, 1)
    assert {part: one["state"] for part, one in first["parts"].items()} == dict.fromkeys(
        ("status", "weights", "outputs", "scores"), "equal"
    )


def test_what_is_not_what_its_recipe_makes_ends_in_7(at: Bench) -> None:
    made_up(at, at.ids["ft"])
    said = at("replay", at.ids["ft"], at.ids["umia"])
    assert said.code == 7
    assert [line.split("\t")[5] for line in said.lines] == ["state", "different", "equal"]
    assert "same recipe gives the same bits" in said.err


@pytest.mark.slow
def test_deep_lists_the_inputs(at: Bench) -> None:
    said = at.ok("replay", at.ids["umia"], "--deep", "--json")
    assert [one["name"] for one in said.json] == ["original", "ft", "umia"]
    assert [one["asked"] for one in said.json] == [False, False, True]


@pytest.mark.slow
def test_another_number_of_threads_is_rounding(at: Bench) -> None:
    said = at.ok("replay", at.ids["ft"], "--threads", 2, "--json")
    (one,) = said.json
    assert one["state"] in ("equal", "rounding")
    assert one["apart"] == {"threads": {"then": 1, "now": 2}}
    weights = one["parts"]["weights"]
    assert weights["state"] == "equal" or weights["largest"] <= weights["bound"]


def test_a_plan_makes_nothing(at: Bench) -> None:
    said = at.ok("replay", at.ids["umia"], "--deep", "--dry-run", "--json")
    assert [one["state"] for one in said.json] == ["make"] * 3
    assert not list(at.store.glob(".replay-*"))


PLAIN = ("--no-augment", "-p", "momentum=0", "-p", "weight_decay=0")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("train", "methods", "attack"),
    [
        (("--canary",), ("ft", "do-nothing"), "canary"),
        (("--track", "--approximate"), ("amnesiac",), "umia"),
        (("--track", *PLAIN), ("singlegradient",), "umia"),
    ],
)
def test_canaries_and_tracks_are_made_again(tmp_path: Path, train, methods, attack) -> None:
    where = ("--store", tmp_path / "store", "-q")
    named = ("--dataset", "digits", "--model", "resnet-tiny", "-p", "epochs=1", "--forget", "random:0.1")
    (start,) = ok("train", *named, *train, *where).lines
    models = [ok("unlearn", start, "--method", name, *where).lines[0] for name in methods]
    attacks = ok("attack", attack, models[0], *where).lines
    said = ok("replay", *models, *attacks, "--deep", "--json", *where[:2])
    assert {one["id"] for one in said.json} >= {start, *models, *attacks}
    assert {one["state"] for one in said.json} == {"equal"}


@pytest.mark.slow
def test_ulira_and_all_its_models_are_made_again(tmp_path: Path) -> None:
    where = ("--store", tmp_path / "store", "-q")
    named = ("--dataset", "digits", "--model", "resnet-tiny", "--method", "ft", "-p", "epochs=1")
    sizes = ("--training", "epochs=1", "--splits", "8", "--forget-sets", "2")
    attack = call("attack", "ulira", *named, *sizes, *where).lines[-1]
    (alone,) = ok("replay", attack, "--json", *where[:2]).json
    assert (alone["state"], alone["made"]) == ("equal", 1)
    every = ok("replay", attack, "--deep", "--json", *where[:2]).json
    assert len([one for one in every if one.get("kind") == "shadow"]) == 8 + 16
    assert {one["state"] for one in every if "state" in one} == {"equal"}


@pytest.mark.slow
def test_weights_from_elsewhere_stop_no_other_run(at: Bench) -> None:
    """A bare copy of the weights knows nothing of its making."""
    import torch

    bare = at.home / "bare.pt"
    torch.save(Store.open(at.store, create=False).find(at.ids["original"]).weights(), bare)
    words = ("--dataset", "digits", "--model", "resnet-tiny", "--forget", "random:0.1", "-q")
    (done,) = at.ok("unlearn", bare, "--method", "do-nothing", *words).lines
    (brought,) = [one["id"] for one in at.runs(kind="checkpoint")]
    at.refused("replay", brought, code=2, says=("came from elsewhere", f"deepunlearn verify {brought}"))
    said = at("replay", brought, done, "--json")
    assert said.code == 6
    assert [one["state"] for one in said.json] == ["not made", "equal"]
    assert "was taken as it is" in at.ok("replay", done, "--deep").err


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["replay", "ffff"], 3, "no run"),
        (["replay", "ID", "--threads", "0"], 2, "--threads 0"),
        (["replay", "ID", "--scratch", "nowhere"], 3, "nowhere"),
        (["replay", "ID", "--device", "cuda:77"], 2, "cuda:77"),
        (["replay", "ID", "--model", "resnet18"], 2, "not resnet18"),
        (["replay", "ID", "--method", "fft"], 3, "fft"),
    ],
)
def test_bad_values(at: Bench, words: list[str], code: int, says: str) -> None:
    at.refused(*[at.ids["ft"] if word == "ID" else word for word in words], code=code, says=(says,))


def test_code_of_ones_own_is_imported_only_if_it_is_named(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEEPUNLEARN_STORE", str(tmp_path / "s"))
    (tmp_path / "own_net.py").write_text(NET)
    (run,) = ok("train", "--dataset", "digits", *MODEL, "-p", "epochs=1", "-q").lines
    forgotten()
    said = refused("replay", run, code=2, says=("asks to import 'own_net:make'",))
    assert not Path("imported").exists()
    hint = said.splitlines()[-1].partition("deepunlearn ")[2]
    assert ok(*shlex.split(hint), "--json").json[0]["state"] == "equal"
    sys.modules.pop("own_net", None)


def test_a_plug_in_is_loaded_only_if_it_is_named(at: Bench, monkeypatch) -> None:
    monkeypatch.chdir(at.home)
    written(at.home / "mine.py", METHOD)
    with unaware():
        (run,) = at.ok("unlearn", at.ids["original"], "--method", "./mine.py:Mine", "-q").lines
    with unaware():
        said = at.refused("replay", run, code=3, says=("nobody named it here",))
        (hint,) = re.findall(r"`deepunlearn (.*?)`", said)
        assert at.ok(*shlex.split(hint), "--json").json[0]["state"] == "equal"


def test_a_terminal_has_a_table(at: Bench) -> None:
    code, out, _ = on_terminal("replay", at.ids["umia"], "--store", at.store, cwd=at.home)
    assert code == 0
    assert "umia" in out
    assert "equal" in out


def forecasts(said) -> list[dict]:
    return [one for one in said.json if one["schema"] == "deepunlearn.forecast/1"]


def test_a_plan_of_unlearning_says_what_to_expect(at: Bench) -> None:
    words = ("unlearn", at.ids["original"], "--method", "ft,ga", "-p", "epochs=1", "--dry-run")
    rows = forecasts(at.ok(*words, "--json"))
    assert [one["method"] for one in rows] == ["retrain", "do-nothing", "ft", "ga"]
    for one in rows[2:]:
        assert (one["RetDev"], one["UMIA_low"], one["TA_high"]) == (None, None, None), (
            "one request tells nothing"
        )
        assert one["work"] > 0
    said = at.ok(*words)
    assert "unknown: too few runs tell what it gives" in said.err
    assert "are to hold" not in said.err
    assert "–" in said.out


@pytest.mark.slow
def test_with_a_past_there_is_an_interval(at: Bench) -> None:
    specs = ("random:0.1:1", "random:0.12:2", "random:0.1:3")
    for spec in specs:
        models = at.ok("unlearn", at.ids["original"], "--method", "ft,retrain", "--forget", spec, "-q")
        at.ok("attack", "umia", "-", "-q", input=models.out)
    words = (
        "unlearn",
        at.ids["original"],
        "--method",
        "ft",
        "--forget",
        "random:0.1:4",
        "--dry-run",
        "--json",
    )
    (ft,) = [one for one in forecasts(at.ok(*words)) if one["method"] == "ft"]
    assert (ft["runs"], ft["sets"], ft["alike"]) == (4, 4, 4), "with what the store began with"
    assert ft["level"] == 0.75, "three of them beside a retrained model"
    for name in ("RetDev", "UMIA", "Indisc", "TA", "seconds"):
        assert ft[f"{name}_low"] <= ft[name] <= ft[f"{name}_high"]
    assert call(*words, "--store", at.store).json == at.ok(*words).json
