"""A grid, cost as an objective, and trials that are stopped early."""

from __future__ import annotations

import pytest
from sweep_kit import Formula, order, question, scores_of, store

from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.core.fields import Domain
from deepunlearn_cli.execution.looks import LOOK
from deepunlearn_cli.sweep import by_hand, losses, read_objective, search, summaries
from deepunlearn_cli.sweep.catalogue import Catalogue, trials_of
from deepunlearn_cli.sweep.choice import choose
from deepunlearn_cli.sweep.presence import Presence
from deepunlearn_cli.sweep.ranges import on_grid


def asked(sampler: str = "grid", method: str = "ft", given: dict[str, object] | None = None, **more):
    hand = by_hand(method, given or {})
    return question(method, sampler, fixed=hand.fixed, ranges=hand.ranges, **more)


def searched(tmp_path, of, wanted: int, answer=scores_of):
    runner = Formula(store(tmp_path), answer)
    search(order(runner.store, of, wanted=wanted), 1, runner, lambda _: None)
    [study] = order(runner.store, of).open(Presence(None), {})
    return runner, study


@pytest.mark.parametrize(
    ("domain", "choices"),
    [
        (Domain(float, 0.1, "", 1e-5, 1e-1, log=True), (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)),
        (Domain(float, 0.1, "", 0.0, 1.0), (0.0, 0.25, 0.5, 0.75, 1.0)),
        (Domain(int, 1, "", 1, 6), (1, 2, 3, 4, 5, 6)),
        (Domain(int, 1, "", 1, 101), (1, 26, 51, 76, 101)),
        (Domain(int, 1, "", choices=(64, 128)), (64, 128)),
        (Domain(bool, True, ""), ()),
    ],
)
def test_levels_of_a_grid(domain, choices):
    assert on_grid(domain).choices == choices


def test_a_grid_tries_every_point_once_and_ends(tmp_path):
    of = asked(given={"lr": "1e-4..1e-2", "batch_size": "64,128", "epochs": 3, "weight_decay": 1e-3})
    runner, _ = searched(tmp_path, of, 100)
    points = [(recipe.params["lr"], recipe.params["batch_size"]) for recipe in runner.asked]
    levels = (1e-4, 0.000316228, 1e-3, 0.00316228, 1e-2)
    assert sorted(points) == sorted((lr, size) for lr in levels for size in (64, 128))
    assert points[0] == (1e-2, 128), "as near to the defaults as people allow"


def test_another_seed_walks_a_grid_in_another_order_and_an_interrupted_walk_goes_on(tmp_path):
    given = {"lr": "1e-4..1e-2", "epochs": "1..4", "batch_size": 64, "weight_decay": 1e-3}
    whole = [r.key for r in searched(tmp_path / "whole", asked(given=given), 20)[0].asked]
    other = [r.key for r in searched(tmp_path / "other", asked(given=given, seed=1), 20)[0].asked]
    assert sorted(whole) == sorted(other)
    assert whole != other
    parts = [r.key for n in (1, 7, 20) for r in searched(tmp_path / "parts", asked(given=given), n)[0].asked]
    assert parts == whole


@pytest.mark.parametrize(
    ("sampler", "metrics"),
    [("tpe", ["norm", "work"]), ("random", ["norm", "work"]), ("nsga3", [*losses.NAMES, "work"])],
)
def test_cost_is_one_more_objective(tmp_path, sampler, metrics):
    of = asked(sampler, objective=read_objective("cost"))
    assert of.key != asked(sampler).key
    _, study = searched(tmp_path, of, 14)
    assert study.optuna.metric_names == metrics
    assert {trial.values[-1] for trial in study.optuna.trials} == {2.0}
    assert {len(trial.values) for trial in study.optuna.trials} == {len(metrics)}


def test_the_pareto_set_knows_of_cost(tmp_path, monkeypatch):
    """The better, the dearer: no trial beats another in both."""
    of, costs = asked("random", objective="work"), {}

    class Dear(Formula):
        def ensure(self, recipe):
            run = super().ensure(recipe)
            run.facts["work"] = costs[recipe.key] = 10 * (
                2 - losses.norm(losses.losses(run.scores, of.references[0]))
            )
            return run

    runner = Dear(store(tmp_path))
    search(order(runner.store, of, wanted=6), 1, runner, lambda _: None)
    [row] = summaries(runner.store.studies)
    assert len(row["pareto"]) == len(set(costs.values()))
    assert {point["work"] for point in row["pareto"]} == set(costs.values())


def test_an_unknown_objective_is_refused_with_a_suggestion():
    with pytest.raises(UsageFailure, match="unknown objective 'costs'"):
        read_objective("costs")


class Stopping(Formula):
    """A runner that stops what is hopeless: the norm at the look is that of the end."""

    def ensure(self, recipe):
        run = super().ensure(recipe)
        how = recipe.data.get(LOOK)
        if how and losses.norm(losses.losses(run.scores, how["reference"])) > how["above"]:
            run.facts["stopped"] = True
        return run


def stopping(tmp_path, of, *wanted: int):
    for number in wanted:
        runner = Stopping(store(tmp_path))
        search(order(runner.store, of, wanted=number), 1, runner, lambda _: None)
    [study] = order(runner.store, of).open(Presence(None), {})
    return runner, study


@pytest.mark.parametrize("sampler", ["random", "tpe", "nsga3"])
def test_a_trial_is_held_against_the_best_of_those_before_it_however_often_the_search_is_resumed(
    tmp_path, sampler
):
    of = asked(sampler, early_stop=0.02, originals=2)
    _, whole = stopping(tmp_path / "whole", of, 24)
    rows = trials_of(whole.optuna)
    assert 0 < sum(row["stopped"] for row in rows) < 24
    best = None
    for row in rows:
        limit = None if best is None else best + 0.02
        [recipe, *_] = of.trials(row["params"], best=best)
        assert row["runs"][0] == recipe.key
        assert row["stopped"] == (limit is not None and row["norm"] > limit)
        if not row["stopped"]:
            best = row["norm"] if best is None else min(best, row["norm"])
    _, parts = stopping(tmp_path / "parts", of, 1, 5, 6, 13, 24)
    assert trials_of(parts.optuna) == rows


def test_a_stopped_trial_spares_the_other_originals_and_is_never_chosen(tmp_path):
    of = asked("random", early_stop=0.0, originals=3)
    runner, study = stopping(tmp_path, of, 12)
    rows = {row["trial"]: row for row in trials_of(study.optuna)}
    made = [sum(recipe.labels["trial"] == n for recipe in runner.asked) for n in rows]
    assert made == [1 if row["stopped"] else 3 for row in rows.values()]
    [few] = choose([study], runner, 12)
    nominated = [one.trial for one in few if one.trial is not None]
    assert nominated
    assert not any(rows[number]["stopped"] for number in nominated)
    [row] = Catalogue(runner.store.studies).listed()
    assert row["trials"] == 12


def test_early_stopping_is_part_of_the_studys_key_and_of_its_trials(tmp_path):
    plain, early = asked("random"), asked("random", early_stop=0.1)
    assert plain.key != early.key != asked("random", early_stop=0.2).key
    assert plain.trials(plain.defaults, best=0.1)[0].key == plain.trials(plain.defaults)[0].key
    keys = {early.trials(early.defaults, best=best)[0].key for best in (None, 0.1, 0.2)}
    assert len(keys) == 3


def test_a_method_that_cannot_act_here_stops_no_other(tmp_path):
    class Picky(Formula):
        def ensure(self, recipe):
            run = super().ensure(recipe)
            if recipe.name == "ga":
                raise UsageFailure("no layer that it knows", "another model")
            return run

    runner = Picky(store(tmp_path))
    asked_for = [asked("tpe", method) for method in ("ga", "ft")]
    of = order(runner.store, *asked_for, wanted=3)
    [failure] = search(of, 1, runner, lambda _: None)
    assert failure.message == "ga: no layer that it knows"
    assert isinstance(failure, UsageFailure)
    assert [study.done() for study in of.open(Presence(None), {})] == [0, 3]
    assert sum(recipe.name == "ga" for recipe in runner.asked) <= 1, "it is not tried again and again"
