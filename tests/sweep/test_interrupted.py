"""An interrupted search is the search that was not, trial by trial; several workers make one worker's points."""

from __future__ import annotations

import json
import math
import multiprocessing
import os
import random
import shutil
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from sweep_kit import Formula, order, question, scores_of, store

from deepunlearn_cli.core.errors import RunFailed
from deepunlearn_cli.store import Store
from deepunlearn_cli.sweep import SAMPLERS, presence, search, workers
from deepunlearn_cli.sweep import order as at_order
from deepunlearn_cli.sweep.presence import Presence, present
from deepunlearn_cli.sweep.question import Question
from deepunlearn_cli.sweep.stated import studies_in
from deepunlearn_cli.sweep.storage import open_storage


class Killed(BaseException):
    """What a test does to a search."""


def answer(params: dict[str, Any]) -> dict[str, float]:
    """A valley, with cliffs: some points diverge."""
    if params["lr"] > 0.03:
        raise RunFailed(f"the loss became nan at {params['lr']:.2g}", "")
    return scores_of(params)


def trials(at: Store, asked: Question, address: str | None = None) -> list[tuple]:
    """Everything that a trial is, in the order of their numbers."""
    [study] = order(at, asked, address=address).open(Presence(None), {})
    told = [
        (t.number, t.state.name, t.params, t.user_attrs.get("losses"), t.user_attrs.get("reason"))
        for t in study.optuna.get_trials(deepcopy=False)
    ]
    return [one for one in told if one[1] != "WAITING"]


def whole(tmp_path: Path, asked: Question, wanted: int) -> list[tuple]:
    at = store(tmp_path / "whole")
    search(order(at, asked, wanted=wanted, patience=99), 1, Formula(at, answer), lambda _: None)
    return trials(at, asked)


class Life:
    """A journal that its process stops writing to after so many lines, or once after a line with a word."""

    def __init__(self, trap: str) -> None:
        self.left, self.trap = math.inf, trap

    def open(self, address: str) -> Any:
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        life = self

        class Mortal(JournalFileBackend):
            def append_logs(self, logs):
                life.left -= len(logs)
                if life.left < 0:
                    raise Killed
                with path.open("a") as file:  # without Optuna's wait for the disk
                    file.writelines(json.dumps(log) + "\n" for log in logs)
                if life.trap in str(logs):
                    life.left, life.trap = 0, "no such word"
                    raise Killed

        path = Path(address.removeprefix("journal:"))
        path.parent.mkdir(parents=True, exist_ok=True)
        return JournalStorage(Mortal(str(path)))


@pytest.mark.parametrize(
    ("sampler", "wanted"), [("tpe", 16), pytest.param("nsga3", 54, marks=pytest.mark.slow), ("random", 16)]
)
def test_killed_between_any_two_lines_it_goes_on_as_if_nothing_had_happened(
    tmp_path, monkeypatch, sampler, wanted
):
    """NSGA-III chooses the parents of its second generation after 50 trials, and is killed when it has."""
    asked, life, fate, lives = question("ft", sampler=sampler), Life(":parent:"), random.Random(7), 0
    expected = whole(tmp_path, asked, wanted)
    monkeypatch.setattr(presence, "CLAIM_SECONDS", 0.0)
    monkeypatch.setattr(workers, "POLL_SECONDS", 0.001)
    monkeypatch.setattr(at_order, "open_storage", life.open)
    at, ended = store(tmp_path / "parts"), False
    while not ended:
        life.left, lives = fate.randrange(3, 30), lives + 1
        try:
            search(order(at, asked, wanted=wanted, patience=99), 1, Formula(at, answer), lambda _: None)
            ended = True
        except Killed:
            pass
    life.left = math.inf
    assert lives > 10
    assert (life.trap == "no such word") == (sampler == "nsga3")
    assert {state for _, state, *_ in expected} == {"COMPLETE", "FAIL"}
    assert trials(at, asked) == expected


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_failures_in_a_row_are_counted_over_an_interruption(tmp_path, sampler):
    asked, at, seen = question("ft", sampler=sampler), store(tmp_path), []

    def never(params):
        seen.append(params)
        if len(seen) == 3:
            raise KeyboardInterrupt
        raise RunFailed("nan", "")

    with pytest.raises(KeyboardInterrupt):
        search(order(at, asked, wanted=9, patience=4), 1, Formula(at, never), lambda _: None)
    [failure] = search(order(at, asked, wanted=9, patience=4), 1, Formula(at, never), lambda _: None)
    assert "the last 4 trials failed" in failure.message
    assert [state for _, state, *_ in trials(at, asked)] == ["FAIL"] * 4


def test_workers_together_make_the_points_of_one(tmp_path):
    asked = question("ft", sampler="random")
    expected = whole(tmp_path, asked, 20)
    at = store(tmp_path / "several")
    order(at, asked).open(Presence(None), {})

    def slow(params):
        time.sleep(random.random() * 0.02)
        return answer(params)

    def work():
        with present(at.studies):
            search(order(at, asked, wanted=20, patience=99), 1, Formula(at, slow), lambda _: None)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert trials(at, asked) == expected


@pytest.mark.slow
@pytest.mark.parametrize("kept", ["journal", "database"])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_search_of_30_trials_killed_ten_times_is_the_one_that_was_not(tmp_path, sampler, kept):
    asked, fate, kills = question("ft", sampler=sampler), random.Random(1), 0
    expected = whole(tmp_path, asked, 30)
    at = store(tmp_path / "parts")
    address = f"sqlite:///{tmp_path / 'searches.db'}" if kept == "database" else None
    context = multiprocessing.get_context("spawn")
    while kills < 10:
        before = len(trials(at, asked, address))
        worker = context.Process(target=work_slowly, args=(str(at.root), sampler, address))
        worker.start()
        while worker.is_alive() and len(trials(at, asked, address)) < before + 2:
            time.sleep(0.02)
        time.sleep(fate.random() * 0.3)
        os.kill(worker.pid, signal.SIGKILL)
        worker.join()
        kills += worker.exitcode == -signal.SIGKILL
    work_slowly(str(at.root), sampler, address)
    assert trials(at, asked, address) == expected


@pytest.mark.slow
def test_a_command_whose_search_is_in_sqlite_is_killed_and_goes_on_as_if_nothing_had_happened(tmp_path):
    from cli_kit import ok, running, small_npz, until

    small_npz(tmp_path / "data.npz")
    at = ("--store", tmp_path / "store")
    data = ("--dataset", f"npz:{tmp_path / 'data.npz'}", "--model", "resnet-tiny", "-p", "epochs=4")
    [start] = ok("train", *data, *at).out.split()

    def words(file: str) -> tuple[object, ...]:
        searched = ("--method", "ft", "--ckpt", start, "--trials", "12", "--confirm", "0")
        return ("sweep", *searched, "--database", f"sqlite:///{tmp_path / file}", *at)

    def made(file: str) -> list[tuple]:
        if not (tmp_path / file).exists():
            return []
        found = [*studies_in(open_storage(f"sqlite:///{tmp_path / file}"))]
        every = [one for study in found for one in study.get_trials(deepcopy=False)]
        return [(t.number, t.params, t.user_attrs["losses"]) for t in every if t.state.name == "COMPLETE"]

    ok(*words("whole.db"))
    shutil.rmtree(tmp_path / "store" / "runs")  # trials are made again, not found
    [again] = ok("train", *data, *at).out.split()
    assert again == start
    for kill in range(4):
        with running(*words("parts.db"), cwd=tmp_path) as child:
            until(lambda kill=kill: len(made("parts.db")) > 2 * kill)
            child.send(signal.SIGKILL)
            child.process.join()
    ok(*words("parts.db"))
    assert len(made("whole.db")) == 12
    assert made("parts.db") == made("whole.db")


def work_slowly(root: str, sampler: str, address: str | None) -> None:
    def slow(params):
        time.sleep(0.15)
        return answer(params)

    at, asked = Store(Path(root)), question("ft", sampler=sampler)
    taken = order(at, asked, wanted=30, patience=99, address=address)
    search(taken, 1, Formula(at, slow), lambda _: None)
