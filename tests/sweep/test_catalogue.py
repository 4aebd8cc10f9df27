"""Studies and runs that know each other, one storage that plain Optuna reads, and lists of what there is."""

from __future__ import annotations

import json

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from sweep_kit import Formula, order, question, scores_of, store

from deepunlearn_cli.core.errors import NotFound, RunFailed, UsageFailure
from deepunlearn_cli.sweep import losses, search
from deepunlearn_cli.sweep.catalogue import Catalogue, choices_of, trials_of
from deepunlearn_cli.sweep.choice import choose
from deepunlearn_cli.sweep.collection import Collection
from deepunlearn_cli.sweep.presence import Presence, living, present
from deepunlearn_cli.sweep.storage import ALL, journals


def searched(tmp_path, *questions, wanted=3, **more):
    runner = Formula(store(tmp_path))
    search(order(runner.store, *questions, wanted=wanted, **more), 1, runner, lambda _: None)
    return runner


def plainly(at) -> dict[str, optuna.Study]:
    """The one storage of a store, as anybody reads it who has Optuna and nothing of ours."""
    storage = JournalStorage(JournalFileBackend(str(at.studies / ALL)))
    return {
        name: optuna.load_study(study_name=name, storage=storage)
        for name in optuna.get_all_study_names(storage)
    }


def test_one_storage_shows_plain_optuna_names_values_and_attributes(tmp_path):
    runner = searched(tmp_path, question("ft"), question("msg", "nsga3", originals=2))
    found = plainly(runner.store)
    assert sorted(name.rpartition(" ")[0] for name in found) == [
        "digits resnet-tiny random:0.1 ft tpe", "digits resnet-tiny random:0.1 msg nsga3",
    ]  # fmt: skip
    ft, msg = (found[name] for name in sorted(found))
    assert ft.metric_names == ["norm"]
    assert msg.metric_names == ["dRA", "dFA", "dVA", "discernibility"]
    assert [trial.number for trial in ft.trials] == [0, 1, 2]
    for trial, values in ((ft.trials[1], 1), (msg.trials[1], 4)):
        assert trial.state.name == "COMPLETE"
        assert len(trial.values) == values
        assert trial.params.keys() == trial.distributions.keys() != set()
        told = trial.user_attrs
        assert losses.norm(told[name] for name in losses.NAMES) == pytest.approx(losses.norm(trial.values))
        assert (told["seconds"], told["work"]) == (0.5 * len(told["runs"]), 2.0)
    assert len(msg.trials[0].user_attrs["runs"]) == 2
    assert msg.user_attrs["dataset"] == "digits"


def test_a_run_knows_its_trial_and_the_trial_its_runs(tmp_path):
    at = searched(tmp_path, question("ft", originals=2), wanted=4)
    [study] = plainly(at.store).values()
    labelled = [(recipe.labels["study"], recipe.labels["trial"], recipe.key) for recipe in at.asked]
    told = [(study.user_attrs["study"], t.number, run) for t in study.trials for run in t.user_attrs["runs"]]
    assert labelled == told
    assert study.user_attrs["study"] == question("ft", originals=2).key


def test_labels_change_no_key():
    asked = question()
    keys = [[recipe.key for recipe in asked.trials(asked.defaults, trial=n)] for n in (0, 7, None)]
    assert keys[0] == keys[1] == keys[2] == ["dee603a297980274"]


def test_confirmations_say_what_they_confirm(tmp_path):
    runner = searched(tmp_path, question("ft"))
    [study] = order(runner.store, question("ft")).open(Presence(None), {})
    before = len(runner.asked)
    choose([study], runner, 1)
    labels = [recipe.labels for recipe in runner.asked[before:]]
    assert {one["fresh"] for one in labels} == {1, 2, 3}
    assert {one["study"] for one in labels} == {study.question.key}


def test_a_failed_trial_tells_its_run_and_reason(tmp_path):
    def answer(params):
        if params["lr"] != 0.01:
            raise RunFailed("the loss became nan in epoch 1", "")
        return scores_of(params)

    runner = Formula(store(tmp_path), answer)
    search(order(runner.store, question("ft"), wanted=5, patience=50), 1, runner, lambda _: None)
    [study] = plainly(runner.store).values()
    failed = [row for row in trials_of(study) if row["state"] == "FAIL"]
    assert failed
    assert all(row["reason"] and row["norm"] is None and len(row["runs"]) == 1 for row in failed)


def test_what_is_collected_goes_on_and_keeps_numbers(tmp_path):
    asked = question("ft")
    searched(tmp_path, asked)
    runner = searched(tmp_path, asked, wanted=6)
    [study] = plainly(runner.store).values()
    [journal] = journals(runner.store.studies)
    own = optuna.load_study(study_name=None, storage=JournalStorage(JournalFileBackend(str(journal))))
    assert [(t.number, t.values, t.params) for t in study.trials] == [
        (t.number, t.values, t.params) for t in own.trials
    ]
    size = (runner.store.studies / ALL).stat().st_size
    Collection(runner.store.studies).update()
    assert (runner.store.studies / ALL).stat().st_size == size, "nothing was new"


def test_a_trial_that_is_being_made_waits_to_be_collected_and_then_comes_whole(tmp_path):
    at, asked = store(tmp_path), question("ft")
    [study] = order(at, asked).open(Presence(None), {})
    first, second = study.claim(5), study.claim(5)
    study.complete(second, (0.1,) * 4)
    collection = Collection(at.studies)
    collection.update([study])
    [seen] = plainly(at).values()
    assert seen.trials == [], "number 1 may not stand for number 0"
    study.complete(first, (0.2,) * 4)
    collection.update()
    [seen] = plainly(at).values()
    assert [trial.user_attrs["dRA"] for trial in seen.trials] == [0.2, 0.1]


def test_what_is_collected_may_be_deleted_or_broken_at_any_time(tmp_path):
    runner = searched(tmp_path, question("ft"), question("msg"))
    for harm in (lambda path: path.unlink(), lambda path: path.write_text("milk\nbread\n")):
        harm(runner.store.studies / ALL)
        Collection(runner.store.studies).update()
        assert {len(study.trials) for study in plainly(runner.store).values()} == {3}


def test_a_study_begun_anew_replaces_the_one_that_was(tmp_path):
    runner = searched(tmp_path, question("ft"), wanted=5)
    [journal] = journals(runner.store.studies)
    journal.unlink()
    searched(tmp_path, question("ft"), wanted=2)
    [study] = plainly(runner.store).values()
    assert len(study.trials) == 2


def test_a_journal_that_cannot_be_read_does_not_end_the_search_of_another(tmp_path):
    at = store(tmp_path)
    at.studies.mkdir()
    (at.studies / "ct-0000000000000000.journal").write_text("milk\n")
    runner = searched(tmp_path, question("ft"))
    assert len(plainly(runner.store)) == 1


def test_a_collection_that_cannot_be_written_ends_no_search(tmp_path):
    at = store(tmp_path)
    (at.studies / ALL).mkdir(parents=True)
    runner = searched(tmp_path, question("ft"))
    assert len(runner.asked) == 3


def test_a_study_of_an_earlier_version_goes_on_under_its_name(tmp_path):
    at, asked = store(tmp_path), question("ft")
    searched(tmp_path, asked, wanted=2)
    [journal] = journals(at.studies)
    [name] = plainly(at)
    journal.write_text(journal.read_text().replace(name, asked.key))
    (at.studies / ALL).unlink()
    runner = searched(tmp_path, asked, wanted=4)
    [(title, study)] = plainly(runner.store).items()
    assert title == name
    assert len(study.trials) == 4


def test_the_same_study_is_found_where_its_data_are_called_otherwise(tmp_path):
    """On another machine the file of pictures lies elsewhere; the database is one."""
    address = f"journal:{tmp_path}/shared.journal"
    here = question("ft")
    there = question("ft")
    there.runs[0].labels["dataset"] = "npz:/data/other name.npz"
    assert here.key == there.key
    for asked, wanted in ((here, 2), (there, 4)):
        searched(tmp_path, asked, wanted=wanted, address=address)
    [row] = Catalogue(tmp_path, address).listed()
    assert row["trials"] == 4


def test_the_list_says_how_far_each_is_and_what_it_came_to(tmp_path):
    runner = searched(tmp_path, question("ft"), question("msg"))
    [study] = order(runner.store, question("ft")).open(Presence(None), {})
    choose([study], runner, 1)
    ft, msg = Catalogue(runner.store.studies).listed()
    assert (ft["method"], ft["trials"], ft["state"], ft["confirmed"] is None) == ("ft", 3, "chosen", False)
    assert (msg["method"], msg["trials"], msg["state"], msg["confirmed"]) == ("msg", 3, "no choice", None)
    assert msg["searched"] == min(
        row["norm"] for row in trials_of(Catalogue(runner.store.studies).find("msg-"))
    )
    assert choices_of(study.optuna)[-1] == json.loads(json.dumps(study.optuna.user_attrs["candidates"]))


def test_a_study_is_found_by_what_it_begins_with(tmp_path):
    runner = searched(tmp_path, question("ft"), question("ft", seed=1))
    known = Catalogue(runner.store.studies)
    key = question("ft").key
    assert known.key(known.find(key)) == known.key(known.find(key[3:9])) == key
    with pytest.raises(UsageFailure, match="fits 2 studies"):
        known.find("ft-")
    with pytest.raises(NotFound, match="no study is called zzzz"):
        known.find("zzzz")


def test_a_study_that_is_searched_is_alive_and_stays(tmp_path):
    runner = searched(tmp_path, question("ft"), question("msg"))
    known, key = Catalogue(runner.store.studies), question("ft").key
    with present(runner.store.studies, [key]):
        assert set(living(runner.store.studies)) == {key}
        assert [row["state"] for row in known.listed()] == ["searching", "no choice"]
        with pytest.raises(UsageFailure, match=f"study {key} is being searched"):
            known.remove([known.find("msg-"), known.find(key)])
        assert len(journals(runner.store.studies)) == 2, "none of them went"
    assert living(runner.store.studies) == {}
    known.remove([known.find(key)])
    assert [row["method"] for row in known.listed()] == ["msg"]
    assert len(plainly(runner.store)) == 1


def test_a_search_names_its_studies_while_it_goes_on(tmp_path):
    at, seen = store(tmp_path), []

    def answer(params):
        seen.append(set(living(at.studies)))
        return scores_of(params)

    search(order(at, question("ft"), wanted=2), 1, Formula(at, answer), lambda _: None)
    assert seen == [{question("ft").key}] * 2


@pytest.mark.parametrize("form", ["sqlite:///{}/x.db", "journal:{}/x.journal"])
def test_studies_of_a_database_are_listed_and_removed_there(tmp_path, form):
    address = form.format(tmp_path)
    assert Catalogue(tmp_path, address).listed() == []
    assert not list(tmp_path.iterdir()), "a look makes no storage"
    searched(tmp_path, question("ft"), question("msg"), address=address)
    known = Catalogue(tmp_path, address)
    known.remove([known.find("ft-")])
    assert [row["method"] for row in Catalogue(tmp_path, address).listed()] == ["msg"]
