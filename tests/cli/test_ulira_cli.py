"""`attack ulira` as people type it: resumable, shared, with its controls."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_kit import TRAIN, bench, call, ok, on_terminal

SMALL = ("--dataset", "digits", "--model", "resnet-tiny", "--training", "epochs=1")
ULIRA = ("attack", "ulira", *SMALL, "--splits", "5", "--forget-sets", "2", "--share", "0.4")


@pytest.fixture(scope="module")
def done(tmp_path_factory) -> Path:
    store = tmp_path_factory.mktemp("ulira") / "store"
    ok(*ULIRA, "--method", "ft", "-p", "epochs=1", "--store", store, "-q")
    return store


def counts(store: Path, *more: str) -> dict[str, tuple[int, int]]:
    rows = ok(*ULIRA, *more, "--dry-run", "--store", store, "--json").json
    return {row["models"]: (row["there"], row["to_make"]) for row in rows}


def test_a_dry_run_counts(tmp_path):
    found = counts(tmp_path / "store", "--method", "ft,ct")
    assert found == {
        "original": (0, 5),
        "do-nothing": (0, 10),
        "retrain": (0, 10),
        "ft": (0, 10),
        "ct": (0, 10),
    }


def test_what_is_there_is_not_made_again(done):
    found = counts(done, "--method", "ft,ct", "-p", "epochs=1")
    assert found == {
        "original": (5, 0),
        "do-nothing": (10, 0),
        "retrain": (10, 0),
        "ft": (10, 0),
        "ct": (0, 10),
    }
    more = counts(done, "--method", "ft", "-p", "epochs=1", "--splits", "7")
    assert more["original"] == (5, 2)
    assert more["ft"] == (10, 4)


def test_rows_have_controls_intervals_and_a_verdict(done):
    rows = ok(*ULIRA, "--method", "ft", "-p", "epochs=1", "--store", done, "--json").json
    tables = {row["schema"] for row in rows}
    assert tables == {"deepunlearn.ulira/2", "deepunlearn.ulira-others/1", "deepunlearn.ulira-figure/1"}
    found = {row["method"]: row for row in rows if row["schema"] == "deepunlearn.ulira/2"}
    assert set(found) == {"do-nothing", "retrain", "ft"}
    assert [found[name]["verdict"] for name in ("do-nothing", "retrain")] == [None, None]
    assert found["ft"]["verdict"] in ("PASS", "FAIL", "INCONCLUSIVE")
    for row in found.values():
        assert row["accuracy_low"] <= row["accuracy"] <= row["accuracy_high"]
        assert sum(row["histogram"]) == pytest.approx(1)
        assert row["models"] == 10


def test_other_attacks_and_klom_stand_in_a_table_of_their_own(done):
    said = ok(*ULIRA, "--method", "ft", "-p", "epochs=1", "--store", done, "--json")
    rows = {row["method"]: row for row in said.json if row["schema"] == "deepunlearn.ulira-others/1"}
    assert set(rows) == {"do-nothing", "retrain", "ft"}
    for row in rows.values():
        for name in ("online", "offline", "rmia"):
            assert row[f"auc_{name}_low"] <= row[f"auc_{name}"] <= row[f"auc_{name}_high"]
        assert row["klom"] is row["klom_floor"] is row["klom_excess"] is None


def test_people_see_them_and_what_klom_takes(done):
    words = (*ULIRA, "--method", "ft", "-p", "epochs=1", "--store", str(done))
    code, out, err = on_terminal(*words, cwd=done.parent)
    said = " ".join((out + err).split())
    assert code == 0
    assert "KLoM takes 10 models of a picture: --splits 32 here" in said
    assert all(name in said for name in ("online LiRA", "offline LiRA", "RMIA", "its floor"))


def test_klom_stands_beside_its_floor(done, monkeypatch):
    from deepunlearn_cli.evaluation import klom

    monkeypatch.setattr(klom, "LEAST_MODELS", 2)
    said = ok(*ULIRA, "--method", "ft", "-p", "epochs=1", "--store", done, "--json")
    rows = {row["method"]: row for row in said.json if row["schema"] == "deepunlearn.ulira-others/1"}
    floor = rows["retrain"]["klom"]
    assert {row["klom_floor"] for row in rows.values()} == {floor}
    assert rows["retrain"]["klom_excess"] == 0
    for row in rows.values():
        assert row["klom_low"] < row["klom"] < row["klom_high"]
        assert row["klom_excess"] == pytest.approx(row["klom"] - floor)
        assert row["klom_pictures"] > 0


def test_models_are_shared_by_both_statistics(done):
    before = len(ok("runs", "--kind", "shadow", "--store", done).lines)
    ok(*ULIRA, "--method", "ft", "-p", "epochs=1", "--statistic", "correctness", "--store", done)
    assert len(ok("runs", "--kind", "shadow", "--store", done).lines) == before == 35


def test_tables_of_other_commands_do_not_see_the_shadows(done):
    assert call("rank", "--store", done).code == 3
    assert not ok("runs", "--kind", "train", "--store", done).lines


def test_rank_by_ulira(done):
    rows = ok("rank", "--metric", "ulira", "--json", "--store", done).json
    found = {row["method"]: row for row in rows}
    assert set(found) == {"do-nothing", "retrain", "ft"}
    assert {row["ulira_rank"] for row in rows} == {None}, "one method is no ranking"
    assert found["ft"]["ulira_mean"] >= 0
    assert 0 < found["ft"]["ulira_n"] <= 5


def test_rank_by_ulira_without_one(done):
    said = call("rank", "--metric", "ulira", "--dataset", "mnist", "--store", done)
    assert said.code == 3
    assert "--dataset mnist leaves none" in said.err


def test_unlearned_shadows_keep_no_weights(done):
    rows = ok("runs", "--kind", "shadow", "--store", done, "--json").json
    kept = {row["name"]: set() for row in rows}
    for row in rows:
        files = ok("show", row["id"], "--store", done, "--json").json[0]["files"]
        kept[row["name"]].add("weights.safetensors" in files)
    assert kept["ft"] == kept["retrain"] == {False}
    assert (kept["original"], kept["do-nothing"]) == ({True}, {False})


def test_the_figure(done, tmp_path):
    for name in ("one.svg", "two.svg", "figure.png"):
        ok(*ULIRA, "--method", "ft", "-p", "epochs=1", "--store", done, "--figure", tmp_path / name)
    text = (tmp_path / "one.svg").read_text()
    assert text == (tmp_path / "two.svg").read_text()
    assert "<svg" in text
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_a_method_without_usable_models_is_told_and_stops_no_other(done):
    said = call(*ULIRA, "--method", "ga,ft", "-p", "lr=0.1", "-p", "epochs=1", "-p", "momentum=0.99",
                "--store", done, "--json")  # fmt: skip
    rows = {row["method"]: row for row in said.json if row["schema"] == "deepunlearn.ulira/2"}
    broken = [row for row in rows.values() if row["reason"]]
    assert said.code == (6 if broken else 0)
    assert rows["do-nothing"]["accuracy"] is not None


@pytest.mark.parametrize(
    ("more", "code", "text"),
    [
        (("--splits", "3"), 2, "--splits 3 is not 4 or more"),
        (("--splits", "100000"), 2, "--splits 100000 is not 1000 or less"),
        (("--forget-sets", "0"), 2, "--forget-sets 0 is not 1 or more"),
        (("--forget-sets", "0"), 2, "--forget-sets 0"),
        (("--share", "0"), 2, "--share 0"),
        (("--share", "1"), 2, "--share 1"),
        (("--training", "epoch=3"), 2, "epoch"),
        (("--method", "mgs"), 3, "mgs"),
        (("--figure", "f.gif"), 2, "f.gif"),
        (("--figure", "no/f.svg"), 2, "folder does not exist"),
        (("--preset", "no.toml"), 3, "no.toml"),
        (("--tolerance", "0.9"), 2, "--tolerance 0.9"),
    ],
)
def test_bad_arguments(tmp_path, more, code, text):
    said = call(*ULIRA, "--method", "ft", *more, "--store", tmp_path / "store")
    assert (said.code, text in " ".join(said.err.split())) == (code, True), said.err
    assert not list((tmp_path / "store").glob("runs/*/*"))


def test_a_ref_stands_for_its_setting_and_its_method(done, tmp_path):
    out = ("--out", tmp_path / "orig.pt", "--store", done, "-q")
    (original,) = ok(*TRAIN, *out).lines
    (ft,) = ok("unlearn", original, "--method", "ft", "-p", "epochs=1", "--store", done, "-q").lines
    of_file = (tmp_path / "orig.pt", "--method", "ft", "-p", "epochs=1")
    for words in ((ft,), ("--ckpt", ft), ("-",), of_file):
        asked = ("attack", "ulira", *words, "--splits", "5", "--forget-sets", "2", "--share", "0.4")
        planned = ok(*asked, "--dry-run", "--json", "--store", done, input=f"{ft}\n").json
        assert {row["models"]: row["to_make"] for row in planned} == dict.fromkeys(
            ("original", "do-nothing", "retrain", "ft"), 0
        )


def test_what_a_ref_does_not_say_is_asked_for(tmp_path):
    place = bench(tmp_path)
    place.refused("attack", "ulira", place.ids["original"], code=2, says=("no method", "--method"))
    place.refused("attack", "ulira", "--method", "ft", code=2, says=("--dataset and --model missing",))
    words = ("attack", "ulira", place.ids["ft"], "--val-share", "0.2")
    place.refused(*words, code=2, says=("--val-share may go with a checkpoint file",))


@pytest.mark.parametrize(
    ("design", "says"),
    [
        (("--share", "0.999"), "1 pictures are too few to train BatchNorm"),
        (("--share", "0.99"), "too few to train BatchNorm"),
        (("--training", "batch_size=4"), "batch_size=4 is too small to train BatchNorm"),
    ],
)
def test_models_of_too_few_pictures_are_refused_before_anything_is_trained(tmp_path, design, says):
    sizes = () if "--share" in design else ("--share", "0.4")
    said = call(
        "attack",
        "ulira",
        *SMALL,
        "--splits",
        "4",
        *design,
        *sizes,
        "--method",
        "ft",
        "--store",
        tmp_path / "s",
    )
    assert (said.code, says in said.err) == (2, True), said
    assert "hint: " in said.err
    assert ok("runs", "--kind", "shadow", "--store", tmp_path / "s", "--json").json == []


@pytest.mark.parametrize("more", [(), ("--dry-run",)])
def test_a_design_that_scores_no_picture_is_refused_before_anything_is_trained(tmp_path, more):
    few = ("--splits", "4", "--forget-sets", "1", "--share", "0.01")
    said = call("attack", "ulira", *SMALL, *few, "--method", "ft", *more, "--store", tmp_path / "store")
    assert said.code == 2
    assert "no picture would be forgotten twice and never seen in 4 splits" in said.err
    assert ok("runs", "--kind", "shadow", "--store", tmp_path / "store", "--json").json == []


def test_a_verdict_on_the_method_of_a_requests_model_is_recorded(done, tmp_path):
    from deepunlearn_cli.store.ledger import Ledger

    words = ("--store", done, "-q")
    (original,) = ok(*TRAIN, "--forget", "random:0.1", *words).lines
    made = ("unlearn", original, "--method", "ft", "-p", "epochs=1", "--request", "R")
    (ft,) = ok(*made, *words).lines
    (other,) = ok(*made[:4], "-p", "epochs=1", "-p", "lr=0.02", "--request", "S", *words).lines
    ok(*ULIRA[:2], ft, *ULIRA[ULIRA.index("--splits") :], "--store", done)
    (audited,) = [one for one in Ledger(done).entries() if one.event == "audited"]
    assert (audited.request, audited.details["run"], audited.details["attack"]) == ("R", ft, "ulira")
    assert (audited.details["of"], len(audited.details["attacks"])) == ("method", 3)
    assert other != ft
