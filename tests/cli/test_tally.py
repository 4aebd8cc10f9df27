"""Progress: no count beyond its total, nothing found that was not there before, and time as a clock shows it."""

from __future__ import annotations

import store_kit

from deepunlearn_cli.cli.console import Console
from deepunlearn_cli.cli.progress import Bars, describe
from deepunlearn_cli.cli.tally import Tally
from deepunlearn_cli.core.errors import RunFailed
from deepunlearn_cli.store import Store


def tally(seconds: float = 0.0) -> Tally:
    times = iter([0.0, *[seconds] * 99])
    return Tally(lambda: next(times))


def test_what_is_made_beyond_the_plan_raises_the_total():
    one = tally()
    one.plan(6)
    for run in range(12):
        one.end(f"run{run}")
        done, total = one.place.split("]")[0].strip("[").split("/")
        assert int(done) <= int(total)
    assert one.place.startswith("[12/12]")


def test_what_was_made_here_is_not_there_already():
    one = tally()
    one.plan(2)
    for run in ("a", "b", "a"):
        one.end(run)
    for run in ("a", "b", "c", "c"):
        one.find(run)
    assert one.aside == "1 there already"
    one.plan(3)
    assert one.total == 5, "a second batch goes on where the first one ended"


def test_a_failed_run_is_counted_once():
    one = tally()
    one.plan(2)
    one.end("a")
    for _ in range(2):
        one.fail("a")
    one.end("b")
    assert one.summary == "1 made, 1 failed, in 0:00"


def test_time_is_as_a_clock_shows_it():
    assert tally(42.4).elapsed == "0:42"
    assert tally(3 * 3600 + 65).elapsed == "3:01:05"


def test_an_attack_is_told_by_what_it_is_on():
    start = store_kit.recipe()
    method = store_kit.recipe(kind="unlearn", name="msg", seed=3, inputs={"original": start})
    attack = store_kit.recipe(kind="attack", name="umia", seed=0, inputs={"target": method})
    assert describe(attack).startswith("umia on msg ")
    assert describe(attack).endswith(" seed 3")
    assert " on " not in describe(method)


def test_the_end_tells_how_many_and_how_long(tmp_path, capsys):
    store = Store.open(tmp_path / "store", create=True)
    runs = [store_kit.put(store, seed=seed) for seed in (0, 1)]
    with Bars(Console()) as bars:
        bars.planned(2)
        for run in runs:
            bars.started(run.recipe)
            bars.stopped(run.recipe)
            bars.finished(run, made=True)
            bars.finished(run, made=False)
        bars.failed(runs[1].recipe, RunFailed("it broke", "mend it"))
    said = capsys.readouterr().err
    assert "[1/2] 0:00 " in said
    assert "1 made, 1 failed, in 0:00" in said
    assert "already" not in said
