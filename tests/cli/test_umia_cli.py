"""`attack umia` as people type it: verdicts, saved scores, samples."""

from __future__ import annotations

import csv
import json
import re

import numpy as np
import pytest
from cli_kit import call, ok

from deepunlearn_cli.core.errors import ExitCode
from deepunlearn_cli.engine import predict


@pytest.fixture
def scores(tmp_path):
    """Losses of a model that has not forgotten, and of one that has."""
    rng = np.random.default_rng(0)
    test = rng.exponential(1, 400)
    files = {
        "leaky": (rng.exponential(0.1, 400), test),
        "clean": (rng.exponential(1, 400), test),
        "retrained": (rng.exponential(1, 400), test),
    }
    for name, (forget, against) in files.items():
        np.savez(tmp_path / f"{name}.npz", values=forget)
        np.savez(tmp_path / f"{name}-test.npz", values=against)
    return tmp_path


def of(scores, name, *more, control=None):
    held = ("--control", scores / f"{control}.npz", scores / f"{control}-test.npz") if control else ()
    files = ("--scores", scores / f"{name}.npz", "--against", scores / f"{name}-test.npz")
    return call("attack", "umia", *files, *held, *more)


@pytest.mark.parametrize(
    ("name", "more", "verdict", "code"),
    [
        ("clean", ("--tolerance", "0.1"), "PASS", 0),
        ("leaky", ("--tolerance", "0.1"), "FAIL", 4),
        ("leaky", (), "FAIL", 0),
        ("leaky", ("--gate",), "FAIL", 4),
        ("clean", ("--tolerance", "0.005"), "INCONCLUSIVE", 5),
        ("leaky", ("--fail-above", "0.6"), "FAIL", 4),
        ("clean", ("--fail-above", "0.6", "--metric", "auc"), "PASS", 0),
    ],
)
@pytest.mark.parametrize("control", [None, "retrained"])
def test_the_exit_code_follows_the_verdict_if_asked(scores, name, more, verdict, code, control):
    said = of(scores, name, *more, "--json", control=control)
    row = said.json[0]
    assert (row["verdict"], said.code) == (verdict, code)
    against_guessing = "guessing" if "--fail-above" in more else "holdout"
    assert row["reference"] == ("retrained" if control and "--fail-above" not in more else against_guessing)
    assert [one["metric"] for one in row["figures"]] == (
        ["auc"] if "auc" in more else ["accuracy", "auc", "tpr_1", "tpr_1_below"]
    )
    assert row["metric"] in {one["metric"] for one in row["figures"]}
    assert len(said.json) == (2 if control else 1)
    assert row["gap_low"] < row["gap"] < row["gap_high"]


@pytest.mark.parametrize(
    ("name", "original", "more", "verdict", "blind", "code"),
    [
        ("clean", "clean", (), "PASS", True, 5),
        ("clean", "clean", ("--accept-uninformative",), "PASS", True, 0),
        ("clean", "leaky", (), "PASS", False, 0),
        ("leaky", "clean", (), "FAIL", False, 4),
        ("leaky", "clean", ("--accept-uninformative",), "FAIL", False, 4),
    ],
)
def test_a_pass_that_doing_nothing_would_get_is_none_for_a_gate(
    scores, name, original, more, verdict, blind, code
):
    given = ("--original", scores / f"{original}.npz", scores / f"{original}-test.npz", "--tolerance", "0.1")
    said = of(scores, name, *given, *more, "--json", control="retrained")
    row = said.json[0]
    assert (row["verdict"], row["uninformative"], said.code) == (verdict, blind, code)
    assert row["do_nothing"] == ("PASS" if original == "clean" else "FAIL")
    told = " ".join(of(scores, name, *given, *more, control="retrained").err.split())
    assert ("this test could not have seen a difference" in told) == blind
    assert of(scores, name, *given[:3], *more, control="retrained").code == 0, "no gate was asked for"


def test_a_pass_without_the_original_says_that_it_may_be_blind(scores):
    told = of(scores, "clean", "--tolerance", "0.1", control="retrained").err
    assert "whether doing nothing would pass too is not known" in " ".join(told.split())


def test_figures_may_be_chosen(scores):
    one = of(scores, "leaky", "--metric", "tpr_1_below, auc", "--json").json[0]
    assert [figure["metric"] for figure in one["figures"]] == ["tpr_1_below", "auc"]
    told = " ".join(of(scores, "leaky").err.split())
    assert "FAIL: " in told
    assert "beyond: " in told, "the other figures are told of"


def test_ten_samples_are_no_verdict(scores, tmp_path):
    for name, value in (("a", 0.5), ("b", 0.6)):
        np.savez(tmp_path / f"{name}.npz", values=np.full(10, value))
    said = call("attack", "umia", "--scores", tmp_path / "a.npz", "--against", tmp_path / "b.npz", "--gate")
    assert (said.code, "fewer than 30 samples" in " ".join(said.err.split())) == (5, True)


def test_classes_are_matched_and_said_to_be(tmp_path):
    rng = np.random.default_rng(0)
    for name, size, mix in (("f", 300, [0.9, 0.1]), ("t", 900, [0.5, 0.5])):
        labels = rng.choice(2, size, p=mix)
        logits = np.zeros((size, 2))
        logits[np.arange(size), labels] = rng.normal(1 + 2 * labels, 1)
        np.savez(tmp_path / f"{name}.npz", logits=logits, labels=labels)
    words = (
        "attack",
        "umia",
        "--scores",
        tmp_path / "f.npz",
        "--against",
        tmp_path / "t.npz",
        "--tolerance",
        "0.1",
    )
    row = call(*words, "--json").json[0]
    assert (row["class_matched"], row["verdict"] != "FAIL") == (True, True)
    assert row["auc_low"] < 0.5 < row["auc_high"]
    assert "weighted to the forgotten ones' classes" in " ".join(call(*words).err.split())
    assert (row["n"], row["n_forget"], row["n_unseen"]) == (300, 300, 900)


def test_power_is_stated(scores):
    said = of(scores, "clean", "--tolerance", "0.005")
    assert "forgotten pictures would settle it (there are 400)" in " ".join(said.err.split())


def test_samples_classes_and_the_most_exposed(scores, tmp_path):
    rng = np.random.default_rng(1)
    for name, lead in (("f", 2), ("t", 0)):
        labels = rng.integers(0, 3, 120)
        logits = rng.normal(size=(120, 3)) + 2 * np.eye(3)[labels] * (1 + lead)
        np.savez(tmp_path / f"{name}.npz", logits=logits, labels=labels, index=np.arange(120) + 500)
    out = tmp_path / "samples.csv"
    files = ("--scores", tmp_path / "f.npz", "--against", tmp_path / "t.npz")
    said = call("attack", "umia", *files, "--by", "class", "--top", "5", "--samples", out, "--json")
    by_schema = {}
    for row in said.json:
        by_schema.setdefault(row["schema"], []).append(row)
    assert {k: len(v) for k, v in by_schema.items()} == {
        "deepunlearn.umia/4": 1,
        "deepunlearn.umia-class/1": 3,
        "deepunlearn.umia-sample/1": 5,
    }
    rows = list(csv.DictReader(out.open()))
    assert len(rows) == 240
    assert {row["side"] for row in rows} == {"forget", "against"}
    top = by_schema["deepunlearn.umia-sample/1"]
    assert top[0]["percentile"] == max(float(r["percentile"]) for r in rows if r["side"] == "forget")
    assert all(500 <= row["index"] < 620 for row in top)
    call("attack", "umia", *files, "--samples", tmp_path / "samples.jsonl")
    lines = (tmp_path / "samples.jsonl").read_text().splitlines()
    assert [json.loads(line)["index"] for line in lines] == [int(row["index"]) for row in rows]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ({"values": np.full(50, np.nan)}, "50 of 50 numbers are not finite"),
        ({"values": np.zeros((50, 2))}, "shape"),
        ({"values": np.zeros(0)}, "shape"),
        ({"logits": np.zeros((50, 2))}, "neither logits with labels nor values"),
        ({"logits": np.zeros((50, 2)), "labels": np.zeros(40, int)}, "labels are not 50"),
        ({"logits": np.zeros((50, 2)), "labels": np.full(50, 2)}, "no column"),
        ({"values": np.array(["a"] * 50)}, "not finite numbers"),
    ],
)
def test_bad_files_of_scores(scores, tmp_path, content, text):
    np.savez(tmp_path / "bad.npz", **content)
    said = call("attack", "umia", "--scores", tmp_path / "bad.npz", "--against", scores / "clean.npz")
    assert said.code == ExitCode.USAGE
    assert text in " ".join(said.err.split())
    assert len(said.err.splitlines()) == 2


def test_a_pickle_is_not_run(tmp_path, scores):
    np.save(tmp_path / "bad.npy", np.array([{}], dtype=object), allow_pickle=True)
    said = call("attack", "umia", "--scores", tmp_path / "bad.npy", "--against", scores / "clean.npz")
    assert said.code == ExitCode.USAGE


def test_losses_as_text(scores, tmp_path):
    for name in ("clean", "clean-test"):
        np.savetxt(tmp_path / f"{name}.txt", np.load(scores / f"{name}.npz")["values"])
    text = ok("attack", "umia", "--scores", tmp_path / "clean.txt", "--against", tmp_path / "clean-test.txt",
              "--json").json[0]  # fmt: skip
    assert text["auc"] == of(scores, "clean", "--json").json[0]["auc"]


@pytest.mark.parametrize(
    ("args", "code", "text"),
    [
        (("--scores", "no.npz", "--against", "no.npz"), 3, "no file no.npz"),
        (("abcd", "--against", "train"), 2, "neither test, val nor class"),
        (("abcd", "--control", "a.npz", "b.npz"), 2, "--control belongs to --scores"),
        (("abcd", "--scores", "a.npz"), 2, "a run was given too"),
        (("--scores", "a.npz"), 2, "--scores needs unseen samples"),
        (("--scores", "a.npz", "--against", "b.npz", "--retrained", "c"), 2, "--retrained belongs to runs"),
        (("abcd", "--tolerance", "0.6"), 2, "--tolerance 0.6"),
        (("abcd", "--tolerance", "0.1", "--fail-above", "0.6"), 2, "two rules"),
        (("abcd", "--metric", "acc"), 2, "unknown metric"),
        (("abcd", "--by", "colour"), 2, "--by colour"),
        (("abcd", "--samples", "x.txt"), 2, ".csv or .jsonl"),
        (("abcd", "--top", "-1"), 2, "--top -1"),
        ((), 2, "no run id or checkpoint"),
    ],
)
def test_bad_arguments(args, code, text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = call("attack", "umia", *args)
    assert (said.code, text in " ".join(said.err.split())) == (code, True), said.err
    assert not list(tmp_path.iterdir())


def files_of(tmp_path, **changes):
    """Logits, labels and index of both sides, of the audited model and of its control, each perhaps changed."""
    rng, made = np.random.default_rng(0), {}
    for name, start in (("forget", 0), ("test", 1000), ("r_forget", 0), ("r_test", 1000)):
        labels = np.random.default_rng(start).integers(0, 4, 60)
        part = {"logits": rng.normal(size=(60, 4)), "labels": labels, "index": start + np.arange(60)}
        part = changes[name](part) if name in changes else part
        np.savez(tmp_path / f"{name}.npz", **part)
        made[name] = tmp_path / f"{name}.npz"
    return (
        "--scores",
        made["forget"],
        "--against",
        made["test"],
        "--control",
        made["r_forget"],
        made["r_test"],
    )


def without_index(part):
    return {name: array for name, array in part.items() if name != "index"}


def probabilities(part):
    raised = np.exp(part["logits"])
    return part | {"logits": raised / raised.sum(axis=1, keepdims=True)}


@pytest.mark.parametrize("attack", ["umia", "ks"])
@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"r_forget": lambda p: without_index(p | {"labels": (p["labels"] + 1) % 4}),
          "forget": without_index}, "labels of 60 of 60 samples differ"),
        ({"r_test": lambda p: p | {"labels": np.roll(p["labels"], 1)}}, "samples differ between"),
        ({"r_forget": lambda p: p | {"index": p["index"] + 1}}, "index 0 is in"),
        ({"r_test": lambda p: {n: a[:50] for n, a in without_index(p).items()}}, "60 samples and its control"),
        ({"forget": lambda p: p | {"index": p["index"] // 2}}, "30 samples are there more than once, first index 0"),
        ({"test": probabilities}, "sums up to 1: these are probabilities"),
        ({"r_test": lambda p: p | {"logits": 100 * probabilities(p)["logits"]}}, "sums up to 100: these are"),
        ({"forget": lambda p: p | {"logits": probabilities(p)["logits"].astype(np.float16)}}, "these are probabilities"),
        ({"test": lambda p: p | {"logits": np.hstack([p["logits"], p["logits"]])}}, "of 4 classes and"),
        ({"r_forget": lambda p: p | {"logits": p["logits"][:, :3], "labels": p["labels"] % 3}}, "of 4 classes and"),
        ({"forget": lambda p: p | {"labels": p["labels"] - 1}}, "label -1 has no column"),
    ],
)  # fmt: skip
def test_files_that_do_not_belong_together_are_refused(tmp_path, attack, changes, text):
    said = call("attack", attack, *files_of(tmp_path, **changes), "--json")
    assert (said.code, said.out) == (ExitCode.USAGE, ""), said
    assert text in " ".join(json.loads(said.err)["error"].split())


def test_the_same_samples_in_another_order_are_put_right_by_their_index(tmp_path):
    turned = np.random.default_rng(5).permutation(60)
    plain = ok("attack", "umia", *files_of(tmp_path), "--json").json
    mixed = {
        f"r_{n}": lambda p: {name: array[turned] for name, array in p.items()} for n in ("forget", "test")
    }
    other = ok("attack", "umia", *files_of(tmp_path, **mixed), "--json").json
    assert [row["gap"] for row in other] == [row["gap"] for row in plain]
    assert other[1]["auc"] == plain[1]["auc"]


def test_logarithms_of_probabilities_are_logits(tmp_path):
    def logs(part):
        return part | {"logits": np.log(probabilities(part)["logits"])}

    plain = ok("attack", "umia", *files_of(tmp_path), "--json").json
    other = ok(
        "attack", "umia", *files_of(tmp_path, **dict.fromkeys(("forget", "test"), logs)), "--json"
    ).json
    assert other[0]["auc"] == plain[0]["auc"]


def test_one_file_is_not_both_sides(scores):
    said = call("attack", "umia", "--scores", scores / "clean.npz", "--against", scores / "clean.npz")
    assert (said.code, "hold the same scores" in said.err) == (ExitCode.USAGE, True)


def test_a_control_that_is_the_audited_model_is_told(scores):
    text = " ".join(of(scores, "clean", control="clean").err.split())
    assert "the audited scores themselves" in text
    assert "the audited scores themselves" not in of(scores, "clean", control="retrained").err


@pytest.mark.parametrize("value", ["1", "101"])
def test_the_hint_to_a_bad_value_works_as_typed(scores, value):
    said = of(scores, "clean", "--folds", value)
    hint = said.err.splitlines()[-1]
    assert hint == "hint: --folds 10 is the default"
    assert of(scores, "clean", *hint.split()[1:3], "--tolerance", "0.1").code == 0


def printed_tolerance(said) -> list[str]:
    """The tolerances that an answer names."""
    return re.findall(r"--tolerance (0\.\d\d)", said.err)


def test_the_tolerance_that_would_settle_it_does(scores):
    said = of(scores, "clean", "--tolerance", "0.02", control="retrained")
    (wide,) = printed_tolerance(said)
    assert (
        of(scores, "clean", "--tolerance", "0.02", "--json", control="retrained").json[0]["verdict"] != "PASS"
    )
    assert (
        of(scores, "clean", "--tolerance", wide, "--json", control="retrained").json[0]["verdict"] == "PASS"
    )
    narrow = f"{float(wide) - 0.01:.2f}"
    assert (
        of(scores, "clean", "--tolerance", narrow, "--json", control="retrained").json[0]["verdict"] != "PASS"
    )


def test_a_limit_of_the_rule_in_use_is_named(scores):
    said = of(scores, "clean", "--fail-above", "0.51")
    (wide,) = re.findall(r"--fail-above (0\.\d\d) would pass", said.err)
    assert of(scores, "clean", "--fail-above", wide, "--json").json[0]["verdict"] == "PASS"


def test_an_uninformative_pass_names_a_test_that_tells(scores):
    words = ("--original", scores / "leaky.npz", scores / "leaky-test.npz")
    blind = of(scores, "clean", "--tolerance", "0.49", *words, control="retrained")
    if "PASS, uninformative" not in blind.err:
        pytest.skip("the original fails at any tolerance")
    for told in printed_tolerance(blind):
        row = of(scores, "clean", "--tolerance", told, *words, "--json", control="retrained").json[0]
        assert (row["verdict"], row["uninformative"]) == ("PASS", False)


def test_the_answer_comes_first_and_says_side_size_and_controls(scores):
    words = ("--original", scores / "leaky.npz", scores / "leaky-test.npz")
    lines = of(scores, "leaky", *words, control="retrained").err.splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("FAIL: "))
    told = " ".join(lines[first:])
    assert "tells the model from one that was trained without" in told
    assert re.search(r"\d\.\d{3}, retrained 0\.\d{3}, doing nothing 0\.\d{3}: 0\.\d{3} above", told)
    assert "too little is forgotten" in told
    assert "next: a setting that forgets more" in told


@pytest.mark.slow
def test_an_audit_runs_no_model_that_has_said_it_all(tmp_path, monkeypatch):
    """Unlearned and retrained models never; the original once, as do-nothing control; of a file each part."""
    passes: list[int] = []
    run = predict.predict
    monkeypatch.setattr(predict, "predict", lambda *given: passes.append(len(given[1])) or run(*given))
    store, named = ("--store", tmp_path / "store", "-q"), ("--dataset", "digits", "--model", "resnet-tiny")
    (start, _) = ok(
        "train", *named, "--role", "both", "-p", "epochs=1", "--forget", "random:0.1", *store
    ).lines
    out = tmp_path / "clean.pt"
    (model,) = ok("unlearn", "--method", "ft", "--ckpt", start, "-p", "epochs=1", "--out", out, *store).lines
    counts = [len(passes)]
    for words in (
        (model, *store),
        (model, "--draw-seed", "5", *store),
        (out, "--store", tmp_path / "other", "-q"),
    ):
        ok("attack", "umia", *words)
        counts.append(len(passes))
    assert np.diff(counts).tolist() == [4, 0, 4]
    assert sum(passes[-4:]) == 1797
