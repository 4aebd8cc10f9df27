"""BatchNorm on few pictures."""

from __future__ import annotations

import deep_kit
import pytest
import tiny
import torch
from torch import nn
from torch.nn import functional as F

from deepunlearn_cli import unlearn
from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.engine.lockstep import Lockstep
from deepunlearn_cli.engine.pictures import cut
from deepunlearn_cli.engine.statistics import ENOUGH
from deepunlearn_cli.engine.task import Task
from deepunlearn_cli.methods._tracked import Tracked
from deepunlearn_cli.methods.retrain import Retrain


def task(count: int) -> Task:
    return deep_kit.task(deep_kit.pixels(100, 60.0), 0, 4, retain=range(count))


def buffers(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.named_buffers()}


@pytest.mark.parametrize("count", [1, 2, ENOUGH - 1])
def test_few_pictures_use_the_running_statistics_and_leave_them(count: int) -> None:
    model, few = deep_kit.network(0, 4).train(), task(count)
    with torch.no_grad():
        model(torch.randn(32, 3, 8, 8))
    before = buffers(model)
    (batch,) = few.retain.batches(64)
    logits = few.forward(model, batch)
    assert tiny.same(before, buffers(model))
    assert all(module.training for module in model.modules())
    logits.square().sum().backward()
    assert all(bool(weight.grad.abs().sum() > 0) for weight in model.parameters() if weight.dim() == 4)
    assert torch.equal(logits, model.eval()(batch.x))


def test_enough_pictures_have_statistics_of_their_own() -> None:
    model, enough = deep_kit.network(0, 4).train(), task(ENOUGH)
    twin = deep_kit.network(0, 4).train()
    (batch,) = enough.retain.batches(64)
    assert torch.equal(enough.forward(model, batch), twin(batch.x))
    assert tiny.same(buffers(model), buffers(twin))
    assert int(model[0][1].num_batches_tracked) == 1


def test_all_else_is_in_train_mode_and_what_was_frozen_stays_so() -> None:
    seen: list[list[bool]] = []
    model = nn.Sequential(
        nn.BatchNorm2d(3), nn.BatchNorm2d(3), nn.Dropout(0.5), nn.Flatten(), nn.Linear(192, 5)
    )
    model[1].eval()
    model.register_forward_pre_hook(lambda *_: seen.append([layer.training for layer in model]))
    few = task(3)
    few.forward(model, next(few.retain.batches(64)))
    assert seen == [[False, False, True, True, True]]
    assert [layer.training for layer in model] == [True, False, True, True, True]


def test_the_mode_is_back_after_an_error() -> None:
    model, few = nn.Sequential(nn.BatchNorm2d(3), nn.Linear(1, 1)), task(3)
    with pytest.raises(RuntimeError):
        few.forward(model, next(few.retain.batches(64)))
    assert model[0].training


def test_layers_without_running_statistics_use_those_of_the_batch_as_ever() -> None:
    model = nn.Sequential(nn.BatchNorm2d(3, track_running_stats=False), nn.Flatten(), nn.Linear(192, 5))
    few = task(3)
    batch = next(few.retain.batches(64))
    assert torch.equal(few.forward(model, batch), model(batch.x))
    assert torch.equal(few.forward(model, batch), model.eval()(batch.x))


@pytest.mark.parametrize(
    ("count", "size", "says", "hint"),
    [
        (96, 1, "batch_size=1 is too small", "batch_size=8 is"),
        (100, 7, "batch_size=7 is too small", "batch_size=9 is"),
        (100, 8, "batch_size=8 is too small.* batches of 7", "batch_size=9 is"),
        (15, 14, "batch_size=14 is too small", "batch_size=15 is"),
        (7, 256, "7 pictures are too few", "give more pictures"),
    ],
)
def test_batches_too_small_to_begin_with_are_refused(count: int, size: int, says: str, hint: str) -> None:
    with pytest.raises(UsageFailure, match=says) as failure:
        unlearn(nn.Module(), Retrain.build({"epochs": 1, "batch_size": size}), task(count))
    assert hint in failure.value.hint


def test_tracked_training_and_lockstep_refuse_them_too() -> None:
    plain = {"epochs": 1, "batch_size": 7, "momentum": 0, "weight_decay": 0, "points": 0}
    whole = deep_kit.task(deep_kit.pixels(100, 60.0), 0, 4, retain=range(80), forget=range(80, 83))
    with pytest.raises(UsageFailure, match="batch_size=7 is too small"):
        unlearn(nn.Module(), Tracked.build(plain), whole)
    with pytest.raises(UsageFailure, match="batch_size=7 is too small"):
        Lockstep(whole.fresh("init"), whole, Retrain.build(plain), F.cross_entropy)


@pytest.mark.parametrize(("count", "size"), [(96, 8), (100, 9), (15, 15), (8, 8)])
def test_the_size_that_is_named_does(count: int, size: int) -> None:
    made = unlearn(nn.Module(), Retrain.build({"epochs": 1, "batch_size": size}), task(count))
    assert int(made[0][1].num_batches_tracked) >= 1


@pytest.mark.parametrize(("count", "size"), [(5, 256), (20, 1)])
def test_small_batches_train_a_network_without_batch_norm(count: int, size: int) -> None:
    few = task(count)
    few.fresh = lambda _: nn.Sequential(nn.Flatten(), nn.Linear(192, deep_kit.CLASSES))
    unlearn(nn.Module(), Retrain.build({"epochs": 1, "batch_size": size, "lr": 0.01}), few)


def test_small_batches_train_on_with_statistics_that_are_there() -> None:
    few, model = task(5), deep_kit.network(0, 4).train()
    with torch.no_grad():
        model(torch.randn(32, 3, 8, 8))
    before = buffers(model)
    few.fit(model, few.retain, Retrain.build({"epochs": 2, "lr": 0.01}))
    assert tiny.same(before, buffers(model))


@pytest.mark.parametrize("total", range(ENOUGH, 300))
def test_passes_in_batches_of_16_never_go_to_and_fro(total: int) -> None:
    assert min(end - start for start, end in cut(total, 16)) >= ENOUGH
