"""The chain of a deletion request: train, unlearn, attack; with files as the only thing handed on."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from cli_kit import TRAIN, Bench, bench, files, ok, small_npz
from safetensors.torch import load_file, save_file

from deepunlearn_cli.checkpoints.file import read, write

UNLEARN = ("unlearn", "--method", "ft", "-p", "epochs=1")


@pytest.fixture
def place(tmp_path) -> Bench:
    return bench(tmp_path)


def kinds(store: Path) -> list[str]:
    return [row["kind"] for row in ok("runs", "--store", store, "--json").json]


def test_a_file_of_the_same_store_is_the_run_it_came_from(place):
    said = place.ok(*UNLEARN, "--ckpt", place.orig, "--out", place.home / "clean.pt")
    assert said.lines == [place.ids["ft"]]
    assert "checkpoint" not in kinds(place.store)
    assert (place.home / "clean.pt").is_file()


def test_a_file_in_another_store_becomes_one_run(place, tmp_path):
    other = tmp_path / "other"
    for _ in range(2):
        (made,) = ok(*UNLEARN, "--ckpt", place.orig, "--store", other).lines
    assert kinds(other) == ["checkpoint", "unlearn"]
    recipe = ok("show", made, "--store", other, "--json").json[0]["recipe"]
    shown = place.ok("show", place.ids["ft"], "--json").json[0]["recipe"]
    assert recipe["forget"] == shown["forget"]
    assert recipe["inputs"]["original"]["params"]["training"] == shown["inputs"]["original"]["params"]
    assert {**recipe, "inputs": 0} == {**shown, "inputs": 0, "labels": recipe["labels"]}


def test_adopted_weights_and_scores_are_the_originals(place, tmp_path):
    other = tmp_path / "other"
    ok(*UNLEARN, "--ckpt", place.orig, "--store", other)
    (adopted,) = ok("runs", "--kind", "checkpoint", "--store", other, "--json").json
    (original,) = place.runs(kind="train")
    assert adopted["scores"] == original["scores"]
    assert adopted["setting"] == original["setting"]


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".safetensors", ".ckpt"])
def test_every_kind_of_file_makes_the_chain(place, tmp_path, suffix):
    orig, clean, other = (tmp_path / f"{name}{suffix}" for name in ("o", "c", "s"))
    place.ok(*TRAIN, "--out", orig)
    ok(*UNLEARN, "--ckpt", orig, "--out", clean, "--store", other)
    ok("attack", "umia", clean, "--store", other)
    third = tmp_path / "third"
    said = ok("attack", "umia", clean, "--store", third, "--json").json
    assert said[0]["forget"] == place.runs(name="ft")[0]["forget"]


def test_the_forget_set_travels_when_its_file_is_gone(place, tmp_path):
    rows = np.sort(np.random.default_rng(0).permutation(place_train(place))[:60])
    listed = tmp_path / "forget.txt"
    listed.write_text("".join(f"{row}\n" for row in rows))
    orig = tmp_path / "with.pt"
    place.ok(*TRAIN, "--forget", f"indices:{listed}", "--out", orig)
    listed.unlink()
    assert place.ok(*UNLEARN, "--ckpt", orig, "--dry-run").lines
    other = tmp_path / "other"
    (made,) = ok(*UNLEARN, "--ckpt", orig, "--store", other, "--out", tmp_path / "clean.pt").lines
    shown = ok("show", made, "--store", other, "--json").json[0]
    assert shown["recipe"]["labels"]["forget"] == f"indices:{listed}"
    claims = read(tmp_path / "clean.pt").claims
    assert claims["forget"]["indices"] == rows.tolist()
    assert ok("attack", "umia", tmp_path / "clean.pt", "--store", other, "--json").json[0]["n"] == 60


def place_train(place: Bench) -> np.ndarray:
    from deepunlearn_cli import data

    opened = data.open_dataset("digits", place.store / "data")
    return data.split(opened, data.VAL_SHARE, data.SPLIT_SEED).train


@pytest.mark.parametrize(("limit", "code", "word"), [("1", 5, "PASS"), ("0.5", None, ""), (None, 0, None)])
def test_the_audit_speaks_by_its_exit_code(place, limit, code, word):
    clean = place.home / "clean.pt"
    place.ok(*UNLEARN, "--ckpt", place.orig, "--out", clean)
    said = place("attack", "umia", clean, *(["--fail-above", limit] if limit else []), "--json")
    verdict, blind = (said.json[0][name] for name in ("verdict", "uninformative"))
    codes = {"PASS": 5 if blind else 0, "FAIL": 4, "INCONCLUSIVE": 5}
    assert said.code == (codes[verdict] if limit else 0)
    if word is not None and code is not None:
        assert (said.code, verdict) == (code, word)


@pytest.mark.parametrize(
    ("lead", "size", "code"), [(0, 4000, 0), (2, 400, 4), (-2, 400, 4), (0, 100, 5), (9, 20, 5)]
)
def test_all_verdicts(place, monkeypatch, lead, size, code):
    from outputs_kit import outputs

    from deepunlearn_cli.attacks.umia import UMIA

    honest, called = UMIA.evidence, []

    def rigged(self, given):
        """The attacked model is read first, doing nothing after it, which leaks."""
        called.append(given)
        return honest(self, outputs(lead if len(called) == 1 else 2, size, size))

    monkeypatch.setattr(UMIA, "evidence", rigged)
    said = place("attack", "umia", place.ids["ga"], "--draw-seed", "7", "--fail-above", "0.6")
    assert said.code == code, said.err
    assert said.lines


def test_an_audit_is_held_against_the_retrained_model_once_there_is_one(place):
    alone = place.ok("attack", "umia", place.ids["ft"], "--json").json
    assert [row["method"] for row in alone] == ["ft", "do-nothing"]
    assert alone[0]["reference"] == "holdout"
    place.ok("unlearn", "--method", "retrain", "--ckpt", place.ids["original"])
    beside = place.ok("attack", "umia", place.ids["ft"], "--json").json
    assert [row["method"] for row in beside] == ["ft", "retrain", "do-nothing"]
    assert beside[0]["reference"] == "retrained"
    area = next(one for one in beside[0]["figures"] if one["metric"] == "auc")
    assert [area["value"], area["control"]] == pytest.approx([row["auc"] for row in beside[:2]])
    assert area["gap"] == pytest.approx(beside[0]["auc"] - beside[1]["auc"])
    assert beside[0]["do_nothing"] in ("PASS", "FAIL", "INCONCLUSIVE")
    assert [row["verdict"] for row in beside[1:]] == [None, None]


def test_samples_of_a_run_carry_their_dataset_indices(place, tmp_path):
    place.ok("attack", "umia", place.ids["ft"], "--samples", tmp_path / "s.csv", "--by", "class")
    import csv

    from deepunlearn_cli.data import load_forget

    rows = list(csv.DictReader((tmp_path / "s.csv").open()))
    forgotten = load_forget(place.runs(name="ft")[0]["forget"], place.store / "data")
    assert {int(r["index"]) for r in rows if r["side"] == "forget"} <= set(forgotten.indices.tolist())
    assert {r["class"] for r in rows} == {str(digit) for digit in range(10)}


def test_a_bare_state_dict_with_its_facts(place, tmp_path):
    weights = read(place.orig).weights
    about = ("--dataset", "digits", "--model", "resnet-tiny", "--forget", "class:3")
    other = tmp_path / "other"
    ids = set()
    shapes = {
        "bare.pt": weights,
        "wrapped.pth": {"state_dict": weights, "epoch": 3},
        "lightning.ckpt": {"state_dict": {f"model.{k}": v for k, v in weights.items()}},
        "parallel.bin": {f"module.{k}": v for k, v in weights.items()},
    }
    for name, content in shapes.items():
        torch.save(content, tmp_path / name)
        ids |= set(ok(*UNLEARN, "--ckpt", tmp_path / name, *about, "--store", other).lines)
    save_file(weights, tmp_path / "bare.safetensors")
    ids |= set(ok(*UNLEARN, "--ckpt", tmp_path / "bare.safetensors", *about, "--store", other).lines)
    assert len(ids) == 1
    assert kinds(other) == ["checkpoint", "unlearn"]
    assert ok("show", *ids, "--store", other, "--json").json[0]["recipe"]["labels"]["forget"] == "class:3"


def test_retrain_of_a_checkpoint_is_its_control(place, tmp_path):
    other = tmp_path / "other"
    (clean,) = ok(*UNLEARN, "--ckpt", place.orig, "--store", other).lines
    (retrained,) = ok("unlearn", "--method", "retrain", "--ckpt", place.orig, "--store", other).lines
    said = ok("attack", "umia", clean, "--store", other, "--json").json
    assert [row["method"] for row in said] == ["ft", "retrain", "do-nothing"]
    assert retrained in [row["target"] for row in said]
    mine = place.ok(
        "train", "--dataset", "digits", "--model", "resnet-tiny", "-p", "epochs=1", "--role", "retrain"
    )
    assert mine.lines == [retrained], "the retrained model is the same run on every machine"


def test_an_unlearned_file_is_no_original(place):
    clean = place.home / "clean.pt"
    place.ok(*UNLEARN, "--ckpt", place.orig, "--out", clean)
    place.refused(*UNLEARN, "--ckpt", clean, code=2, says=("not an original",))
    place.refused(*UNLEARN, "--ckpt", place.ids["ft"], code=2, says=("deepunlearn show",))


def test_another_original_of_the_same_recipe_is_not_taken_for_it(place, tmp_path):
    file = read(place.orig)
    moved = {k: v + 0.01 if v.is_floating_point() else v for k, v in file.weights.items()}
    write(tmp_path / "other.pt", moved, file.claims)
    (made,) = place.ok(*UNLEARN, "--ckpt", tmp_path / "other.pt").lines
    assert made != place.ids["ft"]
    assert "checkpoint" in kinds(place.store)


def test_the_file_out_is_the_runs_weights(place, tmp_path):
    out = tmp_path / "out.safetensors"
    said = place.ok(*TRAIN, "--out", out)
    assert said.err.splitlines() == [f"wrote {out}"]
    kept = load_file(next(place.store.glob(f"runs/*/{place.ids['original']}/weights.safetensors")))
    assert all(torch.equal(kept[name], value) for name, value in load_file(out).items())
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_dataset_elsewhere_on_another_machine(tmp_path):
    spec = small_npz(tmp_path / "squares.npz")
    first, second, moved = tmp_path / "first", tmp_path / "second", tmp_path / "moved"
    train = (
        "train",
        "--dataset",
        spec,
        "--model",
        "resnet-tiny",
        "-p",
        "epochs=1",
        "--out",
        tmp_path / "o.pt",
    )
    (original,) = ok(*train, "--store", first).lines
    moved.mkdir()
    shutil.move(tmp_path / "squares.npz", moved / "squares.npz")
    said = ok(*UNLEARN, "--ckpt", tmp_path / "o.pt", "--store", first)
    assert ok("show", said.lines[0], "--store", first, "--json").json[0]["inputs"] == {"original": original}
    again = ("--dataset", f"npz:{moved / 'squares.npz'}")
    ok(*UNLEARN, "--ckpt", tmp_path / "o.pt", *again, "--store", second)
    assert files(second)
