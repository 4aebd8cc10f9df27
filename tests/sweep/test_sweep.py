"""The question of a sweep: its space, its key, its losses; and samplers that resume."""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
from sweep_kit import Formula, order, question, scores_of, store, unlearning

from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.core.fields import Share, whole
from deepunlearn_cli.methods import METHODS
from deepunlearn_cli.reporting.sweeps import candidates_table, sweep_table
from deepunlearn_cli.sweep import SAMPLERS, losses, search, space, tunable
from deepunlearn_cli.sweep.presence import Presence
from deepunlearn_cli.sweep.question import Question
from deepunlearn_cli.sweep.study import Study


def proposals(at, asked: Question, count: int, runner: Formula | None = None) -> list[dict]:
    """The first points of a study, made in this process."""
    search(order(at, asked, wanted=count), 1, runner or Formula(at), lambda _: None)
    [study] = order(at, asked).open(Presence(None), {})
    return [dict(point.params) for point in study.points()]


def test_the_papers_four_losses():
    scores = {"RA": 0.7, "FA": 0.9, "VA": 0.6, "umia_val": 0.35}
    found = losses.losses(scores, {"RA": 1.0, "FA": 0.75, "VA": 0.6})
    assert found == pytest.approx((0.1, 0.05, 0.0, 0.3))
    assert losses.norm(found) == pytest.approx(math.sqrt(0.01 + 0.0025 + 0.09))
    assert losses.mean([(0.0, 1.0, 0.5, 0.5), (1.0, 0.0, 0.5, 0.0)]) == (0.5, 0.5, 0.5, 0.25)


def test_the_pareto_set_holds_what_nothing_dominates():
    points = [(0.1, 0.9), (0.5, 0.5), (0.5, 0.6), (0.9, 0.1), (0.1, 0.9)]
    assert losses.pareto(points) == [0, 1, 3]
    assert losses.pareto([]) == []


def test_every_method_but_the_controls_can_be_tuned():
    assert {"ft", "ga", "msg", "ct", "srl", "ngplus"} <= set(tunable())
    assert not {"do-nothing", "retrain"} & set(tunable())


@pytest.mark.parametrize("method", tunable())
def test_the_space_is_what_is_declared(method):
    asked = question(method)
    domains = METHODS.get(method).domains()
    assert set(asked.domains) == {name for name, domain in domains.items() if domain.search}
    found = space.distributions(asked.domains)
    for name, domain in asked.domains.items():
        assert not isinstance(domain.high, Share)
        if domain.choices:
            assert found[name].choices == domain.choices
        elif domain.type is not bool:
            assert (found[name].low, found[name].high, found[name].log) == (
                domain.low,
                domain.high,
                domain.log,
            )
        assert found[name]._contains(found[name].to_internal_repr(asked.nearest_to_defaults[name]))


def test_epochs_are_bounded_by_the_shortest_training():
    runs = (unlearning(epochs=30), unlearning(seed=1, epochs=12))
    asked = Question(runs, ({},) * 2, "tpe")
    assert asked.domains["epochs"].high == 3


def test_fixed_values_are_not_searched_but_used():
    asked = question(fixed={"epochs": 2})
    assert "epochs" not in asked.domains
    assert asked.defaults["epochs"] == 2
    assert asked.params({"lr": 0.05})["epochs"] == 2
    everything = dict(unlearning("ft").params)
    with pytest.raises(UsageFailure, match="ft has no hyperparameter to tune"):
        _ = question("ft", fixed=everything).domains


def test_a_default_outside_its_range_is_searched_from_the_nearest_value():
    run = unlearning("ft")
    off = Question(
        (type(run)(**vars(run) | {"params": dict(run.params) | {"weight_decay": 0.0}}),), ({},), "tpe"
    )
    assert off.nearest_to_defaults["weight_decay"] == 1e-5
    assert off.params(off.nearest_to_defaults)["weight_decay"] == 0.0
    other = off.nearest_to_defaults | {"lr": 0.05}
    assert off.params(other)["weight_decay"] == 1e-5


def test_a_field_that_was_added_is_searched_and_left_out_of_recipes_at_its_default(monkeypatch):
    @dataclass(frozen=True)
    class Grown(METHODS.get("ft")):
        warmup: int = whole(0, 0, 4, help="epochs", added=True)

    before = question("ft")
    keys = [recipe.key for recipe in before.trials(before.defaults)]
    monkeypatch.setattr("deepunlearn_cli.sweep.question.METHODS", SimpleNamespace(needed=lambda name: Grown))
    asked = question("ft")
    assert asked.defaults == before.defaults | {"warmup": 0}
    assert asked.nearest_to_defaults["warmup"] == 0
    assert [recipe.key for recipe in asked.trials(asked.defaults)] == keys
    assert asked.unlearned(asked.defaults) == list(asked.runs)
    assert asked.unlearned({**asked.defaults, "warmup": 1})[0].params["warmup"] == 1


def test_the_key_is_the_question_and_nothing_else():
    plain = question()
    assert question().key == plain.key
    assert plain.key.startswith("msg-")
    others = [
        question(sampler="random"), question(seed=1), question(label="mine"), question(originals=2),
        question(fixed={"epochs": 2}), question("ct"),
    ]  # fmt: skip
    assert len({plain.key, *(other.key for other in others)}) == 1 + len(others)


def test_trials_differ_from_runs_and_from_fresh_trials():
    asked = question(originals=2)
    first, fresh = asked.trials(asked.defaults), asked.trials(asked.defaults, fresh=1)
    keys = {recipe.key for recipe in (*first, *fresh, *asked.runs)}
    assert len(keys) == 6
    assert {recipe.kind for recipe in first} == {"trial"}
    assert [recipe.seed for recipe in fresh] == [1000, 1001]
    assert first[0].inputs == asked.runs[0].inputs
    assert first[0].data["judge"]["params"]["against"] == "val"


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_trial_zero_is_the_defaults_and_no_point_comes_twice(tmp_path, sampler):
    points = proposals(store(tmp_path), question(sampler=sampler), 12)
    assert points[0] == question().defaults
    assert len({tuple(point.items()) for point in points}) == 12


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_resumed_search_is_the_search_that_was_never_interrupted(tmp_path, sampler):
    asked = question(sampler=sampler)
    whole = proposals(store(tmp_path / "whole"), asked, 16)
    at = store(tmp_path / "parts")
    parts = [proposals(at, asked, count) for count in (1, 5, 11, 16)]
    assert parts[-1] == whole
    assert parts[1] == whole[:5]


def test_another_seed_is_another_search(tmp_path):
    one, other = (proposals(store(tmp_path / str(seed)), question(seed=seed), 4) for seed in (0, 1))
    assert one[0] == other[0]
    assert not any(point in other for point in one[1:])


def test_searching_beats_the_defaults(tmp_path):
    points = proposals(store(tmp_path), question("ft"), 40)
    values = [scores_of(point)["umia_val"] for point in points]
    assert min(values) < values[0] or values[0] == 0.5
    assert abs(math.log10(min(points, key=lambda p: scores_of(p)["umia_val"])["lr"]) + 2) < 0.3


def test_nsga_is_told_four_losses_and_the_others_their_norm(tmp_path):
    for sampler, count in (("nsga3", 4), ("tpe", 1), ("random", 1)):
        at = store(tmp_path / sampler)
        proposals(at, question(sampler=sampler), 2)
        [study] = order(at, question(sampler=sampler)).open(Presence(None), {})
        assert isinstance(study, Study)
        assert {len(trial.values) for trial in study.optuna.trials} == {count}


def test_an_unknown_sampler_is_refused_with_a_suggestion():
    with pytest.raises(UsageFailure, match="unknown sampler 'nsga'"):
        space.check_sampler("nsga")


ROW = {
    "study": "msg-1", "method": "msg", "dataset": "digits", "model": "resnet-tiny", "forget": "random:0.1",
    "sampler": "tpe", "seed": 0, "trials": 30, "failed": 2, "trial": 7, "searched": 0.01, "confirmed": 0.02,
    "confirmed_sd": 0.005, "confirmed_defaults": None, "params": {"lr": 0.0123456, "epochs": 3, "momentum": 0.9},
    "tuned": ["epochs", "lr"], "points": None, "reads_judge": False, "importances": {"lr": 0.8, "epochs": 0.15, "a": 0.04, "b": 0.01}, "pareto": [{}, {}],
}  # fmt: skip


def test_the_sweep_table_shows_what_was_tuned():
    [cells] = sweep_table([ROW]).cells()
    assert cells == [
        "msg", "tpe 0", "30", "2", "0.0100", "0.0200±0.0050", "–",
        "epochs=3 lr=0.0123", "lr 80% epochs 15% a 4%", "2",
    ]  # fmt: skip


def test_the_candidates_table_marks_the_choice_and_the_defaults():
    rows = [
        ROW | {"chosen": True, "defaults": False},
        ROW | {"chosen": False, "defaults": True, "trial": None, "searched": None, "confirmed": None, "confirmed_sd": None},
    ]  # fmt: skip
    chosen, usual = candidates_table(rows).cells()
    assert chosen == ["msg", "chosen", "7", "0.0100", "0.0200±0.0050", "epochs=3 lr=0.0123"]
    assert usual == ["msg", "", "–", "–", "–", "defaults: epochs=3 lr=0.0123"]
