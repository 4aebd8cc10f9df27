"""A study under many workers, dead workers, failing trials, changed spaces and storages that are not there."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from sweep_kit import Formula, order, question, scores_of, store

from deepunlearn_cli.core.errors import NotFound, RunFailed, UsageFailure
from deepunlearn_cli.store import Store
from deepunlearn_cli.sweep import Order, choice, presence, search, summaries
from deepunlearn_cli.sweep.claims import INTERRUPTIONS
from deepunlearn_cli.sweep.presence import Presence, Watch, present
from deepunlearn_cli.sweep.storage import journals, open_storage, shown
from deepunlearn_cli.sweep.study import Study
from deepunlearn_cli.system.locks import hold


def states(study) -> list[str]:
    return [trial.state.name for trial in study.optuna.get_trials(deepcopy=False)]


def opened(at, asked, **more):
    barred = {}
    studies = order(at, asked, **more).open(Presence(None), barred)
    for failure in barred.values():
        raise failure
    return studies[0]


def test_a_search_reaches_a_number_and_goes_on_to_the_next(tmp_path):
    at, told = store(tmp_path), []
    runner = Formula(at)
    assert search(order(at, question(), wanted=4), 1, runner, told.append) == []
    assert [(one.done, one.wanted) for one in told] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert search(order(at, question(), wanted=4), 1, runner, told.append) == []
    assert len(runner.asked) == 4, "enough is enough"
    search(order(at, question(), wanted=6), 1, runner, told.append)
    assert states(opened(at, question())) == ["COMPLETE"] * 6


def test_methods_take_turns(tmp_path):
    at, told = store(tmp_path), []
    both = (question("ft"), question("msg"))
    search(order(at, *both, wanted=3), 1, Formula(at), lambda of: told.append((of.method, of.done)))
    assert told == [("ft", 1), ("msg", 1), ("ft", 2), ("msg", 2), ("ft", 3), ("msg", 3)]


def test_every_original_is_unlearned_in_every_trial(tmp_path):
    at = store(tmp_path)
    runner = Formula(at)
    search(order(at, question(originals=3), wanted=2), 1, runner, lambda _: None)
    assert [recipe.seed for recipe in runner.asked] == [0, 1, 2, 0, 1, 2]


def test_workers_together_make_exactly_as_many_as_were_asked_for(tmp_path):
    at, asked = store(tmp_path), question(sampler="random")
    order(at, asked).open(Presence(None), {})

    def slow(params):
        time.sleep(0.01)
        return scores_of(params)

    def work():
        with present(at.studies):
            search(order(at, asked, wanted=20), 1, Formula(at, slow), lambda _: None)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = states(opened(at, asked))
    assert found.count("COMPLETE") == 20
    assert set(found) <= {"COMPLETE", "FAIL", "WAITING"}
    last = len(found) - found[::-1].index("COMPLETE")  # what was begun one too many waits behind all of them
    assert "WAITING" not in found[:last]
    points = opened(at, asked).points()
    assert len({tuple(point.params.items()) for point in points}) == 20


def test_a_trial_that_comes_too_late_keeps_its_number_for_later(tmp_path, monkeypatch):
    study = opened(store(tmp_path), question())
    first, second = study.claim(2), study.claim(2)
    assert study.claim(2) is None
    monkeypatch.setattr(study, "taken", lambda: 0)  # as a worker that looked before the others asked
    assert study.claim(2) is None
    assert states(study) == ["RUNNING", "RUNNING", "WAITING"]
    study.complete(first, (0.1,) * 4)
    study.claims.fail(second.number, "it became nan")
    assert study.claim(2).number == 2


def test_a_diverging_trial_is_failed_with_its_reason_and_never_infinite(tmp_path):
    at, told = store(tmp_path), []

    def answer(params):
        if params["lr"] > 0.01:
            raise RunFailed("the loss became nan in epoch 1", "")
        return scores_of(params)

    search(order(at, question("ft"), wanted=8, patience=100), 1, Formula(at, answer), told.append)
    study = opened(at, question("ft"))
    failed = [trial for trial in study.optuna.trials if trial.state.name == "FAIL"]
    assert failed
    assert {trial.user_attrs["reason"] for trial in failed} == {"the loss became nan in epoch 1"}
    assert {trial.values for trial in failed} == {None}
    assert study.done() == 8
    assert told[-1].failed == len(failed)
    assert "the loss became nan in epoch 1" in [one.last for one in told]


def test_failures_in_a_row_end_a_search_and_the_next_one_tries_as_many_more(tmp_path):
    at = store(tmp_path)

    def never(params):
        raise RunFailed("no convolution", "")

    for attempt in (1, 2):
        runner = Formula(at, never)
        [failure] = search(order(at, question(), wanted=9), 1, runner, lambda _: None)
        assert failure.code == 6
        assert "the last 3 trials failed, the newest because no convolution" in failure.message
        assert len(runner.asked) == 3
        assert len(opened(at, question()).optuna.trials) == 3 * attempt
    with pytest.raises(NotFound, match="no complete trial"):
        choice.choose([opened(at, question())], Formula(at), 3)


def test_one_bad_method_does_not_stop_the_others(tmp_path):
    at = store(tmp_path)

    def answer(params):
        if "init_rate" in params:
            raise RunFailed("no convolution", "")
        return scores_of(params)

    both = order(at, question("msg"), question("ft"), wanted=5)
    [failure] = search(both, 1, Formula(at, answer), lambda _: None)
    assert failure.message.startswith("msg: ")
    assert [study.done() for study in both.open(Presence(None), {})] == [0, 5]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_is_interrupted_comes_first_next_time(tmp_path, error):
    at, seen = store(tmp_path), []

    def answer(params):
        seen.append(params)
        if len(seen) == 3:
            raise error
        return scores_of(params)

    with pytest.raises(error):
        search(order(at, question(), wanted=5), 1, Formula(at, answer), lambda _: None)
    assert states(opened(at, question())) == ["COMPLETE", "COMPLETE", "WAITING"]
    search(order(at, question(), wanted=5), 1, Formula(at, answer), lambda _: None)
    assert seen[3] == seen[2]
    assert states(opened(at, question())) == ["COMPLETE"] * 5


def test_a_dead_workers_trial_is_taken_over_under_its_number_and_a_live_ones_is_not(tmp_path):
    at = store(tmp_path)
    lock = at.studies / ".worker-dead.lock"
    at.studies.mkdir()
    study = opened(at, question())
    with hold(lock):
        study.claims.presence = Presence(lock)
        trial = study.claim(5)
        study.claims.recover()
        assert states(study) == ["RUNNING"]
    other = opened(at, question())
    again = other.claim(5)
    assert (again.number, again.params) == (trial.number, trial.params)
    assert states(other) == ["RUNNING"]
    study.claims.put_back(trial)
    assert states(other) == ["RUNNING"], "it is another's now"
    study.complete(trial, (0.0,) * 4)  # it was alive after all, with the same run
    other.complete(again, (0.0,) * 4)
    assert states(other) == ["COMPLETE"]


def test_a_command_that_dies_did_not_die_of_its_trial(tmp_path):
    study = opened(store(tmp_path), question())
    study.claims.presence = Presence(tmp_path / "nobody.lock")
    assert {study.claim(5).number for _ in range(INTERRUPTIONS + 1)} == {0}
    assert study.claim(5).number == 1, "nor is it tried for ever"


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_nothing_is_claimed_while_a_trial_is_in_doubt(tmp_path, monkeypatch, sampler):
    """Whoever takes over from another machine waits for a sign of it: the next point depends on that trial."""
    now = [1000.0]
    monkeypatch.setattr(presence.time, "monotonic", lambda: now[0])
    at = store(tmp_path)
    elsewhere = opened(at, question(sampler=sampler))
    elsewhere.claims.presence.claim["host"] = "elsewhere"
    running = elsewhere.claim(9)
    here = opened(at, question(sampler=sampler))
    if sampler == "random":
        assert here.claim(9).number == 1
        return
    assert here.claim(9) is None
    now[0] += 30
    assert here.claim(9) is None
    running.set_user_attr("beat", 1)
    assert here.claim(9).number == 1, "it lives, so there are two of us"
    running.set_user_attr("beat", 2)
    alone = opened(at, question(sampler=sampler))
    assert alone.claim(9) is None
    now[0] += 61
    assert alone.claim(9).number == 0


def test_silence_from_elsewhere_is_death_after_a_minute(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(presence.time, "monotonic", lambda: now[0])
    watch, worker = Watch(), {"host": "elsewhere", "lock": "/x", "id": "w"}
    assert not watch.is_dead(3, worker, None)
    now[0] += 59
    assert not watch.is_dead(3, worker, 1), "its heart was heard"
    now[0] += 59
    assert not watch.is_dead(3, worker, 1)
    now[0] += 2
    assert watch.is_dead(3, worker, 1)
    assert not watch.is_dead(4, None, None)
    now[0] += 11
    assert watch.is_dead(4, None, None), "nobody ever claimed it"


def test_a_heart_beats_while_a_trial_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(presence, "BEAT_SECONDS", 0.01)
    study = opened(store(tmp_path), question())
    trial = study.claim(1)
    with study.claims.presence.beating(trial):
        time.sleep(0.2)
    [seen] = study.optuna.trials
    assert seen.user_attrs["beat"] > 1


def test_dead_workers_locks_are_swept_away(tmp_path):
    (tmp_path / ".worker-old.lock").touch()
    with present(tmp_path) as one, present(tmp_path):
        assert len(list(tmp_path.glob(".worker-*"))) == 2
        assert Path(one.claim["lock"]).exists()
    assert not list(tmp_path.iterdir())


def test_a_torn_journal_is_mended(tmp_path):
    at = store(tmp_path)
    search(order(at, question(), wanted=2), 1, Formula(at), lambda _: None)
    [journal] = journals(at.studies)
    with journal.open("ab") as file:
        file.write(b'{"op_code":4,"worker_id":"tor')
    search(order(at, question(), wanted=4), 1, Formula(at), lambda _: None)
    assert opened(at, question()).done() == 4
    assert b"tor" not in journal.read_bytes().splitlines()[-1]


def test_a_study_of_another_space_is_refused(tmp_path, monkeypatch):
    at = store(tmp_path)
    search(order(at, question(), wanted=1), 1, Formula(at), lambda _: None)
    domains = question().domains
    changed = question()
    changed.__dict__["domains"] = domains | {"lr": domains["lr"].within(1.0)}
    assert changed.key == question().key
    with pytest.raises(UsageFailure, match=r"another space: lr was 1e-05 .. 0.1 \(log\) and is 1e-05 .. 1"):
        opened(at, changed)
    revised = question()
    revised.__dict__["space"] = revised.space | {"revision": 7}
    with pytest.raises(UsageFailure, match="the method's revision is now 7, and was 2"):
        opened(at, revised)


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("nonsense", "is not an address"),
        ("nosuch://host/db", "cannot use --database nosuch://host/db"),
        ("sqlite:////proc/none/x.db", "unable to open database file"),
        ("journal:/proc/none/x.journal", "cannot write the journal"),
        ("postgresql+nodriver://me:secret@host/db", "cannot use --database postgresql"),
    ],
)
def test_storage_that_cannot_be_used_is_one_line(address, says, monkeypatch):
    monkeypatch.setattr("deepunlearn_cli.sweep.storage.PAUSE", 0)
    with pytest.raises(UsageFailure) as caught:
        open_storage(address)
    assert says in caught.value.message
    assert "\n" not in caught.value.message
    assert "secret" not in caught.value.message + caught.value.hint
    assert caught.value.hint


def test_a_file_that_is_no_journal_is_refused_and_left_alone(tmp_path):
    file = tmp_path / "notes.txt"
    file.write_text("milk\nbread\n")
    with pytest.raises(UsageFailure, match="is not an Optuna journal"):
        open_storage(f"journal:{file}")
    assert file.read_text() == "milk\nbread\n"


def test_passwords_are_not_shown():
    assert shown("postgresql://me:secret@host:5/db") == "postgresql://me@host:5/db"
    assert shown("sqlite:///file.db") == "sqlite:///file.db"


@pytest.mark.parametrize("form", ["sqlite:///{}/x.db", "journal:{}/x.journal"])
def test_studies_share_a_storage(tmp_path, form):
    at, address = store(tmp_path), form.format(tmp_path)
    both = order(at, question("ft"), question("ct"), wanted=3, address=address)
    search(both, 1, Formula(at), lambda _: None)
    rows = summaries(at.studies, address)
    assert [(row["method"], row["trials"]) for row in rows] == [("ct", 3), ("ft", 3)]
    assert not list(at.studies.glob("*.journal"))
    with pytest.raises(NotFound, match="no study"):
        summaries(at.studies)


def test_the_choice_is_made_on_fresh_seeds(tmp_path):
    """The trial that shone in the search was lucky; the next best was not."""
    at = store(tmp_path)
    search(order(at, question("ft"), wanted=6), 1, Formula(at), lambda _: None)
    study = opened(at, question("ft"))
    ranked = sorted(study.points(), key=lambda point: point.norm)
    lucky = ranked[0].params

    def answer(params):
        return scores_of(params) | ({"umia_val": 1.0} if params == lucky else {})

    runner = Formula(at, answer)
    [found] = choice.choose([study], runner, 2)
    [chosen] = [one for one in found if one.chosen]
    assert chosen.params == ranked[1].params
    assert found[0].confirmed > found[0].searched
    assert any(one.defaults for one in found), "the defaults stand beside them"
    assert {recipe.seed for recipe in runner.asked} == {1000, 2000, 3000}
    assert choice.choose([study], runner, 0)[0][0].params == lucky
    [row] = summaries(at.studies)
    assert (row["searched"], row["confirmed"]) == (ranked[0].norm, None)


def test_a_candidate_that_fails_on_a_fresh_seed_is_not_chosen(tmp_path):
    at = store(tmp_path)
    search(order(at, question("ft"), wanted=5), 1, Formula(at), lambda _: None)
    study = opened(at, question("ft"))
    best = min(study.points(), key=lambda point: point.norm).params

    def answer(params):
        if params == best:
            raise RunFailed("the loss became nan", "")
        return scores_of(params)

    [found] = choice.choose([study], Formula(at, answer), 2)
    assert found[0].confirmed is None
    assert not found[0].chosen
    assert sum(one.chosen for one in found) == 1


def test_the_summary_says_what_mattered(tmp_path):
    at = store(tmp_path)
    search(order(at, question("ft"), wanted=30), 1, Formula(at), lambda _: None)
    [row] = summaries(at.studies)
    assert next(iter(row["importances"])) == "lr"
    assert sum(row["importances"].values()) == pytest.approx(1)
    assert row["pareto"]
    assert row["searched"] == min(point["norm"] for point in row["pareto"])


def test_time_is_kept(tmp_path):
    at = store(tmp_path)
    late = order(at, question(), wanted=5, deadline=time.time() - 1)
    assert search(late, 1, Formula(at), lambda _: None) == []
    assert opened(at, question()).done() == 0


def test_a_plan_s_search_that_time_ended_is_not_searched_on_but_by_a_longer_one(tmp_path, monkeypatch):
    at, maker = store(tmp_path), Formula(store(tmp_path))
    monkeypatch.setattr(Order, "late", lambda self: self.deadline is not None and len(maker.asked) >= 3)
    timed = order(at, question(), wanted=9, deadline=1.0, seconds=40.0)
    search(timed, 1, maker, lambda _: None)
    assert opened(at, question()).done() == 3
    maker.asked.clear()
    search(timed, 1, maker, lambda _: None)
    assert not maker.asked, "as many seconds have ended it"
    search(replace(timed, seconds=60.0), 1, maker, lambda _: None)
    assert opened(at, question()).done() == 6
    search(replace(timed, seconds=None, deadline=None), 1, maker, lambda _: None)
    assert opened(at, question()).done() == 9, "a command that was given no plan's time goes on"


@pytest.mark.skipif("TEST_POSTGRESQL" not in os.environ, reason="needs a server's URL there")
def test_two_machines_share_a_study_in_postgresql_and_one_dies(tmp_path):
    """Two stores, one database: a process of each; one is killed in a trial, the other completes the study."""
    address = os.environ["TEST_POSTGRESQL"]
    asked = question("ft", label=str(time.time()))
    orders = [order(store(tmp_path / name), asked, wanted=12, address=address) for name in ("a", "b")]
    context = multiprocessing.get_context("spawn")
    victim, survivor = (context.Process(target=work_slowly, args=(one,)) for one in orders)
    victim.start()
    survivor.start()
    watched = opened_at(orders[1])
    while watched.done() < 4 or len(mine(watched, orders[0])) == 0:
        time.sleep(0.05)
    victim.kill()
    survivor.join(180)
    found = states(watched)
    assert found.count("COMPLETE") == 12
    assert set(found) <= {"COMPLETE", "FAIL"}
    workers = {trial.user_attrs["worker"]["lock"] for trial in watched.optuna.trials}
    assert len(workers) == 2, "both took part"
    points = watched.points()
    assert len({tuple(point.params.items()) for point in points}) == 12


def work_slowly(of: Order) -> None:
    def slow(params):
        time.sleep(0.3)
        return scores_of(params)

    search(of, 1, Formula(Store(Path(of.store)), slow), lambda _: None)


def opened_at(of: Order) -> Study:
    [study] = of.open(Presence(None), {})
    return study


def mine(study: Study, of: Order) -> list[int]:
    """Numbers of the running trials of a store's worker."""
    running = [trial for trial in study.optuna.get_trials(deepcopy=False) if trial.state.name == "RUNNING"]
    return [t.number for t in running if t.user_attrs.get("worker", {}).get("lock", "").startswith(of.store)]
