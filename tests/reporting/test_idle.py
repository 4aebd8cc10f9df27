"""Methods beside doing nothing, and tables of too few methods for groups."""

from __future__ import annotations

import numpy as np
import pytest
from synthetic import cell, joined

from deepunlearn_cli.evaluation.separation import FALSE_GAINS, LEAST_GAINS, better
from deepunlearn_cli.reporting.rank import rank

NOTHING = [0.20, 0.22, 0.18, 0.21, 0.19]  # the loss in retain accuracy of the do-nothing models
LOWER = [one - 0.05 for one in NOTHING]
HIGHER = [one + 0.05 for one in NOTHING]
NOW_AND_THEN = [0.10, 0.12, 0.30, 0.11, 0.30]


def records(seeds: int = 5, **methods: list[float]):
    levels = {"retrain": [0.0] * seeds, "do-nothing": NOTHING[:seeds], **methods}
    return joined([row for name, losses in levels.items() for row in cell(name, losses[:seeds])])


def marked(seeds: int = 5, **methods: list[float]) -> dict[str, bool | None]:
    rows = rank(records(seeds, **methods), metrics=["retdev"]).rows
    return {row["method"]: row["retdev_idle"] for row in rows}


def test_what_is_not_shown_to_be_better_than_doing_nothing_is_marked():
    found = marked(ft=LOWER, ga=HIGHER, ct=NOTHING, msg=NOW_AND_THEN)
    assert {name for name, idle in found.items() if idle} == {"ga", "ct", "msg"}
    assert found["ft"] is False
    assert found["do-nothing"] is found["retrain"] is None


@pytest.mark.parametrize("seeds", range(1, LEAST_GAINS))
def test_few_seeds_are_judged_by_their_means(seeds):
    found = marked(seeds, ft=LOWER, ga=HIGHER, ct=NOTHING)
    assert (found["ft"], found["ga"], found["ct"]) == (False, True, True)
    (note,) = (one for one in rank(records(seeds, ga=HIGHER)).notes if one.startswith("†"))
    assert f"fewer than {LEAST_GAINS} seeds" in note


def test_the_mark_is_in_the_table_and_explained_once():
    shown = rank(records(ft=LOWER, ga=HIGHER), metrics=["retdev"])
    (column,) = (one for one in shown.columns if one.header == "RetDev")
    texts = {row["method"]: column.text(row) for row in shown.rows}
    assert texts["ga"].endswith("†")
    assert "†" not in texts["ft"] + texts["do-nothing"] + texts["retrain"]
    assert sum("†" in note for note in shown.notes) == 1
    assert not any("†" in note for note in rank(records(ft=LOWER), metrics=["retdev"]).notes)


def test_a_failure_is_worse_than_anything():
    rows = [
        row
        for name in ("retrain", "do-nothing")
        for row in cell(name, NOTHING if name != "retrain" else [0.0] * 5)
    ]
    rows += [row | {"status": "failed"} for row in cell("ft", LOWER)]
    assert [row["retdev_idle"] for row in rank(joined(rows)).rows if row["method"] == "ft"] == [True]


def test_without_a_do_nothing_model_the_table_says_so_and_how_to_get_one():
    rows = [row for name in ("retrain", "ft") for row in cell(name, LOWER)]
    shown = rank(joined(rows))
    assert {row["retdev_idle"] for row in shown.rows} == {None}
    assert any("no do-nothing model" in note and "--method do-nothing" in note for note in shown.notes)


@pytest.mark.parametrize("methods", [1, 4, 5, 6])
def test_fewer_than_five_methods_get_no_groups_and_no_ranks(methods):
    levels = {f"m{i}": [one + i / 10 for one in NOTHING] for i in range(methods)}
    shown = rank(records(**levels), metrics=["retdev"])
    ours = [row for row in shown.rows if not row["control"]]
    assert [row["method"] for row in ours] == list(levels), "by their means"
    grouped = {sum(row[f"retdev_G{i}"] for i in (1, 2, 3)) for row in ours}
    assert grouped == ({0} if methods < 5 else {1})
    assert (ours[0]["retdev_rank"] is None) == (methods < 5)
    assert any(note.startswith("no groups on") for note in shown.notes) == (methods < 5)
    assert not ours[-1]["retdev_letters"] or methods == 1, "letters need no groups"


def test_a_pair_with_enough_methods_is_grouped_beside_one_without():
    many = [row for i in range(5) for row in cell(f"m{i}", [one + i / 10 for one in NOTHING])]
    few = [row for i in range(2) for row in cell(f"m{i}", NOTHING, setting="s1", dataset="mnist")]
    controls = [
        row
        for place in ({}, {"setting": "s1", "dataset": "mnist"})
        for name, losses in (("retrain", [0.0] * 5), ("do-nothing", NOTHING))
        for row in cell(name, losses, **place)
    ]
    shown = rank(joined([*many, *few, *controls]), metrics=["retdev"])
    counts = {row["method"]: sum(row[f"retdev_G{i}"] for i in (1, 2, 3)) for row in shown.rows}
    assert counts["m0"] == counts["m4"] == 1
    assert sum(note.startswith("no groups on mnist") for note in shown.notes) == 1


def test_methods_that_do_nothing_are_seldom_found_to_be_better():
    """At most one in sixteen: 4,000 methods and their controls, of one distribution."""
    rng = np.random.default_rng(0)
    found = [better([rng.normal(size=(5, 1))], [rng.normal(size=5)])[0] for _ in range(4000)]
    assert abs(np.mean(found) - FALSE_GAINS) < 0.012  # three standard errors


def test_pairs_of_seeds_and_settings_are_asked_together():
    """Four seeds in all, two in each of two settings, of which one has larger differences."""
    control = [np.array([1.0, 1.0]), np.array([100.0, 100.0])]
    ours = [np.array([[0.9, 1.1], [0.8, 0.9]]), np.array([[90.0, 90.0], [80.0, 80.0]])]
    assert better(ours, control).tolist() == [True, False]
