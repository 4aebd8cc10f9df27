"""How long runs may take: by runs of their kind, alone or in company, on datasets of any spec."""

from __future__ import annotations

import pytest
from cli_kit import ok, small_npz
from synthetic import run

from deepunlearn_cli.studies.pace import Like, Pace

PLACE = ("digits", "resnet-small")


def like(kind: str = "unlearn", name: str = "ft", params=None, epochs: float = 2.0) -> Like:
    return Like(*PLACE, kind, name, params, epochs)


def made(name: str, elapsed: float, *, seconds: float = 1.0, work: float = 1.0, **more):
    return run(name, elapsed=elapsed, seconds=seconds, work=work, **{"jobs": 1} | more)


def test_runs_of_the_same_settings_tell_what_they_took_in_all():
    rows = [made("ft", took, params={"lr": 0.1}, seed=s) for s, took in enumerate((3.0, 3.2, 90.0))]
    rows += [made("ft", 50.0, params={"lr": 0.2}), made("ga", 70.0)]
    assert Pace(rows, 1).each(like(params={"lr": 0.1})) == 3.2, (
        "the middle one: the first waits for libraries"
    )


def test_other_settings_are_told_by_work_and_by_what_comes_beside_it():
    rows = [made("ft", 5.0, seconds=4.0, work=2.0, params={"lr": 0.1})]
    assert Pace(rows, 1).each(like(params={"lr": 0.2}, epochs=3.0)) == pytest.approx(3 * 2 + 1)
    assert Pace(rows, 1).each(like(name="ga", params={}, epochs=3.0)) == pytest.approx(3 * 2 + 1)


def test_several_at_a_time_share_the_machine():
    rows = [made("ft", 8.0, params={}, shared=True, jobs=4)]
    assert Pace(rows, 4).each(like(params={})) == 2.0
    assert Pace(rows, 1).each(like(params={})) == 2.0, "known after --jobs too"
    rows.append(made("ft", 3.0, params={}, seed=1))
    assert Pace(rows, 1).each(like(params={})) == 3.0, "runs in the company that is asked for tell best"
    assert Pace(rows, 4).each(like(params={})) == 2.0


def test_trials_are_told_by_trials_once_there_are_some():
    rows = [made("ft", 10.0, kind="trial", params={"lr": i}, seed=i) for i in range(4)]
    rows.append(made("ft", 3.0, seconds=2.0, work=1.0))
    few = Pace(rows, 1).each(like("trial", epochs=1.0))
    assert few == pytest.approx((4 * 1 + 2) / 5 + 9), "by work, beside what trials take"
    rows.append(made("ft", 20.0, kind="trial", params={"lr": 9}, seed=9))
    assert Pace(rows, 1).each(like("trial", epochs=1.0)) == 12.0


def test_attacks_are_told_by_attacks_and_nothing_by_nothing():
    rows = [made("umia", 0.5, kind="attack", params={"cv": "kfold"}, work=None)]
    assert Pace(rows, 1).each(like("attack", "umia", {"cv": "shuffle"})) == 0.5
    assert Pace(rows, 1).each(like("attack", "ks", {})) == 0.5
    assert Pace(rows, 1).each(like()) is None
    assert Pace([], 1).each(like("attack", "umia", {})) is None
    old = run("ft", seconds=4.0, work=2.0)  # from before the whole run was timed
    assert Pace([old], 1).each(like(params={"lr": 1}, epochs=1.0)) == 2.0


def test_hours_are_known_for_any_spec_and_grow_with_what_is_missing(tmp_path):
    plan, store = tmp_path / "plan.toml", tmp_path / "store"
    text = f"""
datasets = ["{small_npz(tmp_path / "inv.npz")}"]
models = ["resnet-tiny"]
methods = ["ft", "do-nothing", "retrain"]
seeds = "0"
tables = []
[training]
epochs = 1
[params.ft]
epochs = 1
"""
    plan.write_text(text)
    ok("bench", plan, "--store", store)
    hours = []
    for seeds in ("0-1", "0-3"):
        plan.write_text(text.replace('"0"', f'"{seeds}"'))
        said = ok("bench", plan, "--dry-run", "--store", store)
        rows = ok("bench", plan, "--dry-run", "--store", store, "--json").json
        assert all(row["seconds"] is not None for row in rows), rows
        hours.append(sum(row["seconds"] for row in rows))
        assert "runs in all" in said.err
        assert "hours to go, by what such runs took in this store, one run at a time" in said.err
    assert hours[1] == pytest.approx(3 * hours[0])
    several = ok("bench", plan, "--dry-run", "--jobs", "2", "--store", store)
    assert "2 runs at a time" in several.err
