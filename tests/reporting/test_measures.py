"""Measures are declared once: what every entry must satisfy, and those that look at outputs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from synthetic import TITLES, cell, joined

from deepunlearn_cli.core.errors import NotFound
from deepunlearn_cli.reporting.measures import MEASURES, RANK, SEEDS, SHEET, find_metric, measures_of
from deepunlearn_cli.reporting.one_run import run_table
from deepunlearn_cli.reporting.outputs import Reader
from deepunlearn_cli.reporting.rank import rank
from deepunlearn_cli.reporting.records import records
from deepunlearn_cli.reporting.scores import scores_table

pytestmark = pytest.mark.usefixtures("few_are_grouped")

OUTPUTS = [measure for measure in MEASURES.values() if measure.outputs]
RANKED = [measure for measure in OUTPUTS if RANK in measure.shown]
SHIFT = {"retrain": 0.0, "ft": 0.1, "msg": 1.0, "ct": 4.0}  # of logits from the retrained model's


@pytest.mark.parametrize("measure", MEASURES.values(), ids=lambda one: one.name)
def test_a_measure_says_what_people_need(measure):
    assert all((measure.title, measure.meaning, measure.shown))
    assert MEASURES[measure.name] is measure
    assert not (measure.noisy and measure.alone)  # the size of such a figure is no noise
    run, retrained = (joined(cell(name, [0.1], [0.5]))[0] for name in ("ft", "retrain"))
    figure = measure.of(run, retrained)
    assert math.isfinite(figure) or measure.outputs or measure.over != SEEDS or "entropy" in measure.name


def test_names_are_one_spelling_each():
    assert len({measure.key for measure in MEASURES.values()}) == len(MEASURES)
    assert find_metric("RetDev") is find_metric("retdev")
    with pytest.raises(NotFound, match="metric") as caught:
        find_metric("umia")
    assert all(measure.key in caught.value.hint for measure in measures_of(RANK))


class Store:
    """Outputs of runs that retain, forget and test pictures; counts how often each is read."""

    def __init__(self, without: str = "") -> None:
        self.read: list[str] = []
        self.without = without

    def __call__(self, run_id: str):
        self.read.append(run_id)
        method = run_id.partition("-")[0]
        if method == self.without:
            raise NotFound(f"run {run_id} keeps no outputs")
        draw = np.random.default_rng(0)
        parts = {}
        for place, (name, sure) in enumerate({"retain": 6.0, "forget": 0.5, "test": 0.0}.items()):
            logits, labels = draw.normal(0, 1, (40, 3)), draw.integers(0, 3, 40)
            logits[np.arange(40), labels] += sure + SHIFT[method] * (name == "forget")
            parts[name] = {"logits": logits, "labels": labels, "index": 40 * place + np.arange(40)}
        return parts


def told(store: Store):
    rows = [row for name in SHIFT for row in cell(name, [0.0, 0.1], [0.5, 0.5])]
    return records(rows, TITLES, reader=Reader(store))


@pytest.mark.parametrize("measure", RANKED, ids=lambda one: one.name)
def test_outputs_are_read_where_they_are_asked_for_and_once(measure):
    store = Store()
    rank(told(store))
    scores_table(told(store))
    assert store.read == []
    found = {row["label"]: row for row in rank(told(store), [measure.key]).rows}
    assert len(store.read) == len(set(store.read)) == 2 * len(SHIFT)
    assert [found[name][f"{measure.key}_rank"] for name in ("FT", "MSG", "CT")] == [1, 2, 3]
    assert found["retrained"][f"{measure.key}_mean"] == 0


@pytest.mark.parametrize("measure", RANKED, ids=lambda one: one.name)
def test_who_keeps_no_outputs_is_told(measure):
    table = rank(told(Store(without="msg")), [measure.key])
    msg = next(row for row in table.rows if row["label"] == "MSG")
    assert msg[f"{measure.key}_rank"] is None
    assert any("no outputs are kept of msg-0" in note for note in table.notes)
    nobody = rank(joined([row for name in SHIFT for row in cell(name, [0.0], [0.5])]), [measure.key])
    assert {row[f"{measure.key}_rank"] for row in nobody.rows} == {None}


@pytest.mark.parametrize("measure", [one for one in OUTPUTS if SHEET in one.shown], ids=lambda one: one.name)
def test_the_sheet_of_one_run_has_it(measure):
    everything = told(Store())
    run = next(one.id for one in everything if one.method == "ct")
    row = next(row for row in run_table(everything, run).rows if row["measure"] == measure.name)
    assert row["run"] != row["retrained"]
    assert row["retrained"] == 0 or measure.alone


@pytest.mark.parametrize("name", [one.name for one in OUTPUTS if "efficacy" in one.name])
def test_an_efficacy_stands_between_the_ends_of_its_interval(name):
    everything = told(Store())
    run = next(one.id for one in everything if one.method == "msg")
    table = run_table(everything, run)
    row = next(row for row in table.rows if row["measure"] == name)
    for model in ("run", "retrained"):
        assert 0 <= row[f"{model}_low"] <= row[model] <= row[f"{model}_high"] <= 1
    assert row["run_low"] < row["run_high"]
    shown = {line[0]: line for line in table.cells()}[MEASURES[name].heading]
    assert "–" in shown[2]
    assert len(shown[2]) > 2
