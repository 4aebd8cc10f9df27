"""What a run costs in memory: of the method alone, and nothing where it cannot be known."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from deepunlearn_cli.engine import cost
from deepunlearn_cli.engine.cost import Cost
from deepunlearn_cli.system import machine

CPU = torch.device("cpu")
MEGABYTE = 2**20
REFS = Path("/proc/self/clear_refs")

can_reset = pytest.mark.skipif(not os.access(REFS, os.W_OK), reason="the peak of memory cannot be reset here")


def taken(megabytes: int) -> Cost:
    """The cost of writing to so much memory and freeing it, in pieces that the process keeps."""
    spent = Cost()
    with spent.clock(CPU):
        pieces = [torch.ones(MEGABYTE, dtype=torch.uint8) for _ in range(megabytes)]
        del pieces
    return spent


@can_reset
def test_the_peak_is_the_methods_own_also_after_a_larger_one():
    machine.keep_freed_memory()
    for megabytes in (300, 100, 100):
        gained = taken(megabytes).memory
        assert gained is not None
        assert megabytes - 20 < gained / MEGABYTE < megabytes + 50


@can_reset
def test_what_was_held_before_does_not_count():
    held = torch.ones(200 * MEGABYTE, dtype=torch.uint8)
    gained = taken(50).memory
    assert held.sum() > 0
    assert gained is not None
    assert gained < 120 * MEGABYTE


@pytest.mark.parametrize("peak", [None, 10 * MEGABYTE])
def test_where_the_peak_goes_on_nothing_is_claimed(monkeypatch, peak):
    """No such file in /proc, or one without effect."""

    def memory(name: str) -> int:
        if peak is None:
            raise FileNotFoundError(name)
        return peak if name == "VmHWM" else 0

    monkeypatch.setattr(cost, "_memory", memory)
    assert taken(1).memory is None
    assert taken(1).facts(10)["peak_memory"] is None


def test_a_cpu_has_no_device_memory():
    assert taken(1).device_memory is None


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_the_devices_peak_is_the_methods_own():
    device = torch.device("cuda")
    torch.ones(300 * MEGABYTE, dtype=torch.uint8, device=device)
    spent = Cost()
    with spent.clock(device):
        torch.ones(100 * MEGABYTE, dtype=torch.uint8, device=device)
    assert spent.device_memory is not None
    assert 100 <= spent.device_memory / MEGABYTE < 300
