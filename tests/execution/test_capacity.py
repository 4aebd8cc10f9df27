"""`--jobs auto`: as many runs at a time as the machine carries."""

from __future__ import annotations

import pytest
import tiny
import torch
from cli_kit import TRAIN, ok, refused

from deepunlearn_cli import data
from deepunlearn_cli.execution import capacity, recipes
from deepunlearn_cli.execution.pool import PoolRunner
from deepunlearn_cli.execution.runner import Reporter, Runner
from deepunlearn_cli.store import Store
from deepunlearn_cli.system import machine


@pytest.fixture
def asked(tmp_path):
    """A runner, and two originals that it is asked for."""
    runner = PoolRunner(Store.open(tmp_path / "store", create=True), "cpu", None, None)
    digits = data.open_dataset("digits", runner.store.data)
    scene = recipes.Scene(digits, "resnet-tiny", data.VAL_SHARE, data.SPLIT_SEED)
    return runner, [recipes.original(scene, {"epochs": 1}, seed) for seed in (0, 1)]


@pytest.fixture
def card(monkeypatch):
    """A card, of which so many bytes are free."""
    free = {}
    monkeypatch.setattr("deepunlearn_cli.engine.device.pick_device", lambda name: torch.device("cuda"))
    monkeypatch.setattr(capacity, "_free", lambda device: free["bytes"])
    monkeypatch.setattr(machine, "cores", lambda: 64)
    return free


def test_on_a_cpu_it_is_one_for_each_core_whatever_runs(asked):
    runner, wanted = asked
    assert capacity.fitting(wanted, runner) == capacity.fitting([], runner) == machine.cores()


def test_on_a_card_it_is_what_fits_by_an_estimate(asked, card):
    runner, wanted = asked
    need = capacity.estimate(wanted[0], runner) + capacity.CONTEXT
    for count in (1, 3, capacity.MOST):
        card["bytes"] = (count + 0.5) * need / capacity.USABLE
        assert capacity.fitting(wanted, runner) == count
    card["bytes"] = 100 * need
    assert capacity.fitting(wanted, runner) == capacity.MOST
    card["bytes"] = need / 10
    assert capacity.fitting(wanted, runner) == 1, "one has to do"


def test_on_a_card_what_such_runs_took_is_better_than_an_estimate(asked, card, monkeypatch):
    runner, wanted = asked
    row = {"dataset": "digits", "model": "resnet-tiny", "peak_device_memory": 4 * 10**9}
    monkeypatch.setattr(Store, "rows", lambda self, **only: [row, row | {"peak_device_memory": 10**9}])
    card["bytes"] = 3.5 * (4 * 10**9 + capacity.CONTEXT) / capacity.USABLE
    assert capacity.fitting(wanted, runner) == 3


def test_cores_are_a_limit_on_a_card_too(asked, card, monkeypatch):
    monkeypatch.setattr(machine, "cores", lambda: 2)
    card["bytes"] = 10**15
    assert capacity.fitting(asked[1], asked[0]) == 2


@pytest.mark.parametrize("kind", tiny.MODELS)
def test_activations_are_what_the_backward_pass_needs(kind):
    model = tiny.fresh(kind, 0)
    shape = (3, tiny.SIZE, tiny.SIZE)
    each = capacity.footprint(model, shape)
    widest = max(
        module.weight.shape[0]
        for module in model.modules()
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear)
    )
    assert each > 4 * widest
    weights = sum(weight.nbytes for weight in model.parameters())
    assert each < weights + 4 * 10**6
    grown = capacity.footprint(tiny.fresh("cnn", 0), (3, 2 * tiny.SIZE, 2 * tiny.SIZE))
    assert grown > 3 * capacity.footprint(tiny.fresh("cnn", 0), shape)


def test_one_at_a_time_needs_no_workers_and_says_so(asked, monkeypatch):
    said = []

    class Told(Reporter):
        def carrying(self, jobs):
            said.append(jobs)

    runner, wanted = asked
    runner.reporter = Told()
    monkeypatch.setattr(machine, "cores", lambda: 1)
    monkeypatch.setattr("deepunlearn_cli.execution.pool.ProcessPool", None)
    assert len(runner.ensure_all(wanted).runs) == 2
    assert said == [1]
    assert len(runner.ensure_all(wanted).runs) == 2
    assert said == [1], "nothing was left to make"
    assert Runner(runner.store).width(wanted) == 1


def test_a_person_asks_for_it_by_name(tmp_path):
    done = ok(*TRAIN, "--seeds", "0-1", "--jobs", "auto", "--store", tmp_path / "store")
    assert f"{machine.cores()} run" in done.err
    assert "at a time" in done.err
    line = refused(*TRAIN, "--jobs", "some", "--store", tmp_path / "store", code=2)
    assert "--jobs some" in line
