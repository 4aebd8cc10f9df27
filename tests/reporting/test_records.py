from __future__ import annotations

import pytest
from synthetic import TITLES, attack, joined, run

from deepunlearn_cli.reporting.records import records


def test_models_are_records_and_everything_else_is_not():
    msg = run("msg")
    rows = [
        msg,
        run("retrain"),
        run("do-nothing"),
        run("original", kind="train", forget=None, base="plain", id="plain"),
        run("checkpoint", kind="checkpoint", forget=None),
        attack(msg, 0.55),
    ]
    assert sorted(record.method for record in joined(rows)) == ["do-nothing", "msg", "retrain"]


def test_a_retrained_checkpoint_counts_as_retrained():
    assert [record.method for record in joined([run("retrain", kind="checkpoint")])] == ["retrain"]


def test_scores_attacks_and_facts_are_joined():
    msg = run("msg", 3, device="H200", shared=True)
    [record] = joined([attack(msg, 0.55), attack(msg, 0.51, params={"against": "val"}), msg])
    assert (record.RA, record.TA, record.seed) == (0.99, 0.9, 3)
    assert (record.facts["device"], record.facts["shared"], record.facts["work"]) == ("H200", True, 5.0)
    found = (record.umia, record.umia_low, record.umia_high, record.umias["val", "loss"])
    assert found == pytest.approx((0.55, 0.53, 0.57, 0.51))
    assert (record.title, record.label, record.pair_key) == ("MSG", "MSG", ("s0", "f0"))


def test_a_name_without_a_title_is_its_own():
    [record] = records([run("mine")], TITLES)
    assert record.title == "mine"


def test_only_the_newest_attempt_counts_and_takes_only_its_own_attack():
    first, second = run("msg"), run("msg", attempt=1, scores={"RA": 0.5})
    [record] = joined([second, first, attack(first, 0.9)])
    assert (record.id, record.RA, record.umia) == (second["id"], 0.5, None)


def test_failed_runs_stay_with_their_reason():
    [record] = joined([run("msg", status="failed", reason="diverged", scores={})])
    assert (record.status, record.reason, record.RA, record.umia) == ("failed", "diverged", None, None)


def test_failed_attacks_say_nothing():
    msg = run("msg")
    [record] = joined([msg, attack(msg, 0.9, status="failed")])
    assert record.umia is None


def test_kfold_is_quoted_before_shuffle_and_newer_before_older():
    msg = run("msg")
    shuffled = attack(msg, 0.6, params={"cv": "shuffle"}, created=9.0)
    old, new = attack(msg, 0.7, created=1.0, params={"folds": 5}), attack(msg, 0.8, created=2.0)
    for rows in ([msg, shuffled, old, new], [new, old, shuffled, msg]):
        [record] = joined(rows)
        assert (record.umia, record.umia_cv) == (0.8, "kfold")


def test_only_differing_hyperparameters_are_named():
    params = [{"lr": 0.1, "epochs": 5, "decay": 0}, {"lr": 0.01, "epochs": 5, "decay": 1}]
    rows = [run("msg", params=p) for p in params] + [run("ft", params=params[0]), run("retrain")]
    assert [record.label for record in joined(rows)] == [
        "MSG decay=0 lr=0.1",
        "MSG decay=1 lr=0.01",
        "FT",
        "retrained",
    ]


def test_a_hyperparameter_that_recipes_leave_out_reads_default():
    rows = [run("msg", params={"lr": 0.1}), run("msg", params={"lr": 0.1, "warmup": 2})]
    assert [record.config for record in joined(rows)] == ["warmup=default", "warmup=2"]


def test_configs_are_told_apart_within_a_pair_only():
    rows = [run("msg", params={"lr": 0.1}), run("msg", params={"lr": 0.2}, forget="f1")]
    assert [record.config for record in joined(rows)] == ["", ""]


def test_configs_that_look_alike_stay_apart():
    rows = [run("msg", params={"lr": lr}) for lr in (0.12345678, 0.12345679)]
    assert len({record.config for record in joined(rows)}) == 2


def test_controls_have_no_config():
    rows = [run("retrain", params={"epochs": 5}), run("retrain", kind="checkpoint", params={"sha": "x"})]
    assert {record.config for record in joined(rows)} == {""}


@pytest.mark.parametrize(("name", "values"), [("augment", (True, False)), ("precision", ("fp32", "bf16"))])
def test_augmentation_and_precision_tell_configurations_apart(name, values):
    runs = [run("msg", base=str(value), id=str(value), **{name: value}) for value in values]
    assert sorted(record.config for record in joined(runs)) == sorted(f"{name}={value}" for value in values)


def test_attacks_on_other_features_are_not_quoted():
    model = run("ft")
    found = joined([model, attack(model, 0.9, params={"feature": "entropy"}), attack(model, 0.6)])
    assert found[0].umia == 0.6
