"""Tables of weights and of the study, from made-up figures."""

from __future__ import annotations

import math

import pytest
from synthetic import WIDTH, by_label, cell, joined, run, width

from deepunlearn_cli.core.errors import NotFound
from deepunlearn_cli.reporting.figures import unrolling_figure
from deepunlearn_cli.reporting.formats import FORMATS, render
from deepunlearn_cli.reporting.unrolling_tables import pearson, spearman, unrolling_tables
from deepunlearn_cli.reporting.weight_distances import weights_table

ERRORS = ("e", "e_now", "e_power1", "e_sqrt")


def study(pretrain=(0,), rates=(0.1, 0.001), gammas=(0.0, 0.5), seeds=5):
    """Runs in which e and v grow with the step and the learning rate, and a penalty halves v and doubles e."""
    return [
        {
            "id": f"{start}-{lr}-{gamma}-{seed}",
            "dataset": "digits",
            "model": "cnn",
            "pretrain": start,
            "lr": lr,
            "gamma": gamma,
            "seed": seed,
            "TA": 0.9 - 0.1 * gamma,
            "TA_retrained": 0.9,
            "readings": [reading(step, lr, gamma, seed) for step in (1, 10, 20, 30)],
        }
        for start in pretrain
        for lr in rates
        for gamma in gammas
        for seed in range(seeds)
    ]


def reading(step, lr, gamma, seed):
    v = lr * (step - 1) * (1 + 0.1 * seed) * (0.5 if gamma else 1)
    e = lr**2 * (step - 1) * (1 + 0.1 * seed) * (2 if gamma else 1)
    return {"step": step, "v": v, "v_amnesiac": v / 2, "v_original": 2 * v, "sigma": 3.0} | dict.fromkeys(
        ERRORS, e
    )


def test_correlations_are_what_they_are_called():
    x, y = [1.0, 2.0, 3.0, 4.0], [1.0, 8.0, 27.0, 64.0]
    assert spearman(x, y) == pytest.approx(1)
    assert pearson(x, y) == pytest.approx(0.9514, abs=1e-4)
    assert spearman([1, 1, 2], [3, 3, 1]) == pytest.approx(-1)
    assert math.isnan(pearson([1, 2], [1, 2]))
    assert math.isnan(pearson([1, 1, 1], [1, 2, 3]))


def test_the_study_tells_settings_correlations_and_trade_offs():
    setting, across, gamma = unrolling_tables(study())
    assert [row["n"] for row in setting.rows] == [5] * 4
    assert all(row["r_mean"] == pytest.approx(1) for row in setting.rows)
    assert all(row["v_original_mean"] == pytest.approx(2 * row["v_mean"]) for row in setting.rows)
    assert setting.notes[-1].endswith("in 0 of 4 settings")
    everything = next(row for row in across.rows if row["lr"] is None)
    assert everything["n"] == 20
    within = [row for row in across.rows if row["lr"] is not None]
    assert [row["n"] for row in within] == [10, 10]
    assert all(row["r"] < 0 < everything["r"] for row in within), "a lr apart, e and v go together"
    assert [row["v_mean"] for row in gamma.rows] == pytest.approx([0.5, 0.5])
    assert [row["e_mean"] for row in gamma.rows] == pytest.approx([2, 2])
    assert [row["dTA_mean"] for row in gamma.rows] == pytest.approx([-0.05, -0.05])
    assert "lowers mean v in 2 and both v and e in 0 of 2 settings" in gamma.notes[-1]
    assert all(row["lower"] == 5 for row in gamma.rows)


@pytest.mark.parametrize("seeds", [1, 5])
def test_the_studys_tables_fit_a_terminal(seeds):
    for table in unrolling_tables(study(pretrain=(0, 10), seeds=seeds)):
        assert width(table) <= WIDTH
        assert all(render(table, form) for form in FORMATS if form != "junit")


def test_a_study_without_a_plain_run_has_no_trade_off():
    *_, gamma = unrolling_tables(study(gammas=(0.5,)))
    assert list(gamma.rows) == []


def test_the_figure_has_a_panel_per_start_and_a_dot_per_run():
    runs = study(pretrain=(0, 10))
    figure = unrolling_figure(runs)
    assert len(figure.axes) == 2
    assert sum(len(axis.lines) for axis in figure.axes) == 2 * len(runs) + 2  # and the legend's


def weights(seeds=3):
    rows = cell("retrain", [0.0] * seeds) + cell("ft", [0.0] * seeds) + cell("singlegradient", [0.0] * seeds)
    found = joined(rows)
    told = {
        record.id: {"v": 1.0 + record.seed, "v_original": 2.0, "e": 0.5, "e_sqrt": 0.1}
        for record in found
        if record.method != "retrain"
    }
    return found, told, {found[0].pair_key: [("a/b", 10.0), ("a/c", 12.0)]}


def test_weights_are_read_beside_the_original_and_other_seeds():
    table = weights_table(*weights())
    rows = by_label(table)
    single = rows["singlegradient"]
    assert (single["v_mean"], single["ratio_mean"], single["floor_mean"]) == (2.0, 1.0, 11.0)
    assert (single["e_mean"], single["e_sqrt_mean"], single["v_n"]) == (0.5, pytest.approx(0.1), 3)
    assert math.isnan(rows["FT"]["e_mean"]), "e is of Single-grad"
    assert rows["retrained"]["v_mean"] == 0
    assert width(table) <= WIDTH
    assert all(render(table, form) for form in FORMATS if form != "junit")


def test_weights_need_a_retrained_model():
    with pytest.raises(NotFound, match="retrained"):
        weights_table(joined(cell("ft", [0.0])), {}, {})


def test_an_approximate_run_says_so_in_its_label():
    (record,) = joined([run("ft", approximate=True)])
    assert record.label == "FT (approximate)"


def test_two_earlier_checkpoints_are_two_configurations():
    labels = {record.label for record in joined([run("ft", base=one, earlier=one) for one in ("a1", "b2")])}
    assert len(labels) == 2
