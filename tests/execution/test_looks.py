"""A look at a trial on its way: nothing changes but that what is hopeless ends."""

from __future__ import annotations

import pytest
from cli_kit import base

from deepunlearn_cli.execution import looks, trials
from deepunlearn_cli.execution.looks import LOOK
from deepunlearn_cli.execution.runner import Runner
from deepunlearn_cli.store import Store

REFERENCE = {"RA": 1.0, "FA": 0.9, "VA": 0.9}


@pytest.fixture
def runner(tmp_path) -> Runner:
    import shutil

    place, _ = base()
    shutil.copytree(place / "store", tmp_path / "store")
    return Runner(Store.open(tmp_path / "store", create=False), "cpu")


def tried(runner: Runner, above: float | None, method: str = "ft", **params: object):
    _, ids = base()
    run = runner.store.find(ids["ft" if method == "ft" else "ga"]).recipe
    look = None if above is None else looks.look(above, REFERENCE)
    return runner.ensure(trials.trial(run, dict(run.params) | params, 0, look))


def test_a_look_changes_nothing(runner):
    """BatchNorm's statistics, modes, and random streams: a trial that goes on is the one nobody looked at."""
    seen, plain = tried(runner, 9.0, epochs=4), tried(runner, None, epochs=4)
    assert seen.id != plain.id
    assert seen.scores == plain.scores
    assert [entry["loss"] for entry in seen.log()] == [entry["loss"] for entry in plain.log()]
    assert seen.facts["work"] == plain.facts["work"]
    assert seen.facts[LOOK]["epoch"] == 2.0
    assert "stopped" not in seen.facts


def test_a_hopeless_trial_ends_at_its_look_with_the_scores_of_it(runner):
    whole, stopped = tried(runner, 9.0, epochs=4), tried(runner, 0.0, epochs=4)
    assert (stopped.status, stopped.facts["stopped"]) == ("done", True)
    assert stopped.facts[LOOK] == whole.facts[LOOK]
    assert len(stopped.log()) == 2
    assert stopped.facts["work"] == pytest.approx(whole.facts["work"] / 2)
    assert set(stopped.scores) == {"RA", "FA", "VA", "umia_val"}


def test_one_epoch_is_made_to_its_end(runner):
    assert "stopped" not in tried(runner, 0.0, epochs=1).facts


def test_the_log_of_a_trial_is_kept(runner):
    entries = tried(runner, None, epochs=3).log()
    assert [entry["epoch"] for entry in entries] == [1, 2, 3]
    assert all(set(entry) >= {"loss", "lr"} for entry in entries)
