"""Interrupted, terminated, killed, raced, and read by somebody who has seen enough."""

from __future__ import annotations

import random
import re
import signal
import subprocess
import sys
import time

import pytest
from cli_kit import LONG, TRAIN, Bench, bench, call, clean_environment, ok, on_terminal, running, until


@pytest.fixture
def place(tmp_path) -> Bench:
    return bench(tmp_path)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopping_leaves_a_clean_store(tmp_path, number, code):
    store = tmp_path / "store"
    with running(*LONG, "--store", store, cwd=tmp_path) as child:
        until(lambda: list(store.glob("runs/*/.*.lock")))
        time.sleep(0.3)
        child.send(number)
        said = child.wait()
    assert said.code == code, said
    assert said.out == ""
    assert "Traceback" not in said.err
    assert [line.split(":")[0] for line in said.err.splitlines()[-2:]] == ["error", "hint"]
    assert call("verify", "--store", store).code == 0
    assert not list(store.glob("runs/*/.*")), "something was left behind"
    assert len(ok(*TRAIN, "--store", store).lines) == 1


def test_a_killed_process_leaves_no_run_and_blocks_nobody(tmp_path):
    store = tmp_path / "store"
    with running(*LONG, "--store", store, cwd=tmp_path) as child:
        until(lambda: list(store.glob("runs/*/.*.lock")))
        child.send(signal.SIGKILL)
        child.process.join()
    assert call("verify", "--store", store).code == 0
    assert ok("runs", "--store", store).lines == []
    assert len(ok(*TRAIN, "--store", store).lines) == 1
    ok("prune", "--leftovers", "--store", store)
    assert not list(store.glob("runs/*/.*"))


@pytest.mark.slow
def test_killed_twenty_times_at_random_moments(tmp_path):
    """Train and unlearn with writes of 45 MB, killed anywhere; the same commands then complete."""
    store, rng = tmp_path / "store", random.Random(0)
    train = ("train", "--dataset", "digits", "--model", "resnet18", "-p", "epochs=1", "--store", store)
    start = time.monotonic()
    (original,) = ok(*train).lines
    usual = time.monotonic() - start
    unlearn = ("unlearn", "--method", "ft,ga,ct", "--ckpt", original, "-p", "epochs=1", "--store", store)
    for kill in range(20):
        words = (*(train if kill % 2 else unlearn), "--force")
        with running(*words, cwd=tmp_path) as child:
            time.sleep(rng.uniform(0.1, usual))
            child.process.kill()  # or it is done already, with nothing to kill
            child.process.join()
        said = call("verify", "--store", store)
        assert said.code == 0, said
    assert ok(*train).lines == [original]
    assert len(ok(*unlearn).lines) == 3
    assert ok("verify", "--store", store).out == ""


def test_the_same_command_four_times_at_once_is_one_run(tmp_path):
    store = tmp_path / "store"
    words = ("train", "--dataset", "digits", "--model", "resnet-tiny", "-p", "epochs=3", "--store", store)
    with (
        running(*words, cwd=tmp_path) as a,
        running(*words, cwd=tmp_path) as b,
        running(*words, cwd=tmp_path) as c,
        running(*words, cwd=tmp_path) as d,
    ):
        said = [child.wait() for child in (a, b, c, d)]
    assert [one.code for one in said] == [0] * 4, said
    assert len({one.out for one in said}) == 1
    assert len(ok("runs", "--store", store).lines) == 1
    assert call("verify", "--store", store).code == 0


def test_a_closed_pipe_ends_quietly(place):
    command = [sys.executable, "-m", "deepunlearn_cli", "methods", "--json", "--store", str(place.store)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=clean_environment()
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(180) == 0


def test_ids_flow_through_pipes(place):
    again = place.ok(
        "unlearn", "--method", "ft,ga", "--ckpt", "-", "-p", "epochs=1", input=place.ids["original"] + "\n"
    )
    assert again.lines == [place.ids["ft"], place.ids["ga"]]
    attacked = place.ok("attack", "umia", "-", input=again.out)
    assert attacked.lines[0] == place.ids["umia"]
    assert len(place.runs(kind="attack")) == 3, "two models and their original"


def test_the_same_command_again_makes_nothing_and_force_makes_more(place):
    before = len(place.runs())
    assert place.ok(*TRAIN).lines == [place.ids["original"]]
    assert len(place.runs()) == before
    (forced,) = place.ok(*TRAIN, "--force").lines
    assert forced != place.ids["original"]
    assert place.runs(kind="train")[-1]["attempt"] == 1


def test_a_dry_run_makes_nothing(place):
    before = place.ok("runs").out
    plan = place.ok(
        "train", "--dataset", "digits", "--model", "resnet-tiny", "--role", "both", "--dry-run", "--json"
    ).json
    assert [step["state"] for step in plan] == ["make", "make"]
    assert place.ok("runs").out == before


def test_on_a_terminal_tables_fit_and_bars_are_gone(place):
    code, out, err = on_terminal(*TRAIN[:-1], "epochs=40", "--store", str(place.store), cwd=place.home)
    assert code == 0
    assert "result" in out
    assert "epoch" in err, "no progress was shown"
    assert "pictures/s" in err
    for line in re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", out).splitlines():
        assert len(line.rstrip()) <= 100
    assert "epoch" not in out
    quiet = on_terminal(*TRAIN, "--store", str(place.store), "-q", cwd=place.home)
    assert "epoch" not in quiet[2]


def test_a_plan_runs_to_both_tables_and_then_does_nothing(tmp_path):
    (tmp_path / "plan.toml").write_text(
        'datasets = ["digits"]\nmodels = ["resnet-tiny"]\nmethods = ["ft", "do-nothing", "retrain"]\n'
        'seeds = "0-1"\n[training]\nepochs = 1\n[params.ft]\nlr = 0.02\n'
    )
    words = ("bench", tmp_path / "plan.toml", "--store", tmp_path / "store")
    planned = ok(*words, "--dry-run", "--json").json
    kinds = {row["kind"]: row["runs"] for row in planned}
    assert kinds == {"originals": 2, "retrained": 2, "do nothing": 2, "models": 2, "attacks": 6}
    first = ok(*words)
    count = len(ok("runs", "--store", tmp_path / "store").lines)
    assert count == sum(kinds.values())
    second = ok(*words)
    assert second.out == first.out
    assert len(ok("runs", "--store", tmp_path / "store").lines) == count
    assert {row["schema"] for row in ok(*words, "--json").json} == {
        "deepunlearn.rank/1",
        "deepunlearn.report.rte/1",
    }


def test_quick_compares_every_method(tmp_path):
    from deepunlearn_cli.methods import METHODS, for_any_original

    planned = ok("bench", "quick", "--dry-run", "--json", "--store", tmp_path / "store").json
    methods = [name for name in for_any_original() if not METHODS.get(name).control]
    kinds = {row["kind"]: row["runs"] for row in planned}
    assert kinds["models"] == 5 * len(methods)
    assert kinds["originals"] == kinds["retrained"] == 5


def test_a_plan_says_how_much_disk_it_needs(place):
    def megabytes(*words: str) -> float:
        steps = place.ok("train", "--dataset", "digits", "--dry-run", "--json", *words).json
        return sum(step["megabytes"] for step in steps)

    (kept,) = place.runs(kind="train")
    folder = place.store / "runs" / kept["id"][:2] / kept["id"]
    written = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
    assert megabytes("--model", "resnet-tiny", "-p", "epochs=1") == 0, "it is there already"
    assert megabytes("--model", "resnet-tiny") == pytest.approx(written, rel=0.1)
