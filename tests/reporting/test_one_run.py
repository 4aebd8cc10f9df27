"""`report RUN`: one run beside its controls."""

from __future__ import annotations

import math

import pytest
from synthetic import attack, cell, joined, run

from deepunlearn_cli.core.errors import NotFound
from deepunlearn_cli.reporting.one_run import run_table


def store() -> list[dict]:
    """Two seeds of a method with the retrained models and the do-nothing original, all attacked."""
    parts = {"retrain": [0.0, 0.02], "do-nothing": [0.1, 0.1], "msg": [0.05, 0.3]}
    return [row for name, losses in parts.items() for row in cell(name, losses, [0.5, 0.52])]


def page(rows: list[dict], name: str = "msg", seed: int = 0):
    wanted = next(row["id"] for row in rows if (row["name"], row["seed"]) == (name, seed))
    table = run_table(joined(rows), wanted)
    return {row["measure"]: row for row in table.rows}, table


def test_a_run_stands_beside_its_controls():
    found, table = page(store())
    accuracy = found["TA"]
    assert [accuracy[name] for name in ("run", "retrained", "original")] == pytest.approx([0.85, 0.9, 0.8])
    assert accuracy["gap"] == pytest.approx(-0.05)
    assert accuracy["noise"] == pytest.approx(0.02)  # of retrained models of two seeds
    assert found["RetDev"]["run"] == pytest.approx(0.05 / 0.9)
    assert math.isnan(found["RTE"]["gap"])
    assert "seed 0" in table.title


def test_gaps_within_the_noise_are_marked():
    rows = store()
    rows += cell("ft", [0.01, 0.01], [0.5, 0.5])
    _, table = page(rows, "ft")
    cells = {line[0]: line for line in table.cells()}
    assert cells["TA, accuracy on test, %"][5].endswith("≈")
    _, far = page(rows, "msg")
    assert not {line[0]: line for line in far.cells()}["TA, accuracy on test, %"][5].endswith("≈")


def test_what_is_missing_is_told_with_its_command():
    alone = run("msg")
    _, table = page([alone])
    notes = "\n".join(table.notes)
    assert f"deepunlearn unlearn {alone['target']} --method retrain" in notes
    assert f"deepunlearn attack umia {alone['id']}" in notes
    assert all(line[5] == "–" for line in table.cells())


def test_a_failed_run_says_why():
    rows = [*cell("retrain", [0.0]), run("msg", status="failed", reason="the loss became nan", scores={})]
    found, table = page(rows)
    assert math.isnan(found["RA"]["run"])
    assert "the loss became nan" in table.notes[0]


def test_a_run_at_chance_says_so_beside_its_figures():
    scores = {"RA": 0.1, "FA": 0.12, "TA": 0.1}
    found, table = page([*cell("retrain", [0.0]), run("msg", scores=scores, classes=10)])
    assert found["FA"]["run"] == 0.12
    assert table.notes[0] == "no usable model: retain accuracy 10.0%, at chance for 10 classes"


def test_an_attack_is_no_model():
    rows = store()
    attacked = attack(rows[0], 0.5)
    with pytest.raises(NotFound, match="no unlearned or retrained model"):
        run_table(joined(rows), attacked["id"])
