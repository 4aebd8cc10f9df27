"""A model and pictures from elsewhere, on the command line: nothing wrong in silence."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import foreign_kit
import pytest
import torch
from cli_kit import Said, call, ok, refused
from safetensors.torch import save_file

from deepunlearn_cli.checkpoints.file import read
from deepunlearn_cli.cli.restated import settings
from deepunlearn_cli.execution import code
from deepunlearn_cli.store import Store

FT = ("unlearn", "--method", "ft", "-p", "epochs=1", "--forget", "random:0.3", "-p", "batch_size=64")
HOW = ("--training", "epochs=2", "--training", "lr=0.02", "--training", "batch_size=64")


@pytest.fixture
def about(tmp_path, monkeypatch) -> tuple[str, ...]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return (*foreign_kit.place(tmp_path, theirs=foreign_kit.trained()), "--store", str(tmp_path / "store"))


class TestPreparation:
    """Pictures are prepared as the model was trained, or somebody is asked."""

    def test_numbers_that_nobody_gave_are_asked_for(self, about):
        said = refused(
            *FT, "--ckpt", "theirs.pth", *about, code=2, says=("of training pictures", "--mean none")
        )
        assert "100.0%" in said

    @pytest.mark.parametrize("given", [("--mean", "none"), ("--mean", "0", "--std", "1")])
    def test_they_are_kept_and_the_accuracy_is_told(self, about, given):
        said = ok(*FT, "--ckpt", "theirs.pth", *about, *given)
        assert "theirs.pth reads 100.0% of training pictures and 100.0% of test pictures" in said.err
        assert "is that right?" in said.err
        (run,) = said.lines
        recipe = ok("show", run, *about[-2:], "--json").json[0]["recipe"]
        assert (recipe["data"]["mean"], recipe["data"]["std"]) == ([0.0], [1.0])
        assert recipe["inputs"]["original"]["data"]["mean"] == [0.0]

    def test_keeping_the_datasets_own_numbers_takes_a_word_and_warns(self, about):
        said = ok(*FT, "--ckpt", "theirs.pth", *about, "--mean", "dataset")
        assert "100.0%" not in said.err
        (run,) = said.lines
        assert "mean" not in ok("show", run, *about[-2:], "--json").json[0]["recipe"]["data"]

    @pytest.mark.parametrize(
        ("given", "code"), [("1.0", 0), ("test=1", 0), ("0.99", 0), ("0.94", 2), ("test=0.5", 2), ("94", 2), ("x=1", 2)]
    )  # fmt: skip
    def test_an_expected_accuracy_is_made_sure_of(self, about, given, code):
        said = call(*FT, "--ckpt", "theirs.pth", *about, "--mean", "none", "--expect-accuracy", given)
        assert said.code == code, said
        assert bool(said.lines) == (code == 0)

    @pytest.mark.parametrize(
        "given",
        [
            ("--mean", "0.5"),
            ("--std", "0.5"),
            ("--mean", "a,b", "--std", "1"),
            ("--mean", "imagenet"),
            ("--mean", "timm"),
            ("--mean", "127", "--std", "60"),
            ("--mean", "none", "--std", "half"),
            ("--channels", "2"),
        ],
    )
    def test_numbers_that_make_no_sense_are_refused(self, about, given):
        refused(*FT, "--ckpt", "theirs.pth", *about, *given, code=2)

    def test_grey_pictures_for_a_colour_model(self, about, tmp_path):
        torch.save(foreign_kit.trained(channels=3), tmp_path / "colour.pth")
        words = (*FT, "--ckpt", "colour.pth", *about, "--mean", "none")
        words = tuple("their_net:colour" if word == "their_net:net" else word for word in words)
        assert "--channels 3" in refused(*words, code=2)
        said = ok(*words, "--channels", "3")
        assert "100.0% of training pictures" in said.err

    def test_interpolation_is_kept_and_makes_other_pictures(self, about):
        train = ("train", *about[:4], "--image-size", "12", "-p", "epochs=1", *about[-2:])
        runs = [ok(*train, *more).lines[0] for more in ((), ("--interpolation", "nearest"))]
        recipes = [ok("show", run, *about[-2:], "--json").json[0]["recipe"] for run in runs]
        assert recipes[1]["data"]["interpolation"] == "nearest"
        assert recipes[0]["data"]["fingerprint"] != recipes[1]["data"]["fingerprint"]
        refused(*train, "--interpolation", "bilinaer", code=2)

    def test_train_takes_them_too(self, about):
        train = ("train", *about[:4], "-p", "epochs=1", *about[-2:])
        (plain,) = ok(*train).lines
        (run,) = ok(*train, "--mean", "half").lines
        assert run != plain
        assert ok("show", run, *about[-2:], "--json").json[0]["recipe"]["data"]["mean"] == [0.5]


class TestReference:
    """A model from elsewhere is held against one that was trained as it was, or against none."""

    def test_its_training_is_asked_for(self, about):
        words = ("unlearn", "--method", "retrain", "--ckpt", "theirs.pth", *about, "--mean", "none")
        said = call(*words, "--forget", "random:0.3")
        assert said.code == 2
        assert "nobody said how theirs.pth was trained" in said.err
        assert "--training" in said.err.splitlines()[-1]
        assert "--control" in said.err.splitlines()[-1]

    @pytest.mark.parametrize("way", ["options", "file", "hyperparameters"])
    def test_what_is_said_makes_the_control_in_either_order(self, about, tmp_path, way):
        (tmp_path / "how.toml").write_text("[training]\nepochs = 60\nlr = 0.05\nbatch_size = 64\n")
        base = (*about, "--mean", "none", "--forget", "random:0.3")
        said = {
            "options": [w for n in ("epochs=60", "lr=0.05", "batch_size=64") for w in ("--training", n)],
            "file": ["--training", "how.toml"],
            "hyperparameters": [w for n in ("epochs=60", "lr=0.05", "batch_size=64") for w in ("-p", n)],
        }[way]
        (first,) = ok(*FT, "--ckpt", "theirs.pth", *base).lines
        (reference,) = ok("unlearn", "--method", "retrain", "--ckpt", "theirs.pth", *base, *said).lines
        (later,) = ok(*FT, "--ckpt", "theirs.pth", *base).lines
        assert later != first, "what was said of a file is known of it from then on"
        for run in (first, later):
            rows = ok("attack", "umia", run, *about[2:4], *about[-2:], "--json").json
            assert (rows[0]["reference"], rows[1]["target"]) == ("retrained", reference)

    @pytest.mark.parametrize("way", ["--training", "-p"])
    def test_what_was_said_last_counts_and_goes_back_too(self, about, way):
        base, more = (
            (*about, "--mean", "none", "--forget", "random:0.3"),
            (*about[2:4], *about[-2:], "--json"),
        )
        retrain = ("unlearn", "--method", "retrain", "--ckpt", "theirs.pth", *base)

        def say(*words: str) -> str:
            return ok(*retrain, *(part for word in words for part in (way, word))).lines[0]

        right, wrong = ("epochs=60", "lr=0.05", "batch_size=64"), ("epochs=59", "lr=0.05", "batch_size=64")
        first = say(*wrong)
        (run,) = ok(*FT, "--ckpt", "theirs.pth", *base).lines
        last = say(*right)
        assert first != last
        assert ok("attack", "umia", run, *more).json[1]["target"] == last
        store = Store.open(about[-1], create=False)
        rows = {row["id"]: row for row in store.rows()}
        found = settings([*rows.values()], store)
        assert found[run] == rows[last]["setting"] != rows[run]["setting"] == rows[first]["setting"]
        assert not {first, last} & found.keys()
        assert any(one["retrained"] is not None for one in ok("report", run, *about[-2:], "--json").json)
        assert ok(*retrain).lines == [last], "it needs not be said again"
        assert say(*wrong) == first
        assert ok("attack", "umia", run, *more).json[1]["target"] == first

    def test_a_reference_of_an_earlier_statement_is_none(self, about):
        base, more = (*about, "--mean", "none", "--forget", "random:0.3"), (*about[2:4], *about[-2:])
        how = [
            ("--training", f"epochs={n}", "--training", "lr=0.05", "--training", "batch_size=64")
            for n in (59, 60)
        ]
        ok("unlearn", "--method", "retrain", "--ckpt", "theirs.pth", *base, *how[0])
        (run,) = ok(*FT, "--ckpt", "theirs.pth", *base).lines
        ok(*FT, "--ckpt", "theirs.pth", *base, *how[1])
        said = call("attack", "umia", run, *more)
        assert "was said anew" in said.err
        (command,) = re.findall("make one: `deepunlearn (.*?)`", said.err)
        (made,) = ok(*shlex.split(command), *more).lines
        rows = call("attack", "umia", run, *more, "--json").json
        assert (rows[0]["reference"], rows[1]["target"]) == ("retrained", made)

    def test_no_augmentation_holds_and_is_the_control(self, about):
        base = (*about, "--mean", "none", "--forget", "random:0.3")
        how = ("-p", "epochs=60", "-p", "lr=0.05", "-p", "batch_size=64")
        (run,) = ok(*FT, "--ckpt", "theirs.pth", *base).lines
        retrain = ("unlearn", "--method", "retrain", "--ckpt", "theirs.pth", *base, *how)
        (reference,) = ok(*retrain, "--no-augment").lines
        shown = ok("show", reference, *about[-2:], "--json").json[0]["recipe"]
        assert shown["data"]["augment"] is False
        assert ok("attack", "umia", run, *about[2:4], *about[-2:], "--json").json[1]["target"] == reference

    def test_a_reference_that_does_not_fit_its_own_pictures_is_refused(self, about):
        base = (*about, "--mean", "none", "--forget", "random:0.3")
        (run,) = ok(*FT, "--ckpt", "theirs.pth", *base, "--training", "epochs=1").lines
        ok("unlearn", "--method", "retrain", "--ckpt", "theirs.pth", *base, "--training", "epochs=1")
        said = call("attack", "umia", run, *about[2:4], *about[-2:])
        assert said.code == 2
        assert "is no reference: it reads" in said.err

    @pytest.mark.parametrize("command", ["unlearn", "attack", "report"])
    def test_a_model_that_the_user_retrained_is_the_control(self, about, tmp_path, command):
        torch.save({"state_dict": foreign_kit.trained(steps=50)}, tmp_path / "retrained.pth")
        base = (*about, "--mean", "none", "--forget", "random:0.3")
        more = ("--control", "retrained.pth")
        (run,) = ok(*FT, "--ckpt", "theirs.pth", *base, *(more if command == "unlearn" else ())).lines
        if command == "report":
            alone = ok("report", run, *about[-2:], "--json").json
            beside = ok("report", run, *about[2:4], *about[-2:], *more, "--json").json
            assert (alone[0]["retrained"], beside[0]["retrained"] is None) == (None, False)
        said = ok(
            "attack", "umia", run, *about[2:4], *about[-2:], "--json", *(more if command == "attack" else ())
        )
        assert [row["method"] for row in said.json] == ["ft", "retrain", "do-nothing"]
        assert said.json[0]["reference"] == "retrained"
        ok("report", *about[-2:])

    def test_a_control_that_is_none_is_refused(self, about, tmp_path):
        weights = {name: value + 1 for name, value in foreign_kit.trained().items()}
        torch.save(weights, tmp_path / "other.pth")
        words = (*FT, "--ckpt", "theirs.pth", *about, "--mean", "none", "--control", "other.pth")
        said = call(*words)
        assert (said.code, said.lines) == (2, [])
        assert "is no reference" in said.err

    @pytest.mark.parametrize("given", ["epochs=x", "colour=red", "none.toml", "augment=maybe"])
    def test_a_training_that_makes_no_sense_is_refused(self, about, given):
        words = (*FT, "--ckpt", "theirs.pth", *about, "--training", given)
        said = call(*words)
        assert said.code in (2, 3), said


class TestFiles:
    """Files say what they are, and what was taken from them."""

    def test_which_weights_were_taken_is_said_and_can_be_chosen(self, about, tmp_path):
        weights = foreign_kit.trained()
        averaged = foreign_kit.trained(steps=50)
        torch.save({"state_dict": weights, "state_dict_ema": averaged}, tmp_path / "both.pth")
        base = (*about, "--mean", "none")
        said = ok(*FT, "--ckpt", "both.pth", *base)
        assert "took state_dict (--weights-key state_dict_ema)" in said.err
        (other,) = ok(*FT, "--ckpt", "both.pth", *base, "--weights-key", "state_dict_ema").lines
        assert [other] != said.lines
        refused(*FT, "--ckpt", "both.pth", *base, "--weights-key", "emma", code=2, says=("state_dict_ema",))

    def test_what_was_left_out_is_said(self, about, tmp_path):
        torch.save(foreign_kit.trained() | {"criterion.weight": torch.ones(4)}, tmp_path / "more.pth")
        said = ok(*FT, "--ckpt", "more.pth", *about, "--mean", "none")
        assert "left out criterion.weight" in said.err

    def test_a_misfit_names_its_kind(self, about, tmp_path):
        weights = foreign_kit.trained()
        torch.save(
            weights | {"fc.weight": torch.zeros(9, 128), "fc.bias": torch.zeros(9)}, tmp_path / "nine.pth"
        )
        said = refused(*FT, "--ckpt", "nine.pth", *about, code=2)
        assert "it tells 9 classes apart, the pictures have 4" in said

    def test_an_out_file_of_a_network_within_a_network_is_read_again(self, about, tmp_path):
        words = tuple("their_net:held" if word == "their_net:net" else word for word in about)
        held = {f"model.{name}": value for name, value in foreign_kit.trained().items()}
        torch.save(held, tmp_path / "held.pth")
        ok(*FT, "--ckpt", "held.pth", *words, "--mean", "none", "--out", "clean.pth")
        assert all(name.startswith("model.") for name in read(Path("clean.pth")).weights)
        more = ("--model", "their_net:held", "--store", str(tmp_path / "second"))
        said = ok("attack", "umia", "clean.pth", *more, "--json")
        assert [row["method"] for row in said.json] == ["ft"]

    @pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
    def test_an_unlearned_file_says_what_it_is_in_another_store(self, about, tmp_path, suffix):
        out = f"clean{suffix}"
        (run,) = ok(*FT, "--ckpt", "theirs.pth", *about, "--mean", "none", "--out", out).lines
        more = ("--model", "their_net:net", "--store", str(tmp_path / "second"))
        said = ok("attack", "umia", out, *more)
        assert f"{out} was made by ft (run {run}, 20" in said.err
        assert "forgot random:0.3" in said.err
        (made,) = [row for row in ok("runs", *more[2:], "--json").json if row["kind"] == "checkpoint"]
        assert (made["name"], made["forget_label"]) == ("ft", "random:0.3")
        sheet = ok("show", made["id"], *more[2:]).out
        assert run in sheet
        assert "UTC" in sheet
        (following,) = ok(*FT, "--ckpt", out, *more).lines
        assert "after\trandom:0.3" in ok("show", following, *more[2:]).out

    def test_half_precision_and_other_layouts_are_taken(self, about, tmp_path):
        halves = {n: v.half() if v.is_floating_point() else v for n, v in foreign_kit.trained().items()}
        save_file(halves, tmp_path / "half.safetensors")
        said = ok(*FT, "--ckpt", "half.safetensors", *about, "--mean", "none")
        assert "100.0% of training pictures" in said.err


def test_what_a_user_says_of_a_file_of_ours_is_not_ignored(about, tmp_path):
    train = ("train", *about[:4], "-p", "epochs=1", "--out", "ours.pt", *about[-2:])
    (original,) = ok(*train).lines
    base = ("--ckpt", "ours.pt", "--model", "their_net:net", *about[-2:])
    (plain,) = ok(*FT, *base).lines
    assert ok("show", plain, *about[-2:], "--json").json[0]["inputs"]["original"] == original
    (other,) = ok(*FT, *base, "--mean", "half").lines
    assert ok("show", other, *about[-2:], "--json").json[0]["inputs"]["original"] != original


def test_editing_ones_own_model_never_returns_yesterdays_figures(about, tmp_path):
    train = ("train", *about[:4], "-p", "epochs=1", *about[-2:])
    (before,) = ok(*train).lines
    assert ok(*train).lines == [before]
    source = tmp_path / "their_net.py"
    source.write_text(source.read_text().replace("torch.relu", "torch.tanh"))
    assert fresh_import(*train).lines != [before]
    said = fresh_import("unlearn", "--method", "ft", "--ckpt", before, *about[2:4], *about[-2:])
    assert said.code == 2
    assert "has changed" in said.err


def test_editing_a_method_without_a_new_revision_is_refused(about, monkeypatch):
    (run,) = ok(*FT, "--ckpt", "theirs.pth", *about, "--mean", "none").lines
    honest = code._text
    monkeypatch.setattr(code, "_text", lambda module: honest(module).replace("cosine", "constant"))
    code._hashed.cache_clear()
    said = call(*FT, "--ckpt", "theirs.pth", *about, "--mean", "none")
    code._hashed.cache_clear()
    assert said.code == 2
    assert f"run {run} was made by other code of ft, at the same revision" in said.err
    assert "ft.py" in said.err


def test_comments_and_documentation_are_no_code(tmp_path, monkeypatch):
    texts = ['"""One."""\ndef f():\n    """Two."""\n    return 1  # three\n', "def f():\n\n    return 1\n"]
    found = set()
    for text in texts:
        (tmp_path / "m.py").write_text(text)
        monkeypatch.setattr(code, "_path", lambda module: tmp_path / "m.py")
        found.add(code._text("m"))
    assert len(found) == 1


def fresh_import(*words: object) -> Said:
    """As a new process has it: nothing of the user's is imported yet."""
    import sys

    sys.modules.pop("their_net", None)
    return call(*words)


class TestSearch:
    """Trials are judged by a model that was retrained as the original was trained, or not at all."""

    def test_a_search_needs_to_know_how_a_model_was_trained(self, about):
        words = ("sweep", "--method", "ft", "--ckpt", "theirs.pth", "--forget", "random:0.3", *about)
        words += ("--mean", "none", "--val-share", "0.3", "--trials", "1", "--confirm", "0")
        refused(*words, code=2, says=("nobody said how theirs.pth was trained", "--training epochs=30"))
        assert not ok("runs", "--kind", "trial", *about[-2:]).lines
        said = call(*words, *HOW)
        assert said.code == 0 or "is no reference" in said.err, said
        (retrain,) = ok("runs", "--name", "retrain", *about[-2:], "--json").json
        assert retrain["params"]["epochs"] == 2
