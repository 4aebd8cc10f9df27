"""Every method's steps as graphs: the same weights, losses and work as step by step, and no wait in a pass."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from recorder import rates_as_tensors, recorded
from torch import nn

from deepunlearn_cli import unlearn
from deepunlearn_cli.engine import graphs
from deepunlearn_cli.engine.device import streams
from deepunlearn_cli.engine.pictures import Batch, Pictures, Pixels
from deepunlearn_cli.engine.task import Task
from deepunlearn_cli.methods import METHODS, Method

NAMES = METHODS.names()
BATCH = 12
OWN = {"ssd": {"alpha": 0.1, "dampening": 0.1}}  # pictures that the model does not know matter little
UNSTEPPED = {"do-nothing", "amnesiac", "singlegradient"}  # they launch nothing twice


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of at most 12, so that every pass has several."""
    batches, count = Pictures.batches, Pictures.count
    monkeypatch.setattr(Pictures, "batches", lambda self, size, **how: batches(self, min(size, BATCH), **how))
    monkeypatch.setattr(Pictures, "count", lambda self, size: count(self, min(size, BATCH)))


def actor(name: str) -> Method:
    """A method with four epochs, so that steps are replayed."""
    cls = METHODS.get(name)
    return cls.build({f: 4 for f in cls.domains() if f.endswith("epochs")} | OWN.get(name, {}))


def made(name: str, kind: str, *, device: torch.device = tiny.CPU, graphed: bool = True) -> tuple[Task, Any]:
    """The task, and what a method made of an original."""
    task = tiny.task(kind, METHODS.get(name).needs) if device == tiny.CPU else moved(kind, name, device)
    if not graphed:
        task.graphs = None
    elif device == tiny.CPU:
        recorded(task)
    model = tiny.original(name, kind).to(device)
    return task, tiny.weights(unlearn(model, actor(name), task, seed=3))


def moved(kind: str, name: str, device: torch.device) -> Task:
    """The tiny task on another device."""
    near, stream, shown = tiny.task(kind, METHODS.get(name).needs), streams(0), tiny.pixels()
    pixels = Pixels(shown.images, shown.labels, device, mean=(0.5,) * 3, std=(0.25,) * 3, flip=True, pad=1)
    parts = {
        part: Pictures(
            pixels,
            np.asarray(tiny.PARTS[part]),
            order=stream(f"order/{part}"),
            moves=stream(f"augment/{part}"),
        )
        for part in near.parts
    }
    task = Task(
        parts,
        device=device,
        stream=stream,
        fresh=lambda name: tiny.fresh(kind, 0, name).to(device),
        classes=tiny.CLASSES,
        precision="bf16",
    )
    task.track = near.track
    if task.track:
        task.track.start.to(device)
    return task


def check(name: str, kind: str, device: torch.device) -> None:
    (plain, eager), (task, graphed) = (
        made(name, kind, device=device, graphed=wanted) for wanted in (False, True)
    )
    assert task.graphs
    assert not task.warnings or plain.warnings == task.warnings
    assert (task.graphs.counts["replayed"] > 0) == (name not in UNSTEPPED)
    assert plain.cost.counted() == task.cost.counted()
    for one, other in zip(plain.log, task.log, strict=True):
        assert one == pytest.approx(other, rel=1e-6)
    for weight, value in eager.items():
        assert torch.equal(value, graphed[weight]), weight


@pytest.mark.parametrize("kind", ["cnn", pytest.param("vit", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", NAMES)
def test_recorded_steps_are_the_steps_to_the_bit(
    name: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates_as_tensors(monkeypatch)
    monkeypatch.setattr(graphs, "WARM", 1)
    check(name, kind, tiny.CPU)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("kind", tiny.MODELS)
@pytest.mark.parametrize("name", NAMES)
def test_a_graph_is_the_eager_run_to_the_bit(name: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphs, "WARM", 1)
    check(name, kind, torch.device("cuda"))


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("kind", tiny.MODELS)
@pytest.mark.parametrize("name", NAMES)
def test_nothing_waits_for_the_card_within_a_pass(
    name: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = Pictures.batches

    def watched(*args: Any, **options: Any) -> Iterator[Batch]:
        passing = batches(*args, **options)
        try:
            for batch in passing:
                torch.cuda.set_sync_debug_mode("error")
                yield batch
        finally:
            torch.cuda.set_sync_debug_mode("default")

    monkeypatch.setattr(Pictures, "batches", watched)
    made(name, kind, device=torch.device("cuda"), graphed=False)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("how", ["item", "synchronize"])
def test_a_model_that_waits_for_the_card_is_trained_step_by_step(how: str) -> None:
    class Waiting(nn.Module):
        """Ends in something that no graph can hold."""

        def __init__(self) -> None:
            super().__init__()
            self.inner = tiny.fresh("cnn", 0)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            logits = self.inner(x)
            if how == "item":
                return logits + min(0.0, abs(logits.sum().item()))
            torch.cuda.synchronize()
            return logits

    made = []
    for graphed in (True, False):
        task = moved("cnn", "ft", torch.device("cuda"))
        if not graphed:
            task.graphs = None
        model = Waiting().cuda()
        hyper = METHODS.get("ft").build({"epochs": 6, "lr": 0.01})
        made.append(tiny.weights(unlearn(model, hyper, task)))
        assert bool(task.warnings) == graphed
    assert tiny.same(*made)
