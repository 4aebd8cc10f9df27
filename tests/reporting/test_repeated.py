"""Tables of deletions in a row: where the curve says that training anew is due, and why."""

from __future__ import annotations

from typing import Any

import pytest

from deepunlearn_cli.core.recipe import DO_NOTHING, RETRAIN
from deepunlearn_cli.reporting.repeated import Due, due, lines_of, repeated_tables

LIMITS = {"umia_all": 0.05, "TA": 0.02}
SEEDS = range(5)
TITLES = {"ft": "FT"}


def row(method: str, way: str, requests: int, seed: int, **changes: Any) -> dict[str, Any]:
    said = {"RetDev": 0.1, "umia_new": 0.5, "umia_old": 0.5, "umia_all": 0.5, "FA": 0.9, "TA": 0.9}
    about = {"setup": "digits tiny", "seed": seed, "method": method, "way": way, "requests": requests}
    more = {
        "run": f"{method}-{way}-{requests}-{seed}",
        "reference": "",
        "forgotten": 9,
        "forget": "random:0.1",
    }
    return about | more | said | {"work": 1.0 * requests, "seconds": 2.0 * requests} | changes


def study(**by_request: Any) -> list[dict[str, Any]]:
    """Three requests: a method in a row, whose measures may depend on their number, and training anew."""
    wobble = [0.002 * (seed - 2) for seed in SEEDS]
    ours = [
        row("ft", "in a row", n, s, **{k: f(n) + wobble[s] for k, f in by_request.items()})
        for n in (1, 2, 3)
        for s in SEEDS
    ]
    return ours + [row(RETRAIN, "anew", n, s, work=20.0 * n, umia_old=None) for n in (1, 2, 3) for s in SEEDS]


def asked(rows: list[dict[str, Any]], limits: dict[str, float] = LIMITS) -> Due | None:
    lines = lines_of(rows)
    return due(lines["ft", "in a row"], lines[RETRAIN, "anew"], limits)


def test_nothing_is_due_where_a_method_keeps_beside_the_retrained_model():
    assert asked(study()) is None


def test_accuracy_that_is_lost_bit_by_bit_is_seen_at_the_first_request_beyond_the_limit():
    found = asked(study(TA=lambda n: 0.91 - 0.012 * n))
    assert found
    assert found.requests == 3
    assert "test accuracy" in found.why
    assert "-0.026" in found.why


def test_a_gap_within_its_interval_of_the_limit_says_nothing():
    assert asked(study(umia_all=lambda n: 0.551 if n == 3 else 0.5)) is None
    found = asked(study(umia_all=lambda n: 0.56 if n > 1 else 0.5))
    assert found
    assert (found.requests, "U-MIA" in found.why) == (2, True)


def test_too_little_exposure_is_beyond_the_limit_too():
    assert asked(study(umia_all=lambda n: 0.4))


def test_requests_that_cost_more_than_training_anew_once_are_not_worth_it():
    found = asked(study(work=lambda n: 8.0 * n))
    assert found
    assert (found.requests, found.why) == (3, "24.0 epochs of work so far, and training anew takes 20.0")


def test_one_seed_never_says_that_a_gap_is_real():
    alone = [one for one in study(TA=lambda n: 0.1) if one["seed"] == 0]
    assert asked(alone) is None


def test_tables_have_a_row_per_method_and_way_and_name_the_requests():
    tables = repeated_tables(study(TA=lambda n: 0.8), TITLES, LIMITS)
    assert [table.name for table in tables[:2]] == ["deepunlearn.repeated-due/1", "deepunlearn.repeated/1"]
    (first,) = tables[0].rows
    assert (first["label"], first["after"]) == ("FT", 1)
    by_measure = {table.rows[0]["measure"]: table for table in tables[1:]}
    accuracy = by_measure["TA"]
    assert accuracy.headers() == ["method", "requests", "1", "2", "3"]
    assert [cells[:3] for cells in accuracy.cells()] == [
        ["FT", "in a row", "80.0±0.3"],
        [RETRAIN, "anew", "90.0±0.0"],
    ]
    assert accuracy.rows[0]["2_mean"] == pytest.approx(0.8)
    assert accuracy.rows[0]["2_runs"] == [f"ft-in a row-2-{seed}" for seed in SEEDS]
    assert by_measure["umia_old"].cells()[-1][2] == "\u2013"
    assert any("random:0.1" in note for note in tables[-1].notes)


def test_many_requests_are_shown_by_some():
    rows = [row(DO_NOTHING, "in a row", n, 0) for n in range(1, 11)]
    assert repeated_tables(rows, {}, LIMITS)[1].headers()[2:] == ["1", "3", "5", "6", "8", "10"]


def test_an_attack_that_does_not_see_doing_nothing_clears_nobody():
    blind = [row(DO_NOTHING, "in a row", n, s) for n in (1, 2, 3) for s in SEEDS]
    seeing = [one | {"umia_all": 0.7 + 0.001 * one["seed"]} for one in blind]
    told = [repeated_tables(study() + rows, TITLES, LIMITS)[0].notes for rows in (blind, seeing)]
    assert [any("proves no forgetting" in note for note in notes) for notes in told] == [True, False]


def test_seeds_that_failed_are_counted():
    rows = [one for one in study() if (one["method"], one["seed"]) != ("ft", 3)]
    rows = [one for one in rows if one["method"] != "ft" or one["requests"] < 3]
    (note,) = repeated_tables(rows, TITLES, LIMITS)[0].notes
    assert note == (
        "FT in a row: of 5 seeds 4 after 1, 4 after 2, none after 2 requests; the others gave no usable model"
    )
