"""Bad input: one line, a hint, the right exit code, and nothing written."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from cli_kit import TRAIN, Bench, bench, call, files, ok, refused, small_npz

from deepunlearn_cli.checkpoints.file import read, write

FT = ("unlearn", "--method", "ft", "-p", "epochs=1")


@pytest.fixture
def place(tmp_path) -> Bench:
    return bench(tmp_path)


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("train", "--dataset", "digts", "--model", "resnet-tiny"), 3, ("digts", "digits")),
        (("train", "--dataset", "digits", "--model", "resnet19"), 3, ("resnet19", "resnet18")),
        (("train", "--dataset", "folder:/no/such", "--model", "resnet18"), 3, ("/no/such",)),
        (("train", "--dataset", "npz:/no/such.npz", "--model", "resnet18"), 3, ("/no/such.npz",)),
        (("train", "--dataset", "folder", "--model", "resnet18"), 2, ("folder:PATH",)),
        ((*TRAIN, "-p", "lrr=1"), 2, ("lrr", "lr")),
        ((*TRAIN, "-p", "lr=high"), 2, ("lr=high", "number")),
        ((*TRAIN, "-p", "lr=99"), 2, ("lr=99", "10")),
        ((*TRAIN, "-p", "momentum"), 2, ("name=value",)),
        ((*TRAIN, "-p", "epochs=2"), 2, ("twice",)),
        ((*TRAIN, "--seeds", "1-x"), 2, ("1-x",)),
        ((*TRAIN, "--seeds", "1,1"), 2, ("twice",)),
        ((*TRAIN, "--role", "copy"), 2, ("copy", "original")),
        ((*TRAIN, "--precision", "fp8"), 2, ("fp8", "bf16")),
        ((*TRAIN, "--device", "cuda:77"), 2, ("cuda:77",)),
        ((*TRAIN, "--seeds", "0-1", "--out", "x.pt"), 2, ("--out",)),
        ((*TRAIN, "--out", "x.txt"), 2, ("x.txt", ".pt")),
        ((*TRAIN, "--out", "/no/such/folder/x.pt"), 2, ("/no/such/folder/x.pt",)),
        (("unlearn", "--method", "mgs", "--ckpt", "abcd"), 3, ("mgs", "msg")),
        (("unlearn", "--method", "msg", "--ckpt", "abcd"), 3, ("no store",)),
        (("unlearn", "--method", "msg", "--ckpt", "missing.pt"), 3, ("missing.pt",)),
        (("attack", "umia", "abcd", "--fail-above", "0.2"), 2, ("0.2",)),
        (("rank",), 3, ("no store",)),
        (("runs",), 3, ("no store",)),
        (("bench", "quik"), 3, ("quik", "quick")),
    ],
)  # fmt: skip
def test_refused_before_a_store_is_made(words, code, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused(*words, "--store", tmp_path / "new", code=code, says=says)
    assert not (tmp_path / "new").exists()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("more", [(), ("--seeds", "0-1")])
def test_batches_too_small_for_the_network_are_refused(more, tmp_path):
    words = (*TRAIN, "-p", "batch_size=1", *more, "--store", tmp_path / "s")
    said = call(*words)
    assert said.code == 2
    for text in ("batch_size=1", "BatchNorm", "batch_size=9"):
        assert said.err.count(text) >= (2 if more else 1)  # of each run, where there are several
    assert not list((tmp_path / "s" / "runs").glob("*/*"))


class Trap:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return (Path.touch, (self.target,))


def broken(kind: str, place: Bench, folder: Path) -> Path:
    """A checkpoint file with a fault."""
    path = folder / f"{kind}.pt"
    whole = place.orig.read_bytes()
    if kind == "truncated":
        path.write_bytes(whole[: len(whole) // 2])
    elif kind == "noise":
        path.write_bytes(bytes(range(256)) * 10)
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "words":
        path.write_text("junk\n")
    elif kind == "code":
        path.write_bytes(pickle.dumps({"state_dict": Trap(folder / "executed")}))
    elif kind == "torch-code":
        torch.save({"state_dict": Trap(folder / "executed")}, path)
    else:
        torch.save({"list": [1, 2], "text": {"a": "b"}}[kind], path)
    return path


@pytest.mark.parametrize(
    "kind", ["truncated", "noise", "empty", "words", "code", "torch-code", "list", "text"]
)
def test_a_broken_checkpoint_is_told_and_never_run(place, tmp_path, kind):
    path = broken(kind, place, tmp_path)
    words = (*FT, "--ckpt", path, "--dataset", "digits", "--model", "resnet-tiny")
    place.refused(*words, code=2, says=(str(path),))
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(("model", "dataset"), [("resnet18", "digits"), ("resnet-tiny", "npz")])
def test_weights_of_another_shape_are_listed(place, tmp_path, model, dataset):
    spec = small_npz(tmp_path / "four.npz") if dataset == "npz" else dataset
    torch.save(read(place.orig).weights, tmp_path / "bare.pt")
    words = (*FT, "--ckpt", tmp_path / "bare.pt", "--dataset", spec, "--model", model, "--forget", "class:3")
    said = call(*words, "--store", place.store)
    assert said.code == 2
    assert "does not fit the model" in said.err
    assert ("missing" in said.err) or ("fc.weight is (10, 64), not (4, 64)" in said.err)
    assert "checkpoint" not in [row["kind"] for row in place.runs()]


def test_a_checkpoint_at_chance_is_warned_of(place, tmp_path):
    state = read(place.orig).weights
    torch.save({name: torch.zeros_like(value) for name, value in state.items()}, tmp_path / "zero.pt")
    words = ("--ckpt", tmp_path / "zero.pt", "--dataset", "digits", "--model", "resnet-tiny")
    said = place.ok("unlearn", "--method", "do-nothing", *words, "--forget", "class:3")
    assert "warning:" in said.err
    assert "chance" in said.err
    shown = " ".join(place.ok("report", *said.lines).err.split())
    assert "no usable model: retain accuracy" in shown
    assert "at chance for 10 classes" in shown


def test_claims_never_import_code(place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "evil_module.py").write_text("raise SystemExit('imported')")
    file = read(place.orig)
    claims = dict(file.claims) | {"recipe": {**file.claims["recipe"], "model": "evil_module:factory"}}
    write(tmp_path / "evil.pt", file.weights, claims)
    place.refused(*FT, "--ckpt", tmp_path / "evil.pt", code=2, says=("evil_module:factory", "--model"))


FORGET = {
    "empty.txt": ("", 2, "empty"),
    "words.txt": ("one\ntwo\n", 2, "one"),
    "outside.txt": ("3\n99999\n", 2, "99999"),
    "twice.txt": ("{a}\n{a}\n", 2, "{a}"),
    "test.txt": ("1700\n", 2, "1700"),
    "validation.txt": ("{v}\n", 2, "{v}"),
    "everything.txt": ("{all}", 2, "nothing is left"),
}


@pytest.mark.parametrize("name", FORGET)
def test_forget_files(place, tmp_path, name):
    from deepunlearn_cli.data import open_dataset, split

    parts = split(open_dataset("digits", place.store / "data"))
    known = {"a": str(parts.train[0]), "v": str(parts.val[0]), "all": "\n".join(map(str, parts.train))}
    text, code, says = FORGET[name]
    (tmp_path / name).write_text(text.format(**known))
    words = (*FT, "--ckpt", place.ids["original"], "--forget", f"indices:{tmp_path / name}")
    place.refused(*words, code=code, says=(says.format(**known),))


@pytest.mark.parametrize(
    ("spec", "code"),
    [
        ("indices:/no/such", 3),
        ("class:11", 3),
        ("random:2", 2),
        ("random:x", 2),
        ("some", 2),
        ("class:3:0", 2),
    ],
)
def test_forget_specs(place, spec, code):
    place.refused(
        *FT, "--ckpt", place.ids["original"], "--forget", spec, code=code, says=(spec.split(":")[-1],)
    )


@pytest.mark.parametrize(("ref", "code"), [("ffff", 3), ("abc", 2), ("wxyz", 2), ("", 2)])
def test_run_ids(place, ref, code):
    place.refused("show", ref, code=code)
    place.refused(*FT, "--ckpt", ref, code=code)


def test_an_ambiguous_id_names_the_candidates(place):
    ids = [f"abcd{n:012x}" for n in range(2)]
    for run_id in ids:
        (place.store / "runs/ab" / run_id).mkdir(parents=True)
        (place.store / "runs/ab" / run_id / "manifest.json").write_text("{}")
    place.refused("show", "abcd", code=2, says=tuple(ids))


def test_an_unlearned_model_or_an_attack_is_no_start(place):
    place.refused(*FT, "--ckpt", place.ids["ft"], code=2, says=("not an original",))
    place.refused(*FT, "--ckpt", place.ids["umia"], code=2, says=("attack",))


def test_a_foreign_folder_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("x")
    refused(*TRAIN, "--store", tmp_path, code=2, says=("not a deepunlearn store",))
    refused(*TRAIN, "--store", tmp_path / "mine.txt", code=2)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_missing_files_offline_name_the_cure(tmp_path, monkeypatch):
    monkeypatch.setenv("DEEPUNLEARN_DATA", str(tmp_path / "raw"))
    said = call(
        "train", "--dataset", "cifar10", "--model", "resnet18", "--offline", "--store", tmp_path / "s"
    )
    assert said.code == 3
    assert "data_batch_1" in said.err
    assert str(tmp_path / "raw") in said.err
    assert "hint:" in said.err


def test_a_method_whose_layers_the_model_lacks(place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flat_net.py").write_text(
        "from torch import nn\ndef make(num_classes): return nn.Sequential(nn.Flatten(), nn.Linear(64, num_classes))\n"
    )
    model = ("--model", "flat_net:make")
    (original,) = place.ok("train", "--dataset", "digits", *model, "-p", "epochs=1").lines
    unlearn = ("unlearn", "--method", "ct", "--ckpt", original, *model)
    place.refused(*unlearn, code=2, says=("ct", "convolution"))


def test_a_diverging_run_is_recorded_and_the_batch_goes_on(place):
    diverge = ("-p", "epochs=400", "-p", "lr=0.1", "-p", "weight_decay=0")
    said = place("unlearn", "--method", "ga", "--ckpt", place.ids["original"], *diverge)
    assert said.code == 6
    assert said.err.splitlines()[-2].startswith("error: ga ")
    assert said.err.splitlines()[-1].startswith("hint:")
    (failed,) = place.runs(status="failed")
    assert "became" in failed["reason"] or "NaN" in failed["reason"]
    again = place("unlearn", "--method", "ga", "--ckpt", place.ids["original"], *diverge)
    assert (again.code, len(place.runs(status="failed"))) == (6, 1)
    batch = place("unlearn", "--method", "ga,do-nothing", "--ckpt", place.ids["original"], *diverge)
    assert batch.code == 6
    assert len(batch.lines) == 1
    assert place.clean()


def test_empty_stdin_is_usage(place):
    place.refused(*FT, "--ckpt", "-", code=2, says=("no run id",), input="")


@pytest.mark.parametrize(
    ("text", "says"),
    [("datset = ['digits']", "datasets"), ("datasets = [", "TOML"), ("datasets = ['digits']", "models")],
)
def test_unreadable_plans(tmp_path, text, says):
    (tmp_path / "plan.toml").write_text(text)
    refused("bench", tmp_path / "plan.toml", "--store", tmp_path / "s", code=2, says=(says,))
    assert not (tmp_path / "s").exists()


def test_tables_without_a_reference_say_how_to_get_one(place):
    for command in ("rank", "report"):
        place.refused(command, code=3, says=("retrain",))
    place.ok("report", "--table", "scores")
    place.refused("report", "--table", "9", code=3, says=("scores",))
    place.refused("rank", "--linkage", "wrad", code=2)


def test_a_flipped_byte_is_corruption(place):
    weights = next(place.store.glob("runs/*/*/weights.safetensors"))
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(bytes(data))
    said = place("verify")
    assert said.code == 7
    assert weights.parent.name in said.out


def test_pruning_keeps_what_others_need(place):
    place.refused("prune", place.ids["original"], "--yes", code=2, says=("input",))
    place.refused("prune", place.ids["umia"], code=2, says=("--yes",))
    before = files(place.store)
    place.ok("prune", place.ids["umia"], "--dry-run")
    assert files(place.store) == before
    place.ok("prune", place.ids["umia"], "--yes")
    assert place.ids["umia"] not in place.ok("runs").lines
    place.refused("prune", code=2)


def test_scores_that_cannot_be_attacked(place, tmp_path):
    np.save(tmp_path / "few.npy", np.array(sorted(_training(place))[:3]))
    (few,) = place.ok(
        *FT, "--ckpt", place.ids["original"], "--forget", f"indices:{tmp_path / 'few.npy'}"
    ).lines
    place.refused("attack", "umia", few, code=2, says=("10 samples",))


def _training(place: Bench) -> list[int]:
    from deepunlearn_cli.data import open_dataset, split

    return split(open_dataset("digits", place.store / "data")).train.tolist()


def test_json_failures_are_one_object(tmp_path):
    said = call("rank", "--json", "--store", tmp_path / "none")
    assert said.out == ""
    report = json.loads(said.err)
    assert report["schema"] == "deepunlearn.error/1"
    assert report["code"] == said.code == 3
    assert ok("methods", "--json").json[0]["schema"] == "deepunlearn.method/1"


@pytest.mark.parametrize("path", ["9" * 5000, "/dev/null/x"])
@pytest.mark.parametrize("words", [("rank", "--from"), ("report", "--from"), ("bench",)])
def test_a_path_that_cannot_be_is_told(tmp_path, words, path):
    said = call(*words, path, "--store", tmp_path / "store")
    assert said.code in (2, 3), said
    assert [line.split(":")[0] for line in said.err.splitlines()] == ["error", "hint"]
