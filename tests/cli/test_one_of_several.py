"""One of several things asked for cannot be: it is told and counted (6), and the others go on."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from cli_kit import TRAIN, bench, call, ok

from deepunlearn_cli.sweep import presets
from deepunlearn_cli.sweep.presets import Preset


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    """An original without a validation part."""
    store = tmp_path_factory.mktemp("several") / "store"
    ok(*TRAIN, "--val-share", "0", "--forget", "random:0.1", "--store", store, "-q")
    return store


def original(store: Path) -> str:
    return ok("runs", "--kind", "train", "--name", "original", "--store", store, "-q").lines[0]


def names(store: Path, ids: list[str]) -> list[str]:
    rows = ok("runs", "--store", store, "--json").json
    return [row["name"] for one in ids for row in rows if row["id"] == one]


@pytest.mark.parametrize("more", [(), ("--jobs", "2")])
def test_a_method_that_cannot_be_stops_no_other(store, more):
    said = call(
        "unlearn", original(store), "--method", "nablatau,kde,ft,ga", *more, "--force", "--store", store
    )
    assert said.code == 6
    assert names(store, said.lines) == ["ft", "ga"]
    for method in ("nablatau", "kde"):
        assert f"warning: {method} (run " in said.err, "each is told"
    assert said.err.count("--val-share 0.15") == 2


def test_a_method_that_has_no_recipe_here_stops_no_other(store):
    said = call("unlearn", original(store), "--method", "amnesiac,ft", "--store", store)
    assert said.code == 6
    assert names(store, said.lines) == ["ft"]
    assert "Amnesiac needs the track" in said.err
    planned = call("unlearn", original(store), "--method", "amnesiac,ft", "--dry-run", "--store", store)
    assert planned.code == 6
    assert "Amnesiac needs the track" in planned.err
    alone = call("unlearn", original(store), "--method", "amnesiac", "--store", store)
    assert alone.code == 2


def test_a_method_without_the_preset_stops_no_other(store, tmp_path):
    presets.write(Preset("ft", 1, {"epochs": 1}), tmp_path / "ft.toml")
    words = ("unlearn", original(store), "--preset", tmp_path / "ft.toml", "--store", store)
    said = call(*words, "--method", "ga,ft")
    assert said.code == 6
    assert names(store, said.lines) == ["ft"]
    assert "is a preset of ft, not of ga" in said.err
    assert call(*words, "--method", "ga").code == 2
    assert call(*words, "--method", "ga,ct").code == 2, "nothing is left"


def test_a_damaged_run_among_several_stops_no_other(store):
    words = ("unlearn", original(store), "--method", "ct,srl", "--store", store)
    first = ok(*words).lines
    (store / "runs" / first[0][:2] / first[0] / "manifest.json").unlink()
    said = call(*words)
    assert said.code == 6
    assert said.lines == first[1:]
    assert re.search(f"deepunlearn prune --store [^ ]+ {first[0]}", said.err)
    states = {row["id"]: row["state"] for row in ok(*words, "--dry-run", "--json").json if "state" in row}
    assert states == {first[0]: "damaged", first[1]: "made"}
    ok("prune", first[0], "--yes", "--store", store)


def test_a_model_whose_outputs_cannot_be_read_stops_no_other_audit(store):
    first, other = ok("unlearn", original(store), "--method", "ft,srl", "--store", store).lines
    ok("attack", "umia", first, other, "--store", store)
    path = store / "runs" / first[:2] / first / "outputs.safetensors"
    sound = path.read_bytes()
    path.write_bytes(sound[:-8] + b"\0\1\2\3\4\5\6\7")
    try:
        said = call("attack", "umia", first, other, "--store", store)
        assert said.code == 6
        assert len(said.lines) == 1, "the other has its answer"
        assert re.search(f"deepunlearn verify --store [^ ]+ {first}", said.err)
        assert call("attack", "umia", first, "--store", store).code == 7
    finally:
        path.write_bytes(sound)


@pytest.mark.slow
def test_a_study_that_cannot_be_opened_stops_no_other_search(tmp_path):
    place = bench(tmp_path)
    words = ("sweep", "--method", "ft,ga", "--trials", "1", "--ckpt", place.ids["original"])
    place.ok(*words)
    [journal] = (place.store / "studies").glob("ga-*.journal")
    sound = journal.read_bytes()
    journal.write_bytes(b"not a journal\n")
    said = place(*words[:3], "--trials", "2", *words[5:])
    assert said.code == 6
    assert "ga-" in said.err
    assert "not an Optuna journal" in said.err
    assert [row["trials"] for row in place.ok("report", "--table", "sweep", "--json").json] == [2]
    assert journal.read_bytes() == b"not a journal\n"
    journal.write_bytes(sound)
    place.ok(*words[:3], "--trials", "2", *words[5:])
