"""`sweep` on the command line: a search, its preset, its report; workers; kills; bad input."""

from __future__ import annotations

import math
import os
import random
import re
import signal
import time
import tomllib
from collections import Counter
from pathlib import Path

import pytest
from cli_kit import TRAIN, Bench, bench, ok, on_terminal, refused, running, small_npz, until

from deepunlearn_cli.core.fields import Domain
from deepunlearn_cli.sweep import draws, points
from deepunlearn_cli.system.locks import is_free

SWEEP = ("sweep", "--method", "ft", "--trials", "3", "--confirm", "1")


@pytest.fixture
def place(tmp_path) -> Bench:
    return bench(tmp_path)


def trials(place: Bench, method: str) -> list[int]:
    """Complete trials of each study of a method."""
    rows = place.ok("report", "--table", "sweep", "--json").json
    return [row["trials"] for row in rows if row["method"] == method]


@pytest.mark.slow
def test_from_search_to_preset_to_unlearning(place):
    said = place.ok(*SWEEP, "--ckpt", place.ids["original"], "--out", place.home / "ft.toml")
    (model,) = said.lines
    assert "[3/3] ft: " in said.err
    assert "confirming the best 1 and the defaults on 3 fresh seeds each" in said.err
    kept = tomllib.loads((place.home / "ft.toml").read_text())
    assert kept["provenance"]["trials"] == 3
    assert kept["provenance"]["dataset"] == "digits"
    assert kept["provenance"]["originals"] == [place.ids["original"]]
    [(run)] = [row for row in place.runs(kind="unlearn", name="ft") if row["id"] == model]
    assert run["params"] == kept["params"]
    for preset in ("best", place.home / "ft.toml"):
        assert place.ok(
            "unlearn", "--method", "ft", "--ckpt", place.ids["original"], "--preset", preset
        ).lines == [model]
    other = place.ok(
        "unlearn",
        "--method",
        "ft,do-nothing",
        "--ckpt",
        place.ids["original"],
        "--preset",
        "best",
        "-p",
        "lr=0.09",
    ).lines
    assert place.ok("show", other[0], "--json").json[0]["recipe"]["params"] == kept["params"] | {"lr": 0.09}
    before = place.ok("runs", "--kind", "trial").lines
    again = place.ok(*SWEEP, "--ckpt", place.ids["original"], "--json").json
    assert place.ok("runs", "--kind", "trial").lines == before, "nothing was made again"
    assert {row["schema"] for row in again} == {"deepunlearn.sweep/1"}
    assert [row["runs"] for row in again if row["chosen"]] == [[model]]
    assert sum(row["defaults"] for row in again) == 1
    assert place.clean()


@pytest.mark.slow
def test_tables_take_what_somebody_asked_for_and_not_what_searches_chose(place):
    original = place.ids["original"]
    chosen = set()
    for fixed in ("batch_size=64", "batch_size=128"):  # two studies, two choices
        words = ("sweep", "--method", "ft", "--trials", "1", "--confirm", "0", "-p", fixed, "-p", "epochs=1")
        chosen |= set(place.ok(*words, "--ckpt", original).lines)
    assert len(chosen) == 2

    def settings() -> list[str]:
        rows = place.ok("rank", "--json").json
        return sorted(row["label"] for row in rows if row["method"] == "ft")

    place.ok("train", "--dataset", "digits", "--model", "resnet-tiny", "--role", "retrain", "-p", "epochs=1")
    assert settings() == ["FT"], "base's alone"
    said = place.ok("rank")
    assert "left out: 2 runs of ft that searches made and nobody asked for" in said.err
    hint = re.search("`deepunlearn (.*)` does", said.err)
    assert hint
    place.ok(*hint[1].split())
    assert len(settings()) == 2, "asked for by the command that the note names"
    assert set(place.ok("runs", "--kind", "unlearn", "--method", "ft").lines) >= chosen
    one = next(iter(chosen))
    assert place.ok("report", one, "--json").json[0]["id"] == one
    place.ok("prune", *chosen, "--yes")
    assert settings() == ["FT"]
    assert place.clean()


@pytest.mark.slow
def test_trials_keep_scores_without_test_data_and_no_model(place):
    place.ok(*SWEEP, "--ckpt", place.ids["original"])
    rows = place.runs(kind="trial")
    assert len(rows) >= 6, "three of the search, three fresh ones"
    for row in rows:
        assert set(row["scores"]) == {"RA", "FA", "VA", "umia_val"}
    shown = place.ok("show", rows[0]["id"], "--json").json[0]
    assert set(shown["files"]) <= {"recipe.json", "scores.json", "facts.json", "log.jsonl"}
    listed = place.ok("runs")
    assert not {row["id"] for row in rows} & set(listed.lines)
    assert "trials of sweeps; --kind trial lists them" in listed.err
    for words in (("unlearn", "--method", "ga", "--ckpt"), ("attack", "umia")):
        place.refused(*words, rows[0]["id"], code=2, says=("is a trial of a sweep", "-p lr="))


def test_no_test_picture_is_looked_at(place, monkeypatch):
    from deepunlearn_cli.execution.materials import Materials

    whole, asked = Materials.indices, []

    def indices(self, recipe):
        parts = whole(self, recipe)
        return {**parts, "test": Trap()} if recipe.kind == "trial" else parts

    class Trap:
        def __getattr__(self, name):
            raise AssertionError(f"test pictures were asked for ({name})")

    monkeypatch.setattr(Materials, "indices", indices)
    monkeypatch.setattr(
        Materials, "task", lambda *a, task=Materials.task: asked.append(a[1].kind) or task(*a)
    )
    place.ok(*SWEEP, "--ckpt", place.ids["original"])
    assert asked.count("trial") >= 6


@pytest.mark.slow
def test_several_originals_and_methods_with_workers(place):
    (other,) = place.ok(*TRAIN, "--seeds", "1").lines
    said = place.ok(
        "sweep", "--method", "ft,ga", "--ckpt", "-", "--trials", "4", "--confirm", "1", "--jobs", "2",
        "--sampler", "random", input=f"{place.ids['original']}\n{other}\n",
    )  # fmt: skip
    assert len(said.lines) == 4
    assert trials(place, "ft") == trials(place, "ga") == [4]
    seeds = [row["seed"] for row in place.runs(kind="trial", name="ft")]
    assert seeds.count(0) == seeds.count(1) == 4
    assert not list((place.store / "studies").glob(".worker-*"))


@pytest.mark.slow
def test_a_terminal_sees_trials_and_the_best(place):
    code, out, err = on_terminal(
        *SWEEP, "--ckpt", place.ids["original"], "--store", str(place.store), cwd=place.home
    )
    assert code == 0
    assert "ft trials" in err
    assert "best 0." in err
    assert "chosen" in out
    assert "confirmed" in out


def test_a_timeout_ends_the_search_and_the_same_command_goes_on(place):
    words = ("sweep", "--method", "ft", "--ckpt", place.ids["original"], "--confirm", "0", "--trials", "200")
    said = place.ok(*words, "--timeout", "2s")
    assert "short of 200 trials" in said.err
    (first,) = trials(place, "ft")
    assert 0 < first < 200
    place.ok(*words, "--timeout", "1s")
    assert trials(place, "ft")[0] > first


def test_a_dry_run_makes_nothing(place):
    before = place.ok("runs").lines
    said = place.ok(*SWEEP, "--ckpt", place.ids["original"], "--dry-run", "--json")
    assert {row["kind"]: (row["runs"], row["there"]) for row in said.json} == {
        "retrained": (1, 0), "search trials": (3, 0), "confirmations": (6, 0), "models": (1, 0)
    }  # fmt: skip
    assert place.ok("runs").lines == before
    assert not (place.store / "studies").exists()


def announced(place: Bench, *words: object) -> dict[str, int]:
    """Runs to make, by kind, as a dry run tells."""
    rows = place.ok(*words, "--dry-run", "--json").json
    return {row["kind"]: row["runs"] - row["there"] for row in rows}


def made(place: Bench) -> Counter[str]:
    """Runs that are there, by what a dry run calls them; fresh seeds are those of confirmations."""
    kinds = Counter[str]()
    for row in [*place.runs(), *place.runs(kind="trial")]:
        trial = "confirmations" if row["seed"] >= 1000 else "search trials"
        kinds[{"trial": trial, "unlearn": "models", "train": row["name"]}.get(row["kind"], row["kind"])] += 1
    kinds["retrained"] = kinds.pop("retrain", 0)
    return kinds


@pytest.mark.slow
def test_a_dry_run_counts_what_is_made_and_what_is_there(place):
    """Two methods on two originals: 2 x 2 x (trials + 3 fresh seeds of the best and of the defaults)."""
    second = place.ok(
        "train", "--dataset", "digits", "--model", "resnet-tiny", "--seeds", "1", "-p", "epochs=1"
    )
    words = ("sweep", "--method", "ft,ga", "--confirm", "1", "-p", "epochs=2")
    words += ("--ckpt", place.ids["original"], "--ckpt", *second.lines, "--trials")
    for trials in (2, 3):
        before, expected = made(place), announced(place, *words, trials)
        assert expected["search trials"] == 2 * 2 * (2 if trials == 2 else 1)
        place.ok(*words, trials)
        grown = made(place) - before
        if trials == 2:
            assert expected["confirmations"] == 2 * 2 * 2 * 3
            assert {k: v for k, v in expected.items() if v} == {k: grown[k] for k in grown}
        assert grown["search trials"] == expected["search trials"]
        assert announced(place, *words, trials) == dict.fromkeys(expected, 0), "all of it is there"


def test_a_space_of_few_points_is_counted_as_what_it_is():
    domains = {"a": Domain(bool, True, ""), "b": Domain(int, 1, "", 1, 3)}
    assert points(domains) == 6
    assert points({**domains, "c": Domain(float, 1.0, "", 0.1, 3)}) == math.inf
    drawn = draws(domains | {"c": Domain(float, 1.0, "", 1e-4, 1e-1, log=True)})
    assert {one["b"] for one in drawn} == {1, 2, 3}
    assert 0.2 < sum(float(one["c"]) < 1e-3 for one in drawn) / len(drawn) < 0.5
    assert drawn == draws(domains | {"c": Domain(float, 1.0, "", 1e-4, 1e-1, log=True)})


@pytest.mark.slow
def test_a_preset_of_another_problem_is_refused_unless_agreed(place):
    place.ok(*SWEEP, "--ckpt", place.ids["original"], "--out", place.home / "ft.toml")
    spec = small_npz(place.home / "x.npz")
    (other,) = place.ok("train", "--dataset", spec, "--model", "resnet-tiny", "-p", "epochs=1").lines
    words = ("unlearn", "--method", "ft", "--ckpt", other, "--preset", place.home / "ft.toml")
    place.refused(*words, code=2, says=("ft was tuned on other pictures: digits (", "--transfer"))
    said = place.ok(*words, "--transfer", "--dry-run")
    assert "warning: ft was tuned on other pictures" in said.err
    place.refused(
        "unlearn", "--method", "ft", "--ckpt", other, "--preset", "best", code=3, says=("no preset for ft",)
    )
    place.refused(
        "unlearn", "--method", "ct", "--ckpt", other, "--preset", place.home / "ft.toml",
        code=2, says=("is a preset of ft, not of ct",),
    )  # fmt: skip
    place.refused("unlearn", "--method", "ct", "--ckpt", other, "--transfer", code=2, says=("--preset best",))
    place.refused(
        "sweep", "--method", "ct", "--ckpt", place.ids["original"], "--out", place.home / "ft.toml",
        code=2, says=("ft.toml is a preset of ft, not of ct",),
    )  # fmt: skip


def test_a_run_made_with_a_preset_says_so_under_the_same_key(place):
    original, ft = place.ids["original"], ("unlearn", "--method", "ft", "--ckpt", place.ids["original"])
    (made,) = place.ok(*SWEEP, "--ckpt", original, "--out", place.home / "ft.toml").lines
    kept = tomllib.loads((place.home / "ft.toml").read_text())
    name = f"{kept['provenance']['study']} of {kept['provenance']['created']} (confirmed "
    shown = {name: value for *_, name, value in (line.split("\t") for line in place.ok("show", made).lines)}
    assert shown["preset"].startswith(name)
    by_hand = [word for k, v in kept["params"].items() for word in ("-p", f"{k}={v}")]
    assert place.ok(*ft, *by_hand).lines == [made], "the same key"
    (other,) = place.ok(*ft, "--preset", "best", "-p", "lr=0.09").lines
    told = place.ok("show", other, "--json").json[0]["recipe"]["labels"]["preset"]
    assert told.startswith(name)
    assert told.endswith(", by hand lr=0.09")


@pytest.mark.slow
def test_trials_step_as_was_asked_and_so_does_what_is_made_of_them(place):
    (made,) = place.ok(*SWEEP, "--ckpt", place.ids["original"], "--no-augment").lines
    trials = place.ok("runs", "--kind", "trial").lines
    shown = place.ok("show", made, *trials, "--json").json
    assert {row["recipe"]["data"]["augment"] for row in shown} == {False}
    ft = ("unlearn", "--method", "ft", "--ckpt", place.ids["original"], "--preset", "best")
    assert place.ok(*ft, "--no-augment").lines == [made]
    said = place.ok(*ft)
    assert "warning: ft was tuned in steps with augment=False, not augment=True" in said.err


def test_a_small_space_ends_when_every_setting_was_tried(place):
    fixed = [word for text in ("lr=0.01", "weight_decay=0", "epochs=1") for word in ("-p", text)]
    words = ("sweep", "--method", "ft", "--ckpt", place.ids["original"], "--confirm", "0", *fixed)
    said = place.ok(*words, "--trials", "30")
    assert "ft: 3 trials, for every setting that there is was tried" in said.err
    assert "goes on" not in said.err
    assert trials(place, "ft") == [3]
    assert len(place.ok("runs", "--kind", "trial").lines) == 3


def test_methods_that_read_what_they_are_judged_on_say_so(place):
    words = (
        "sweep",
        "--method",
        "kde,ft",
        "--ckpt",
        place.ids["original"],
        "--confirm",
        "0",
        "--trials",
        "1",
    )
    said = place.ok(*words)
    assert [line.split()[0] for line in said.err.splitlines() if "judged on, which flatters" in line] == [
        "kde"
    ]
    table = {row["method"]: row["reads_judge"] for row in place.ok(*words, "--json").json}
    assert table == {"kde": True, "ft": False}


def test_an_unconfirmed_preset_is_used_only_when_named(place):
    said = place.ok(*SWEEP[:-1], "0", "--ckpt", place.ids["original"])
    (path,) = (place.store / "studies").glob("ft-*.toml")
    assert f"--preset {path}`" in said.err
    ft = ("unlearn", "--method", "ft", "--ckpt", place.ids["original"], "--preset")
    place.refused(*ft, "best", code=3, says=("was not confirmed on fresh seeds",))
    assert "was not confirmed on fresh seeds" in place.ok(*ft, path).err
    assert "--preset best`" in place.ok(*SWEEP, "--ckpt", place.ids["original"]).err
    place.ok(*ft, "best")
    assert len(tomllib.loads(path.read_text())["history"]) == 1


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("--sampler", "nsga"), 2, ("unknown sampler 'nsga'", "nsga3")),
        (("--trials", "0"), 2, ("--trials 0 is not 1 or more",)),
        (("--trials", "99999999999"), 2, ("--trials 99999999999 is not 1000000 or less",)),
        (("--jobs", "0"), 2, ("--jobs 0",)),
        (("--confirm", "-1"), 2, ("--confirm -1 is not 0 or more",)),
        (("--max-failures", "0"), 2, ("--max-failures 0",)),
        (("--timeout", "soon"), 2, ("--timeout 'soon' is not a time", "10m")),
        (("--timeout", "0"), 2, ("--timeout '0'",)),
        (("--method", "retrain"), 2, ("retrain has no hyperparameters to tune",)),
        (("--method", "fft"), 3, ("unknown method 'fft'",)),
        (("-p", "lr=7"), 2, ("lr=7 is not",)),
        (("-p", "lrr=7"), 2, ("unknown hyperparameter 'lrr'",)),
        (("--out", "x.json"), 2, ("--out x.json",)),
        (("--method", "ft,ga", "--out", "x.toml"), 2, ("--out takes one preset",)),
        (("--ckpt", "ffff0000"), 3, ("no run has an id",)),
    ],
)
def test_bad_input_is_one_line_and_makes_nothing(place, words, code, says):
    place.refused(*SWEEP, "--ckpt", place.ids["original"], *words, code=code, says=says)


def test_too_few_pictures_to_judge_by(place):
    words = (*SWEEP, "--ckpt", place.ids["original"], "--forget", "random:0.002", "--store", place.store)
    refused(*words, code=2, says=("needs 10 forget pictures; there are 3",))


def test_storage_that_is_not_there(place):
    place.ok("unlearn", "--method", "retrain", "--ckpt", place.ids["original"])
    for address in ("sqlite:////proc/none/x.db", "nonsense"):
        said = place(*SWEEP, "--ckpt", place.ids["original"], "--database", address)
        assert said.code == 2
        assert [line.split(":")[0] for line in said.err.splitlines()[-2:]] == ["error", "hint"], said.err


def test_results_of_unlearning_and_unequal_originals_are_refused(place):
    place.refused(*SWEEP, "--ckpt", place.ids["ga"], code=2, says=("is not an original",))
    (other,) = place.ok(*TRAIN[:-1], "epochs=2").lines
    place.refused(
        *SWEEP,
        "--ckpt",
        place.ids["original"],
        "--ckpt",
        other,
        code=2,
        says=("differ in data, model, training",),
    )


def test_a_file_whose_pictures_are_elsewhere_offline(place, tmp_path):
    """Without the pictures no retrained model can be made, and offline nothing is fetched."""
    import torch

    torch.save({"x": torch.zeros(1)}, tmp_path / "theirs.pth")
    refused(
        *SWEEP, "--ckpt", tmp_path / "theirs.pth", "--dataset", "cifar10", "--model", "resnet18", "--offline",
        "--store", tmp_path / "new", code=3, says=("cifar10",),
    )  # fmt: skip


def test_no_study_is_told(place):
    place.refused(
        "report", "--table", "sweep", code=3, says=("no study with complete trials", "deepunlearn sweep")
    )


@pytest.mark.slow
@pytest.mark.parametrize(("number", "workers"), [(signal.SIGINT, 1), (signal.SIGTERM, 1), (signal.SIGINT, 2)])
def test_stopping_leaves_nothing_running(place, number, workers):
    words = (
        "sweep",
        "--method",
        "ft",
        "--ckpt",
        place.ids["original"],
        "--trials",
        "500",
        "--jobs",
        str(workers),
    )
    with running(*words, "--store", place.store, cwd=place.home) as child:
        until(lambda: "[2/500]" in child.text("stderr"))
        child.send(number)
        said = child.wait()
    assert said.code == {signal.SIGINT: 130, signal.SIGTERM: 143}[number], said
    assert "Traceback" not in said.err
    assert place.clean()
    # a worker that was killed may leave its lock, which nobody holds and the next sweep removes
    assert all(is_free(path) for path in (place.store / "studies").glob(".worker-*"))
    assert not list(place.store.glob("runs/*/.*"))
    (done,) = trials(place, "ft")
    place.ok(*words[:6], str(done + 1), "--confirm", "0")
    assert trials(place, "ft") == [done + 1]


@pytest.mark.slow
def test_a_killed_workers_trial_is_taken_over(place):
    words = ("sweep", "--method", "ft", "--ckpt", place.ids["original"], "--trials", "30", "--jobs", "2")
    with running(*words, "--confirm", "0", "--store", place.store, cwd=place.home) as child:
        until(lambda: "[4/30]" in child.text("stderr"))
        victim = _children(child.process.pid)[0]
        os.kill(victim, signal.SIGKILL)
        said = child.wait()
    assert said.code == 0, said
    assert trials(place, "ft") == [30]


def _children(pid: int) -> list[int]:
    """Worker processes of a process: Python's resource tracker aside."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(one) for one in found if b"spawn_main" in Path(f"/proc/{one}/cmdline").read_bytes()]


@pytest.mark.slow
def test_killed_five_times_ends_with_exactly_so_many_trials(place):
    """Every method, 30 trials each, two workers; whole process groups killed at random moments."""
    rng, wanted = random.Random(0), 30
    words = (
        "sweep",
        "--method",
        "all",
        "--ckpt",
        place.ids["original"],
        "--trials",
        str(wanted),
        "--confirm",
        "0",
    )
    for _ in range(5):
        with running(*words, "--jobs", "2", "--store", place.store, cwd=place.home) as child:
            until(lambda child=child: "] " in child.text("stderr"))
            time.sleep(rng.uniform(1, 15))
            child.process.kill()
            child.process.join()
    ok(*words, "--jobs", "2", "--store", place.store)
    rows = place.ok("report", "--table", "sweep", "--json").json
    from deepunlearn_cli.sweep import tunable

    assert {row["method"] for row in rows} == set(tunable())
    assert {row["trials"] for row in rows} == {wanted}
    assert place.clean()
