"""`store diff`, `store merge` and `export` on the command line."""

from __future__ import annotations

import csv
import sqlite3
from pathlib import Path

import cli_kit
import pandas as pd
import pytest


@pytest.fixture
def place(tmp_path) -> cli_kit.Bench:
    return cli_kit.bench(tmp_path)


@pytest.fixture
def empty(tmp_path) -> Path:
    folder = tmp_path / "empty"
    cli_kit.ok("train", "--dataset", "digits", "--model", "resnet-tiny", "--dry-run", "--store", folder)
    return folder


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_merged_store_has_the_same_runs_and_tables(place, empty):
    every = place.ok("runs", "-q").lines
    plan = cli_kit.ok("store", "merge", place.store, "--dry-run", "--store", empty)
    assert sorted(plan.lines) == sorted(every)
    assert cli_kit.ok("runs", "--store", empty).lines == []
    merged = cli_kit.ok("store", "merge", place.store, "--store", empty)
    assert sorted(merged.lines) == sorted(every)
    assert "were here" in merged.err
    assert cli_kit.ok("verify", "--store", empty).code == 0
    assert cli_kit.ok("store", "diff", place.store, "--store", empty, "--json").out == ""
    assert cli_kit.ok("store", "merge", place.store, "--store", empty).lines == []
    tables = [cli_kit.ok("report", "--table", "scores", "--store", one).out for one in (place.store, empty)]
    assert tables[0] == tables[1]


def test_a_single_run_comes_with_its_inputs(place, empty):
    taken = cli_kit.ok("store", "merge", place.store, place.ids["ft"][:6], "--store", empty).lines
    assert taken[-1] == place.ids["ft"]
    assert place.ids["original"] in taken
    assert place.ids["ga"] not in taken
    apart = cli_kit.ok("store", "diff", place.store, "--store", empty, "--json").json
    assert {row["state"] for row in apart} == {"there"}


def test_damage_is_told_and_the_others_go_on(place, empty):
    weights = place.store / "runs" / place.ids["ft"][:2] / place.ids["ft"] / "weights.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    said = cli_kit.call("store", "merge", place.store, "--store", empty, "--json")
    assert said.code == 6
    damaged = {row["id"]: row["problem"] for row in said.json if "problem" in row}
    assert "SHA-256" in damaged[place.ids["ft"]]
    assert place.ids["ga"] in cli_kit.ok("runs", "-q", "--store", empty).lines


def test_bad_stores_are_refused(place, tmp_path):
    place.refused("store", "merge", tmp_path / "none", code=3, says=("no store",))
    place.refused("store", "diff", place.store, code=2, says=("itself",))
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis").write_text("x")
    place.refused("store", "merge", tmp_path / "home", code=2, says=("not a deepunlearn store",))


def test_csv_holds_every_run_and_curve(place, tmp_path):
    out = tmp_path / "figures"
    place.ok("export", "--out", out)
    runs = {row["id"]: row for row in rows(out / "runs.csv")}
    assert sorted(runs) == sorted(place.ok("runs", "-q").lines)
    (shown,) = place.ok("show", place.ids["ft"], "--json").json
    row = runs[place.ids["ft"]]
    assert float(row["score.RA"]) == shown["scores"]["RA"]
    assert float(row["param.lr"]) == shown["recipe"]["params"]["lr"]
    assert row["created"].endswith("+00:00")
    losses = [r for r in rows(out / "curves.csv") if r["id"] == place.ids["ft"] and r["name"] == "loss"]
    assert [(int(r["step"]), float(r["value"])) for r in losses] == [(1, shown["log"][0]["loss"])]


def test_parquet_says_what_csv_says(place, tmp_path):
    pytest.importorskip("pyarrow")
    place.ok("export", "--to", "parquet", "--out", tmp_path, "--kind", "unlearn")
    frame = pd.read_parquet(tmp_path / "runs.parquet")
    assert set(frame["kind"]) == {"unlearn"}
    assert {place.ids["ft"], place.ids["ga"]} <= set(frame["id"])
    assert len(pd.read_parquet(tmp_path / "curves.parquet"))


@pytest.mark.slow
def test_mlflow_gets_each_run_once(place, tmp_path):
    pytest.importorskip("mlflow")
    out = tmp_path / "mlruns"
    first = place.ok("export", "--to", "mlflow", "--out", out)
    again = place.ok("export", "--to", "mlflow", "--out", out)
    count = len(place.ok("runs", "-q").lines)
    assert f"{count} runs written" in first.err
    assert f"0 runs written to {out}, {count} were there" in again.err
    with sqlite3.connect(out / "mlflow.db") as db:
        ids = db.execute("SELECT value FROM tags WHERE key = 'deepunlearn.id'").fetchall()
        query = "SELECT m.value FROM metrics m JOIN tags t USING (run_uuid) WHERE t.value = ? AND m.key = ?"
        (accuracy,) = db.execute(query, (place.ids["ft"], "RA")).fetchall()
    assert sorted(one for (one,) in ids) == sorted(place.ok("runs", "-q").lines)
    (shown,) = place.ok("show", place.ids["ft"], "--json").json
    assert accuracy == (shown["scores"]["RA"],)


def test_bad_exports_are_refused(place, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("x")
    place.refused("export", code=2, says=("--out",))
    place.refused("export", "--to", "cvs", "--out", tmp_path, code=3, says=("csv",))
    place.refused("export", "--out", tmp_path / "file", code=2, says=("is a file",))
    place.refused("export", "--out", tmp_path / "new", "--dataset", "none", code=3, says=("--dataset none",))
    assert not (tmp_path / "new").exists()
    monkeypatch.setattr("deepunlearn_cli.core.extras.find_spec", lambda name: None)
    place.refused("export", "--to", "parquet", "--out", tmp_path, code=2, says=("deepunlearn[parquet]",))
    place.refused("export", "--to", "mlflow", "--out", tmp_path, code=2, says=("deepunlearn[mlflow]",))


def test_searches_come_along_and_are_never_replaced(place, empty):
    sweep = ("sweep", place.ids["original"], "--method", "ft", "--trials", "1", "--confirm", "0")
    place.ok(*sweep, "-p", "epochs=1")
    (study,) = place.ok("sweep", "list", "--json").json
    chosen = [row["id"] for row in place.ok("runs", "--name", "ft", "--json").json]
    merged = cli_kit.ok("store", "merge", place.store, "--store", empty)
    assert "1 searches copied" in merged.err
    (copied,) = cli_kit.ok("sweep", "list", "--json", "--store", empty).json
    assert copied == study
    assert {row["id"] for row in cli_kit.ok("runs", "--name", "ft", "--json", "--store", empty).json} == set(
        chosen
    )
    journal = next(one for one in (empty / "studies").glob("ft-*.journal"))
    journal.write_bytes(journal.read_bytes() + b"\n")
    before = journal.read_bytes()
    again = cli_kit.ok("store", "merge", place.store, "--store", empty)
    assert "went on in both stores" in again.err
    assert journal.read_bytes() == before
