"""`report --diff`: which figures moved beyond their intervals, and which got worse for sure."""

from __future__ import annotations

import math

import numpy as np
import pytest
from synthetic import cell, joined, run

from deepunlearn_cli.core.errors import NotFound
from deepunlearn_cli.evaluation.intervals import Estimate, matched_gap
from deepunlearn_cli.reporting.diff import Side, diff_table, regressed
from deepunlearn_cli.reporting.findings import junit, log_lines
from deepunlearn_cli.reporting.formats import render

SEEDS = 5


def side(name: str, loss: float, spread: float = 0.004, seed: int = 0) -> Side:
    """A store with FT, whose test accuracy lies `loss` below the usual one."""
    draw = np.random.default_rng(seed)
    rows = cell("retrain", [0.0] * SEEDS, [0.5] * SEEDS)
    rows += cell("ft", list(loss + draw.normal(0, spread, SEEDS)), [0.5] * SEEDS)
    return Side(name, joined(rows))


def of(table, measure: str, label: str = "FT"):
    return next(row for row in table.rows if (row["label"], row["measure"]) == (label, measure))


def test_a_clear_loss_is_worse_and_the_same_is_nothing():
    table = diff_table(side("old", 0.01), side("new", 0.08, seed=1))
    assert of(table, "TA")["moved"] == "worse"
    assert of(table, "TA")["gap"] == pytest.approx(-0.07, abs=0.01)
    assert of(table, "RetDev")["moved"] == "worse"
    assert regressed(table)
    same = diff_table(side("old", 0.01), side("new", 0.01))
    assert {row["moved"] for row in same.rows} <= {"", "not known"}
    assert not regressed(same)


def test_a_build_is_told_what_got_worse_and_of_nothing_else():
    table = diff_table(side("old", 0.01), side("new", 0.08, seed=1))
    worse = sum(row["moved"] == "worse" for row in table.rows)
    lines = log_lines([table])
    assert (len(lines), {line.partition(" ")[0] for line in lines}) == (worse, {"::error"})
    assert f'tests="{len(table.rows)}" failures="{worse}" errors="0"' in junit([table])
    assert not log_lines([diff_table(side("old", 0.01), side("new", 0.01))])


def test_a_gain_is_no_regression():
    table = diff_table(side("old", 0.08), side("new", 0.01, seed=1))
    assert of(table, "TA")["moved"] == "better"
    assert not regressed(table)


def test_chance_seldom_fails_a_gate():
    """Equal stores of other draws, five seeds each: at 5 % for all figures together."""
    wrong = [
        regressed(diff_table(side("a", 0.05, 0.02, n), side("b", 0.05, 0.02, n + 999))) for n in range(60)
    ]
    assert sum(wrong) <= 7


def test_a_method_that_gives_no_model_any_more_is_worse():
    failed = [run("ft", seed, status="failed", reason="diverged", scores={}) for seed in range(SEEDS)]
    rows = cell("retrain", [0.0] * SEEDS, [0.5] * SEEDS) + failed
    table = diff_table(side("old", 0.01), Side("new", joined(rows)))
    assert of(table, "TA")["moved"] == "worse"
    assert "failed" in [cells[table.headers().index("new")] for cells in table.cells()]
    assert regressed(table)


def test_a_pipe_has_the_place_of_every_row():
    head, first, *_ = render(diff_table(side("old", 0.01), side("new", 0.08)), "tsv").split("\n")
    row = dict(zip(head.split("\t"), first.split("\t"), strict=True))
    assert {row[name] for name in ("dataset", "model", "forget")} == {"digits", "resnet-small", "random:0.1"}
    assert "moved" in row


def test_single_seeds_are_told_to_be_unknown():
    rows = [
        Side(name, joined(cell("retrain", [0.0]) + cell("ft", [loss])))
        for name, loss in (("a", 0), ("b", 0.3))
    ]
    table = diff_table(*rows)
    assert of(table, "TA")["moved"] == "not known"
    assert any("not known" in note for note in table.notes)
    assert not regressed(table)


def test_two_runs_go_by_their_pictures():
    old, new = (Side(name, joined(cell("ft", [loss]))) for name, loss in (("a", 0.0), ("b", 0.1)))
    table = diff_table(old, new, {"TA": Estimate(-0.1, 0.01)})
    assert of(table, "TA")["moved"] == "worse"
    assert of(table, "RA")["moved"] == "not known"


def test_nothing_in_both_is_told():
    with pytest.raises(NotFound, match="no method on the same data"):
        diff_table(side("old", 0.0), Side("new", joined(cell("ft", [0.0], dataset="mnist"))))


def test_matched_gaps_hold_the_truth():
    draw = np.random.default_rng(0)

    def models(size: int) -> list[np.ndarray]:
        hard = draw.random(size)
        return [hard + draw.normal(0, 0.2, size) < level for level in (0.8, 0.7)]

    before, after = models(1_000_000)
    truth = after.mean() - before.mean()
    ends = [matched_gap(*models(200))[1:] for _ in range(400)]
    assert 0.92 < np.mean([low <= truth <= high for low, high in ends]) < 0.99
    alike = np.ones(50, dtype=bool)
    gap, low, high = matched_gap(alike, alike)
    assert (gap, low < 0 < high, math.isfinite(high)) == (0.0, True, True)
